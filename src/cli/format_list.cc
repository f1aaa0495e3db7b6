#include "cli/format_list.h"

#include <algorithm>

namespace fqlab::cli {

Result<std::vector<FormatSpec>> parse_formats(const std::vector<std::string>& texts) {
  std::vector<FormatSpec> formats;
  for (const std::string& text : texts) {
    Result<FormatSpec> format = FormatSpec::parse(text);
    if (!format) return tl::unexpected(format.error());
    if (std::ranges::find(formats, *format) == formats.end()) formats.push_back(std::move(*format));
  }
  return formats;
}

}  // namespace fqlab::cli
