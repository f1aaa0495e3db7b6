#include "cli/supervised.h"

#include "cli/terminal.h"
#include "study/supervise.h"

namespace fqlab::cli {

Result<ExitCode> supervised(const std::function<Result<ExitCode>()>& work) {
  const Result<int> code = run_supervised([&]() -> int {
    const Result<ExitCode> done = work();
    if (done) return *done;
    say_error(to_string(done.error()));
    return exit_code(done.error());
  });
  if (!code) return tl::unexpected(code.error());
  return static_cast<ExitCode>(*code);
}

}  // namespace fqlab::cli
