// Heatmap, ranking, curves and predictions.
#include "report/map_figures.h"

#include <algorithm>
#include <cmath>

#include "report/heatmap.h"
#include "report/map_view.h"
#include "report/numbers.h"
#include "report/svg.h"

namespace fqlab::report {
namespace {

// Both ends of an interval on the axis; a lower end of 0 or less ends at the axis.
void whisker(Svg& svg, const Axis& x, double y, const std::optional<Interval>& interval) {
  if (interval) svg.line(x.at(interval->low), y, x.at(interval->high), y, "whisker");
}

}  // namespace

std::string map_heatmap(const SensitivityMap& map, size_t format, MapMode mode, const std::string& label,
                        const Text& text) {
  const MapGrid cells = grid_of(map, format, mode, text);
  if (cells.rows.empty()) return "";
  HeatGrid grid;
  grid.scale = text("head.kl_nats");
  grid.columns = cells.kinds;
  grid.row_heading = text("map.head.layer");
  for (const auto& [row, by_kind] : cells.rows) {
    for (size_t column = 0; column < cells.kinds.size(); ++column)
      if (const auto cell = by_kind.find(cells.kinds[column]); cell != by_kind.end())
        grid.cells[{grid.rows.size(), column}] = {effect_of(*cell->second), cell_text(*cell->second, text),
                                                  unresolved(*cell->second)};
    grid.rows.push_back(row_label(row, text));
  }
  return heatmap(grid, label);
}

std::string ranking_figure(const SensitivityMap& map, std::span<const MapCell* const> ranked, size_t most,
                           const std::string& label, const Text& text) {
  constexpr double kNames = 178, kRanks = 520, kRow = 22, kTop = 34;
  ranked = ranked.first(std::min(most, ranked.size()));
  if (ranked.empty()) return "";
  std::vector<double> extent;
  for (const MapCell* cell : ranked) {
    extent.push_back(*cell->kl);
    if (!cell->kl_interval) continue;
    extent.push_back(cell->kl_interval->high);
    // A lower end far below everything else would take the room; it then ends at the axis.
    extent.push_back(std::max(cell->kl_interval->low, *cell->kl / 10));
  }
  std::erase_if(extent, [](double value) { return !(value > 0); });
  Axis x = fit_axis(extent, true, kNames, kRanks - 10);
  if (!extent.empty()) {  // whole decades would squeeze what lies close together
    x.low = *std::ranges::min_element(extent) * 0.8;
    x.high = std::max(*std::ranges::max_element(extent) * 1.25, x.low * 4);
  }
  const double bottom = kTop + static_cast<double>(ranked.size()) * kRow + 4;
  Svg svg(kWide.width, static_cast<int>(bottom) + 46, label);
  svg.x_axis(x, bottom, kTop - 6, text("head.kl_nats"));
  svg.text(kWide.width - 4, kTop - 16, text("map.head.rank_short"), "end", "note");
  double y = kTop + kRow / 2;
  for (const MapCell* cell : ranked) {
    svg.text(kNames - 8, y + 4, label_of(map.groups[cell->group]), "end", "tick");
    whisker(svg, x, y, cell->kl_interval);
    if (*cell->kl > 0)
      svg.circle(x.at(*cell->kl), y, 4.5, unresolved(*cell) ? "hollow" : "point");
    else
      svg.text(x.from + 4, y + 4, "0", "start", "note");
    svg.text(kWide.width - 4, y + 4, rank_text(*cell), "end", "tick");
    y += kRow;
  }
  return std::move(svg).finish();
}

std::string curves_figure(const SensitivityMap& map, size_t format, const std::string& label,
                          const Text& text) {
  constexpr double kTop = 56, kBottom = 260;
  struct Series {
    MapMode mode;
    Key name;
    const char* line;
    const char* mark;
  };
  const Series series[] = {{MapMode::kCumulativeFront, "map.front", "trace s0", "m0"},
                           {MapMode::kCumulativeBack, "map.back", "trace s1", "m1"}};
  std::vector<double> extent = {0};
  double most = 0;
  for (const Series& each : series) {
    const auto cells = cells_of(map, format, each.mode);
    most = std::max(most, static_cast<double>(cells.size()));
    for (const MapCell* cell : cells) {
      if (!cell->measured()) continue;
      extent.push_back(*cell->kl);
      if (cell->kl_interval) extent.push_back(cell->kl_interval->high);
    }
  }
  if (extent.size() == 1) return "";
  Axis y = fit_axis(extent, false, kBottom, kTop);
  y.low = 0;
  const Axis x{0, most + 0.5, kWide.left, kWide.right};
  Svg svg(kWide.width, static_cast<int>(kBottom) + 46, label);
  svg.y_axis(y, kWide.left, kWide.right, "");
  svg.text(4, 46, text("head.kl_nats"));
  svg.x_axis(x, kBottom, kTop, text("map.layers_changed"));
  double legend = kWide.left;
  for (const Series& each : series) {
    std::vector<std::pair<double, double>> points;
    const auto cells = cells_of(map, format, each.mode);
    for (size_t i = 0; i < cells.size(); ++i)
      if (cells[i]->measured()) points.emplace_back(x.at(static_cast<double>(i + 1)), y.at(*cells[i]->kl));
    if (points.empty()) continue;
    for (size_t i = 0; i < cells.size(); ++i)
      if (cells[i]->measured() && cells[i]->kl_interval)
        svg.line(x.at(static_cast<double>(i + 1)), y.at(cells[i]->kl_interval->low),
                 x.at(static_cast<double>(i + 1)), y.at(cells[i]->kl_interval->high), "faint");
    svg.polyline(points, each.line);
    const bool front = each.mode == MapMode::kCumulativeFront;
    points.emplace_back(legend + 14, 16);
    svg.line(legend, 16, legend + 28, 16, each.line);
    for (const auto& [px, py] : points)
      front ? svg.circle(px, py, 4, each.mark) : svg.diamond(px, py, 4.5, each.mark);
    svg.text(legend + 34, 20, text(each.name), "start", "note");
    legend += 270;
  }
  return std::move(svg).finish();
}

std::string prediction_figure(const SensitivityMap& map, size_t format, const std::string& label,
                              const Text& text) {
  constexpr double kTop = 40, kBottom = 330, kTo = 470;
  std::vector<std::pair<double, double>> pairs;
  std::vector<double> extent;
  for (const MapCell* cell : cells_of(map, format, MapMode::kOnly)) {
    if (!cell->measured() || !cell->predicted_kl || !(*cell->kl > 0) || !(*cell->predicted_kl > 0)) continue;
    pairs.emplace_back(*cell->predicted_kl, *cell->kl);
    extent.insert(extent.end(), {*cell->predicted_kl, *cell->kl});
  }
  if (pairs.empty()) return "";
  const Axis x = fit_axis(extent, true, kWide.left, kTo), y = fit_axis(extent, true, kBottom, kTop);
  Svg svg(kWide.width, static_cast<int>(kBottom) + 46, label);
  svg.y_axis(y, kWide.left, kTo, text("map.measured_axis"));
  svg.x_axis(x, kBottom, kTop, text("map.predicted_axis"));
  svg.line(x.from, y.at(x.low), x.to, y.at(x.high), "margin");
  svg.text(x.to + 6, y.at(x.high) + 4, text("map.agree"), "start", "note");
  for (const auto& [predicted, measured] : pairs) svg.circle(x.at(predicted), y.at(measured), 3.5, "point");
  return std::move(svg).finish();
}

}  // namespace fqlab::report
