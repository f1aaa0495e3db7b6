// Figures of position, speed, and of several comparisons.
#include <algorithm>
#include <cmath>

#include "report/figures.h"
#include "report/numbers.h"
#include "report/sections.h"
#include "report/svg.h"
#include "report/terminal_width.h"

namespace fqlab::report {
std::string position_figure(const Comparison& c, const Text& text) {
  const auto& bins = c.kl.by_position;
  if (bins.size() < 2) return "";
  constexpr double kTop = 32, kBottom = 218;
  std::vector<double> extent = {0};
  std::vector<std::pair<double, double>> line, band;
  for (const PositionBin& bin : bins) {
    extent.push_back(bin.kl_mean);
    if (bin.interval) extent.push_back(bin.interval->high);
  }
  const Axis x{static_cast<double>(bins.front().first), static_cast<double>(bins.back().last), kNarrow.left,
               kNarrow.right};
  Axis y = fit_axis(extent, false, kBottom, kTop);
  y.low = 0;
  for (const PositionBin& bin : bins) {
    const double at = x.at((bin.first + bin.last) / 2.0);
    line.emplace_back(at, y.at(bin.kl_mean));
    band.emplace_back(at, y.at(bin.interval ? bin.interval->high : bin.kl_mean));
  }
  for (auto bin = bins.rbegin(); bin != bins.rend(); ++bin) {
    band.emplace_back(x.at((bin->first + bin->last) / 2.0),
                      y.at(bin->interval ? bin->interval->low : bin->kl_mean));
  }
  Svg svg(kNarrow.width, 262, text("figure.by_position"));
  svg.y_axis(y, kNarrow.left, kNarrow.right, text("head.kl_nats"));
  svg.x_axis(x, kBottom, kTop, text("figure.position"));
  svg.polygon(band, "interval");
  svg.polyline(line, "curve");
  for (const auto& [px, py] : line) svg.circle(px, py, 3, "point");
  return std::move(svg).finish();
}

std::string speed_figure(const Comparison& c, const Text& text) {
  const std::vector<SpeedRow> rows = speed_rows(c);
  std::vector<double> extent = {1};
  size_t used = 0;
  for (const SpeedRow& row : rows) {
    if (!row.result || row.result->blocks.empty()) continue;
    ++used;
    for (const SpeedBlockRatio& block : row.result->blocks) extent.push_back(block.ratio);
  }
  if (used == 0) return "";
  constexpr double kTop = 16, kRow = 62;
  const double bottom = kTop + static_cast<double>(used) * kRow;
  const auto [least, most] = std::minmax_element(extent.begin(), extent.end());
  const Axis x =
      fit_axis(extent, *least > 0 && *most > 5 * *least, 20, kNarrow.right);  // far apart: logarithmic
  Svg svg(kNarrow.width, static_cast<int>(bottom) + 66, text("figure.speed"));
  svg.x_axis(x, bottom, kTop, text("figure.ratio"));
  svg.line(x.at(1), kTop, x.at(1), bottom, "zero");
  double y = kTop;
  for (const SpeedRow& row : rows) {
    if (!row.result || row.result->blocks.empty()) continue;
    svg.text(22, y + 14, text(row.metric));
    for (const SpeedBlockRatio& block : row.result->blocks) {
      if (block.aa)
        svg.diamond(x.at(block.ratio), y + 48, 5, "aa");
      else
        svg.circle(x.at(block.ratio), y + 30, 4.5, "point");
    }
    y += kRow;
  }
  svg.circle(30, bottom + 54, 4.5, "point");
  svg.text(40, bottom + 58, text("figure.ab"), "start", "note");
  svg.diamond(290, bottom + 54, 5, "aa");
  svg.text(300, bottom + 58, text("figure.aa"), "start", "note");
  return std::move(svg).finish();
}

std::string forest_figure(std::span<const Comparison* const> comparisons, const RowNames& name,
                          const Text& text) {
  if (comparisons.empty()) return "";
  constexpr double kTop = 30, kRow = 40;
  const double bottom = kTop + kRow * static_cast<double>(comparisons.size()) + 4;
  const double margin = comparisons.front()->settings.margins.kl_nats;
  std::vector<double> extent = {margin};
  for (const Comparison* c : comparisons) {
    extent.push_back(c->kl.mean);
    if (c->kl.interval) extent.push_back(c->kl.interval->high);
    if (c->kl.noise_floor) extent.push_back(c->kl.noise_floor->value);
  }
  const Axis x = fit_axis(extent, true, 20, kNarrow.right);
  Svg svg(kNarrow.width, static_cast<int>(bottom) + 66, text("figure.forest"));
  svg.x_axis(x, bottom, kTop, text("head.kl_nats"));
  svg.line(x.at(margin), kTop, x.at(margin), bottom, "margin");
  svg.text(x.at(margin), kTop - 5, text("figure.margin"), "middle", "note");
  double y = kTop;
  for (const Comparison* c : comparisons) {
    svg.text(22, y + 14, cut_end(name(*c), 54));
    const double at = y + 28;
    if (c->kl.noise_floor && c->kl.noise_floor->value > 0)
      svg.diamond(x.at(c->kl.noise_floor->value), at, 5, "aa");
    if (c->kl.mean > 0) {
      if (c->kl.interval) svg.line(x.at(c->kl.interval->low), at, x.at(c->kl.interval->high), at, "whisker");
      svg.circle(x.at(c->kl.mean), at, 4.5, "point");
    } else {
      svg.text(22, at + 4, text("figure.exact_zero"), "start", "note");
    }
    y += kRow;
  }
  svg.circle(30, bottom + 54, 4.5, "point");
  svg.text(40, bottom + 58, text("figure.mean_interval"), "start", "note");
  svg.diamond(290, bottom + 54, 5, "aa");
  svg.text(300, bottom + 58, text("figure.floor"), "start", "note");
  return std::move(svg).finish();
}

}  // namespace fqlab::report
