// A grid of numbers on a logarithmic colour scale, each written into its cell: the maps of weight error and
// of sensitivity.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fqlab::report {

struct HeatCell {
  std::optional<double> value;  ///< gives the colour; absent, 0 or hatched: none
  std::string label;
  bool hatched = false;  ///< measured, but not to be trusted
};

struct HeatGrid {
  std::vector<std::string> columns;  ///< identifiers, broken at _ and .
  std::vector<std::string> rows;
  std::string row_heading;
  std::map<std::pair<size_t, size_t>, HeatCell> cells;  ///< (row, column); absent: nothing drawn
  std::string scale;                                    ///< what the colours mean
};

/// As SVG; `label` names it to a screen reader.
std::string heatmap(const HeatGrid& grid, const std::string& label);

}  // namespace fqlab::report
