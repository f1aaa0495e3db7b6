// The message catalogues as one table: a key, English, Traditional Chinese as written in Taiwan. Both
// languages stand in one row, so that neither can lack a key; tests compare placeholders and refuse
// Simplified characters. To add a message: one row in the catalogue_*.inc of its topic. To add a language:
// one column.
#pragma once

#include <cstddef>
#include <iterator>
#include <string_view>

namespace fqlab::report {

struct Message {
  std::string_view key;
  std::string_view english;
  std::string_view chinese;
};

inline constexpr Message kMessages[] = {
// clang-format off
#include "report/catalogue_terms.inc"
#include "report/catalogue_sections.inc"
#include "report/catalogue_conclusions.inc"
#include "report/catalogue_figures.inc"
#include "report/catalogue_weights.inc"
#include "report/catalogue_map.inc"
#include "report/catalogue_judgement.inc"
#include "report/catalogue_verify.inc"
    // clang-format on
};
inline constexpr size_t kMessageCount = std::size(kMessages);

/// The row of `key`; kMessageCount where there is none.
constexpr size_t index_of(std::string_view key) {
  size_t index = 0;
  while (index < kMessageCount && kMessages[index].key != key) ++index;
  return index;
}

}  // namespace fqlab::report
