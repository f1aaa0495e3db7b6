#include "report/weight_figures.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/heatmap.h"
#include "report/numbers.h"
#include "report/svg.h"

namespace fqlab::report {

WeightGrid weight_grid(const WeightDamage& damage, size_t format) {
  WeightGrid grid;
  std::set<std::optional<int>> layers;
  for (const bool layered : {true, false})
    for (const TensorDamage& tensor : damage.tensors) {
      if (tensor.name.layer.has_value() != layered) continue;
      if (std::ranges::find(grid.kinds, tensor.name.kind) == grid.kinds.end())
        grid.kinds.push_back(tensor.name.kind);
      layers.insert(tensor.name.layer);
      grid.cells[{tensor.name.layer, tensor.name.kind}] = &tensor.formats[format];
    }
  grid.layers.assign(layers.begin(), layers.end());
  return grid;
}

std::string weight_heatmap(const WeightGrid& grid, const std::string& label, const Text& text) {
  HeatGrid heat;
  heat.columns = grid.kinds;
  heat.scale = text("weights.scale");
  heat.row_heading = text("map.head.layer");
  for (size_t row = 0; row < grid.layers.size(); ++row) {
    heat.rows.push_back(grid.layers[row] ? std::to_string(*grid.layers[row]) : text("weights.no_layer"));
    for (size_t column = 0; column < grid.kinds.size(); ++column) {
      const auto cell = grid.cells.find({grid.layers[row], grid.kinds[column]});
      if (cell == grid.cells.end()) continue;
      HeatCell& drawn = heat.cells[{row, column}];
      const double value = cell->second->sums.relative_mse();
      if (!cell->second->refused) drawn.value = value;
      drawn.label = cell->second->refused  ? text("none")
                    : value == 0           ? "0"
                    : std::isfinite(value) ? number(value, 2)
                                           : "∞";
    }
  }
  return heatmap(heat, label);
}

std::string weight_histogram(const WeightHistogram& histogram, const std::vector<double>& levels,
                             const std::string& label, const Text& text) {
  constexpr double kTop = 30, kBottom = 190, kFrom = 62, kTo = 545;
  if (histogram.limit == 0) return "";
  const uint64_t most =
      std::max(*std::ranges::max_element(histogram.original), *std::ranges::max_element(histogram.quantized));
  const Axis x{-histogram.limit, histogram.limit, kFrom, kTo, false};
  const Axis y{0.5, static_cast<double>(most) * 1.5, kBottom, kTop, true};
  Svg svg(560, levels.empty() ? 238 : 252, label);
  svg.y_axis(y, kFrom, kTo, text("weights.count"));
  const double width = (kTo - kFrom) / static_cast<double>(histogram.original.size());
  std::vector<std::pair<double, double>> after;
  for (size_t i = 0; i < histogram.original.size(); ++i) {
    const double left = kFrom + static_cast<double>(i) * width;
    const auto height = [&](uint64_t n) { return n == 0 ? kBottom : y.at(static_cast<double>(n)); };
    svg.rectangle(left, height(histogram.original[i]), width, kBottom - height(histogram.original[i]),
                  "before");
    after.insert(after.end(),
                 {{left, height(histogram.quantized[i])}, {left + width, height(histogram.quantized[i])}});
  }
  svg.polyline(after, "after");
  for (const double level : levels)
    if (std::abs(level) <= histogram.limit)
      svg.line(x.at(level), kBottom + 1, x.at(level), kBottom + 8, "level");
  svg.x_axis(x, kBottom + (levels.empty() ? 0 : 10), kBottom,
             text(levels.empty() ? Key("weights.value") : Key("weights.value_levels")));
  return std::move(svg).finish();
}

}  // namespace fqlab::report
