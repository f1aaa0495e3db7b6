#include "cli/plan_file.h"

#include "base/read_file.h"

namespace fqlab::cli {

Result<QuantizationPlan> read_plan_file(const std::string& path) {
  const Result<std::string> text = read_text_file(path);
  if (text) return parse_plan(*text, path);
  Error error = text.error();
  error.hint = "give the file that `fqlab plan` wrote";
  return tl::unexpected(std::move(error));
}

}  // namespace fqlab::cli
