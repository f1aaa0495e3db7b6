#pragma once

#include <string>
#include <string_view>

#include "fqlab/report.h"

namespace fqlab {

inline std::string english(const Comparison& c) { return comparison_markdown({&c, 1}, Language::kEnglish); }

inline size_t occurrences(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace fqlab
