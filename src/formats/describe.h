// What a number format can hold, for tables and drawings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fqlab/format.h"

namespace fqlab {

/// The facts of one format. Ranges are those of an unscaled element; a scale multiplies them.
struct FormatFacts {
  std::string spec;            ///< canonical, or a pattern such as "int<2-16>" in the list of all
  std::string note;            ///< what it is, one clause
  double bits_per_weight = 0;  ///< scales included, of a 4096 x 4096 matrix
  std::optional<double> largest, smallest_normal, smallest_step;  ///< nothing for ggml's types
  std::string specials;                                           ///< "Inf, NaN, -0" or "none"
  std::string granularity;  ///< which values share a scale; for the list: which may
};

/// The named formats, a line for each family of patterns, and ggml's types.
std::vector<FormatFacts> all_format_facts();
FormatFacts describe(const FormatSpec& format);

/// Every finite magnitude of an element with at most 8 bits, ascending from 0; empty for the others and
/// ggml's types.
std::vector<double> magnitudes(const FormatSpec& format);

}  // namespace fqlab
