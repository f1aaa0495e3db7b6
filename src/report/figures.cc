// Figures of section 3: chunks and the KL divergence.
#include "report/figures.h"

#include <algorithm>
#include <cmath>

#include "report/numbers.h"
#include "report/svg.h"

namespace fqlab::report {
namespace {

// Shades everything up to the floor and names it.
void shade_floor(Svg& svg, const Axis& x, double top, double bottom, double floor, const Text& text) {
  if (!(floor > 0)) return;
  svg.rectangle(x.from, top, x.at(floor) - x.from, bottom - top, "floor");
  svg.line(x.at(floor), top, x.at(floor), bottom, "floor-edge");
  const bool room = x.at(floor) - x.from > 90;
  svg.text(x.at(floor) + (room ? -4 : 4), top + 12, text("figure.floor"), room ? "end" : "start", "note");
}

void mark_margin(Svg& svg, const Axis& x, double top, double bottom, double margin, const Text& text) {
  if (!(margin > x.low && margin < x.high)) return;
  svg.line(x.at(margin), top, x.at(margin), bottom, "margin");
  svg.text(x.at(margin), top - 5, text("figure.margin"), "middle", "note");
}

double floor_value(const Comparison& c) { return c.kl.noise_floor ? c.kl.noise_floor->value : 0; }

}  // namespace

std::string chunk_figure(const Comparison& c, const Text& text) {
  if (c.chunks.empty()) return "";
  constexpr double kTop = 32, kBottom = 210;
  std::vector<double> ratios, extent = {0};
  for (const ChunkResult& chunk : c.chunks) ratios.push_back(chunk.nll_variant - chunk.nll_original);
  extent.insert(extent.end(), ratios.begin(), ratios.end());
  std::erase_if(extent, [](double ratio) { return !std::isfinite(ratio); });
  const double largest = std::abs(*std::max_element(
      extent.begin(), extent.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
  const double margin = c.settings.margins.log_perplexity_ratio;
  const bool show_margin = margin < 4 * largest || largest == 0;
  if (show_margin) extent.insert(extent.end(), {margin, -margin});
  if (const auto& interval = c.perplexity.log_ratio_interval)
    extent.insert(extent.end(), {interval->low, interval->high});
  const Axis y = fit_axis(extent, false, kBottom, kTop);
  const double last = static_cast<double>(c.chunks.size()) - 1;
  const Axis x{-0.5, last + 0.5, kNarrow.left, kNarrow.right};
  Svg svg(kNarrow.width, 294, text("divergence.chunk_figure"));
  svg.y_axis(y, kNarrow.left, kNarrow.right, text("head.log_ratio"));
  if (show_margin) {
    for (const double limit : {margin, -margin})
      svg.line(kNarrow.left, y.at(limit), kNarrow.right, y.at(limit), "margin");
    svg.text(kNarrow.right - 2, y.at(margin) - 4, text("figure.margin"), "end", "note");
  }
  if (const auto& interval = c.perplexity.log_ratio_interval; interval && !c.logits_identical) {
    svg.rectangle(kNarrow.left, y.at(interval->high), kNarrow.right - kNarrow.left,
                  y.at(interval->low) - y.at(interval->high), "interval");
    svg.line(kNarrow.left, y.at(c.perplexity.log_ratio), kNarrow.right, y.at(c.perplexity.log_ratio), "mean");
  }
  svg.line(kNarrow.left, y.at(0), kNarrow.right, y.at(0), "zero");
  const size_t step = std::max<size_t>(1, (c.chunks.size() + 15) / 16);
  for (size_t i = 0; i < c.chunks.size(); ++i) {
    const double at = x.at(static_cast<double>(i));
    if (i % step == 0) svg.text(at, kBottom + 16, std::to_string(c.chunks[i].chunk), "middle", "tick");
    if (!std::isfinite(ratios[i])) continue;
    if (ratios[i] == 0)
      svg.circle(at, y.at(0), 3.5, "neutral");
    else
      svg.triangle(at, y.at(ratios[i]), 5, ratios[i] > 0, ratios[i] > 0 ? "worse" : "better");
  }
  svg.text((kNarrow.left + kNarrow.right) / 2, kBottom + 35, text("head.chunk"), "middle");
  svg.triangle(kNarrow.left + 6, 265, 5, true, "worse");
  svg.text(kNarrow.left + 16, 269, text("figure.worse"), "start", "note");
  svg.triangle(kNarrow.left + 246, 265, 5, false, "better");
  svg.text(kNarrow.left + 256, 269, text("figure.better"), "start", "note");
  svg.rectangle(kNarrow.left, 279, 16, 12, "interval");
  svg.line(kNarrow.left, 285, kNarrow.left + 16, 285, "mean");
  svg.text(kNarrow.left + 22, 289, text("figure.mean_interval"), "start", "note");
  return std::move(svg).finish();
}

std::string kl_figure(const Comparison& c, const Text& text) {
  if (!(c.kl.max > 0)) return "";
  const KlResult& kl = c.kl;
  const std::pair<std::string, double> rows[] = {{text("kl.mean"), kl.mean}, {text("kl.median"), kl.median},
                                                 {"90 %", kl.p90},           {"95 %", kl.p95},
                                                 {"99 %", kl.p99},           {"99.9 %", kl.p999},
                                                 {text("kl.max"), kl.max}};
  constexpr double kTop = 26, kRow = 24, kBottom = kTop + 7 * kRow + 8;
  std::vector<double> extent = {floor_value(c), c.settings.margins.kl_nats};
  for (const auto& row : rows) extent.push_back(row.second);
  if (kl.matched_control) extent.push_back(kl.matched_control->value);
  const Axis x = fit_axis(extent, true, kNarrow.left + 28, kNarrow.right);
  Svg svg(kNarrow.width, static_cast<int>(kBottom) + 46, text("figure.kl"));
  shade_floor(svg, x, kTop, kBottom, floor_value(c), text);
  svg.x_axis(x, kBottom, kTop, text("head.kl_nats"));
  mark_margin(svg, x, kTop, kBottom, c.settings.margins.kl_nats, text);
  double y = kTop + 20;
  for (const auto& [label, value] : rows) {
    svg.text(kNarrow.left + 20, y + 4, label, "end");
    if (&label == &rows[0].first && kl.interval && !c.logits_identical) {
      svg.line(x.at(kl.interval->low), y, x.at(kl.interval->high), y, "whisker");
    }
    if (value > 0)
      svg.circle(x.at(value), y, 4.5, "point");
    else
      svg.text(x.from + 4, y + 4, "0", "start", "note");
    y += kRow;
  }
  return std::move(svg).finish();
}

std::string histogram_figure(const Comparison& c, const Text& text) {
  if (!c.kl.histogram) return "";
  const KlHistogram& h = *c.kl.histogram;
  uint64_t total = h.zeros, most = 0;
  size_t first = h.counts.size(), last = 0;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    total += h.counts[i];
    most = std::max(most, h.counts[i]);
    if (h.counts[i] > 0) first = std::min(first, i), last = i;
  }
  if (most == 0 || !(h.decades_per_bin > 0)) return "";
  const auto edge = [&](size_t bin) {
    return std::pow(10, h.first_log10 + static_cast<double>(bin) * h.decades_per_bin);
  };
  constexpr double kTop = 32, kBottom = 218;
  const Axis x = fit_axis({edge(first), edge(last + 1), floor_value(c), c.settings.margins.kl_nats}, true,
                          kNarrow.left, kNarrow.right);
  const Axis y{0, 108.0 * static_cast<double>(most) / static_cast<double>(total), kBottom, kTop};
  Svg svg(kNarrow.width, 262, text("figure.histogram"));
  svg.y_axis(y, kNarrow.left, kNarrow.right, text("figure.share"));
  shade_floor(svg, x, kTop, kBottom, floor_value(c), text);
  svg.x_axis(x, kBottom, kTop, text("head.kl_nats"));
  for (size_t i = first; i <= last; ++i) {
    const double height =
        y.at(0) - y.at(100.0 * static_cast<double>(h.counts[i]) / static_cast<double>(total));
    const double left = x.at(edge(i)), right = x.at(edge(i + 1));
    const double share =
        last == first ? 0.5 : static_cast<double>(i - first) / static_cast<double>(last - first);
    if (h.counts[i] > 0)
      svg.rectangle(left + 0.5, kBottom - height, right - left - 1, height, "bar", viridis(share));
  }
  mark_margin(svg, x, kTop, kBottom, c.settings.margins.kl_nats, text);
  return std::move(svg).finish();
}

}  // namespace fqlab::report
