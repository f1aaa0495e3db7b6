// KL along the layers: small panels over one another, so that kinds and formats can be compared by eye.
#include <algorithm>
#include <cmath>
#include <map>

#include "report/map_figures.h"
#include "report/map_view.h"
#include "report/svg.h"

namespace fqlab::report {
namespace {

constexpr double kPanel = 100, kGap = 26;
constexpr const char* kLines[] = {"trace s0", "trace s1", "trace s2", "trace s3"};
constexpr const char* kMarks[] = {"m0", "m1", "m2", "m3"};
constexpr const char* kHollow[] = {"h0", "h1", "h2", "h3"};

void mark(Svg& svg, double x, double y, size_t series, bool hollow) {
  const char* style = hollow ? kHollow[series] : kMarks[series];
  if (series == 0) return svg.circle(x, y, 3.2, style);
  if (series == 1) return svg.diamond(x, y, 4, style);
  if (series == 2) return svg.triangle(x, y, 3.6, true, style);
  svg.rectangle(x - 2.8, y - 2.8, 5.6, 5.6, style);
}

// Kind -> series -> cells by layer.
using Panels = std::vector<std::pair<std::string, std::vector<std::map<int, const MapCell*>>>>;

Panels panels_of(const SensitivityMap& map, MapMode mode, size_t first, size_t series, const Text& text) {
  Panels panels;
  for (size_t s = 0; s < series; ++s)
    for (const MapCell* cell : cells_of(map, first + s, mode)) {
      const MapGroup& group = map.groups[cell->group];
      if (!group.layer || !effect_of(*cell) || !(*effect_of(*cell) > 0)) continue;
      const std::string kind = kind_label(group, text);
      auto panel = std::ranges::find(panels, kind, [](const auto& each) { return each.first; });
      if (panel == panels.end()) panel = panels.insert(panels.end(), {kind, {}});
      panel->second.resize(series);
      panel->second[s][*group.layer] = cell;
    }
  return panels;
}

void draw_series(Svg& svg, const std::map<int, const MapCell*>& cells, const Axis& x, const Axis& y,
                 size_t series) {
  std::vector<std::pair<double, double>> points;
  std::optional<int> last;
  for (const auto& [layer, cell] : cells) {
    if (last && layer != *last + 1) {  // a line over a gap would show what was not measured
      svg.polyline(points, kLines[series]);
      points.clear();
    }
    points.emplace_back(x.at(layer), y.at(*effect_of(*cell)));
    last = layer;
  }
  svg.polyline(points, kLines[series]);
  for (const auto& [layer, cell] : cells)
    mark(svg, x.at(layer), y.at(*effect_of(*cell)), series, unresolved(*cell) || !cell->measured());
}

}  // namespace

size_t profile_series(const SensitivityMap& map, MapMode mode, size_t first) {
  constexpr double kMostDecades = 4.5;
  double low = INFINITY, high = 0;
  size_t series = 0;
  while (series < kSeriesPerFigure && first + series < map.formats.size()) {
    for (const MapCell* cell : cells_of(map, first + series, mode))
      if (const auto effect = effect_of(*cell); effect && *effect > 0) {
        low = std::min(low, *effect);
        high = std::max(high, *effect);
      }
    if (series > 0 && high > 0 && std::log10(high / low) > kMostDecades) break;
    ++series;
  }
  return series;
}

std::string profile_figure(const SensitivityMap& map, MapMode mode, size_t first, size_t series,
                           const std::string& label, const Text& text) {
  const Panels panels = panels_of(map, mode, first, series, text);
  std::vector<double> extent;
  int most = 0;
  for (const auto& [kind, list] : panels)
    for (const auto& cells : list)
      for (const auto& [layer, cell] : cells) {
        extent.push_back(*effect_of(*cell));
        most = std::max(most, layer);
      }
  if (most == 0) return "";  // one layer has no profile
  const double legend_rows = std::ceil(static_cast<double>(series) / 2);
  const double top = 22 * legend_rows + 48;
  const double bottom = top + static_cast<double>(panels.size()) * (kPanel + kGap) - kGap;
  Svg svg(kWide.width, static_cast<int>(bottom) + 46, label);
  for (size_t s = 0; s < series; ++s) {
    const size_t row = s / 2;
    const double left = kWide.left + (s % 2 == 0 ? 0 : 260), y = 14 + 22 * static_cast<double>(row);
    svg.line(left, y, left + 30, y, kLines[s]);
    mark(svg, left + 15, y, s, false);
    svg.text(left + 38, y + 4, map.formats[first + s], "start", "note");
  }
  svg.text(4, 22 * legend_rows + 18, text("head.kl_nats"));
  double panel_top = top;
  const Axis x{-0.5, most + 0.5, kWide.left, kWide.right};
  for (const auto& [kind, list] : panels) {
    const Axis y = fit_axis(extent, true, panel_top + kPanel, panel_top);
    svg.y_axis(y, kWide.left, kWide.right, "");
    svg.line(kWide.left, panel_top + kPanel, kWide.right, panel_top + kPanel, "axis");
    svg.text(kWide.left + 4, panel_top - 6, kind, "start");
    for (size_t s = 0; s < series; ++s) draw_series(svg, list[s], x, y, s);
    panel_top += kPanel + kGap;
  }
  const int step = std::max(1, (most + 15) / 15);
  for (int layer = 0; layer <= most; layer += step)
    svg.text(x.at(layer), bottom + 16, std::to_string(layer), "middle", "tick");
  svg.text((kWide.left + kWide.right) / 2, bottom + 37, text("map.head.layer"), "middle");
  return std::move(svg).finish();
}

}  // namespace fqlab::report
