#include "report/weight_figures.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/numbers.h"
#include "report/svg.h"

namespace fqlab::report {
namespace {

constexpr double kCellWidth = 62, kCellHeight = 20, kLeft = 64, kLineHeight = 13;

// "post_attention_norm" -> "post_", "attention_", "norm": lines that fit the width of a cell.
std::vector<std::string> lines_of(const std::string& kind) {
  constexpr size_t kMost = 9;
  std::vector<std::string> lines(1);
  size_t at = 0;
  while (at < kind.size()) {
    const size_t cut = std::min(kind.find_first_of("_.", at), kind.size() - 1) + 1;
    const std::string part = kind.substr(at, cut - at);
    if (!lines.back().empty() && lines.back().size() + part.size() > kMost) lines.emplace_back();
    lines.back() += part;
    at = cut;
  }
  return lines;
}

// The smallest and largest damage that has a colour.
std::optional<Axis> colours_of(const WeightGrid& grid) {
  double low = INFINITY, high = 0;
  for (const auto& [place, damage] : grid.cells) {
    const double value = damage->sums.relative_mse();
    if (damage->refused || !(value > 0) || !std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (high == 0) return std::nullopt;
  if (high < 10 * low) {  // a decade at least: differences that mean nothing should not look large
    const double middle = std::sqrt(low * high), half = std::sqrt(10.0);
    low = middle / half;
    high = middle * half;
  }
  return Axis{low, high, 0, 1, true};
}

void draw_cell(Svg& svg, double x, double y, const FormatDamage& damage, const std::optional<Axis>& colours,
               const Text& text) {
  const double value = damage.sums.relative_mse();
  const double middle = x + kCellWidth / 2 - 1, base = y + 14;
  if (damage.refused || value == 0 || !colours) {
    svg.rectangle(x, y, kCellWidth - 2, kCellHeight - 2, "cell-none");
    svg.text(middle, base, damage.refused ? text("none") : "0", "middle", "tick");
    return;
  }
  const double t = std::isfinite(value) ? colours->at(value) : 1;
  svg.rectangle(x, y, kCellWidth - 2, kCellHeight - 2, "cell", viridis(t));
  svg.text(middle, base, std::isfinite(value) ? number(value, 2) : "∞", "middle",
           t > 0.45 ? "on-light" : "on-dark");
}

void draw_scale(Svg& svg, double y, const Axis& colours, const Text& text) {
  constexpr int kSteps = 32;
  constexpr double kWidth = 8;
  for (int i = 0; i < kSteps; ++i)
    svg.rectangle(kLeft + i * kWidth, y, kWidth + 0.5, 12, "cell", viridis((i + 0.5) / kSteps));
  svg.text(kLeft, y + 26, number(colours.low, 2), "start", "tick");
  svg.text(kLeft + kSteps * kWidth, y + 26, number(colours.high, 2), "end", "tick");
  svg.text(kLeft + kSteps * kWidth + 10, y + 11, text("weights.scale"));
}

}  // namespace

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
  size_t heading = 1;
  for (const std::string& kind : grid.kinds) heading = std::max(heading, lines_of(kind).size());
  const double top = 8 + static_cast<double>(heading) * kLineHeight;
  const double bottom = top + static_cast<double>(grid.layers.size()) * kCellHeight;
  const double width = kLeft + std::max(8.0, static_cast<double>(grid.kinds.size())) * kCellWidth;
  const std::optional<Axis> colours = colours_of(grid);
  Svg svg(static_cast<int>(width), static_cast<int>(bottom + (colours ? 46 : 8)), label);
  for (size_t k = 0; k < grid.kinds.size(); ++k) {
    const std::vector<std::string> lines = lines_of(grid.kinds[k]);
    const double x = kLeft + static_cast<double>(k) * kCellWidth + kCellWidth / 2 - 1;
    for (size_t i = 0; i < lines.size(); ++i)
      svg.text(x, top - 6 - static_cast<double>(lines.size() - 1 - i) * kLineHeight, lines[i], "middle",
               "tick");
  }
  for (size_t l = 0; l < grid.layers.size(); ++l) {
    const double y = top + static_cast<double>(l) * kCellHeight;
    svg.text(kLeft - 8, y + 14, grid.layers[l] ? std::to_string(*grid.layers[l]) : text("weights.no_layer"),
             "end", "tick");
    for (size_t k = 0; k < grid.kinds.size(); ++k)
      if (const auto cell = grid.cells.find({grid.layers[l], grid.kinds[k]}); cell != grid.cells.end())
        draw_cell(svg, kLeft + static_cast<double>(k) * kCellWidth, y, *cell->second, colours, text);
  }
  if (colours) draw_scale(svg, bottom + 12, *colours, text);
  return std::move(svg).finish();
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
