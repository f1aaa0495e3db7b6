// The figures of the page about weight damage, as SVG.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/weight_report.h"
#include "report/messages.h"

namespace fqlab::report {

/// Layers by kinds under one format. Tensors that belong to no layer stand in a row of their own.
struct WeightGrid {
  std::vector<std::string> kinds;  ///< the order of the file; those of layers first
  std::vector<std::optional<int>> layers;
  std::map<std::pair<std::optional<int>, std::string>, const FormatDamage*> cells;
};
WeightGrid weight_grid(const WeightDamage& damage, size_t format);

/// Relative MSE of each cell on a logarithmic viridis scale, written into the cell.
std::string weight_heatmap(const WeightGrid& grid, const std::string& label, const Text& text);

/// Values before (bars) and after (line) a format on a logarithmic count axis; `levels` are the values of the
/// format where they are the same for the whole tensor.
std::string weight_histogram(const WeightHistogram& histogram, const std::vector<double>& levels,
                             const std::string& label, const Text& text);

}  // namespace fqlab::report
