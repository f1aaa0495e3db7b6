#include "cli/plan_file.h"

#include "base/read_file.h"

namespace fqlab::cli {

Result<QuantizationPlan> read_plan_file(const std::string& path) {
  const Result<std::string> text = read_text_file(path, "give the file that `fqlab plan` wrote");
  if (!text) return tl::unexpected(text.error());
  return parse_plan(*text, path);
}

}  // namespace fqlab::cli
