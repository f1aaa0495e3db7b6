#include "report/pareto_figure.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "report/numbers.h"
#include "report/svg.h"
#include "report/terminal_width.h"

namespace fqlab::report {
namespace {

constexpr double kTop = 34, kBottom = 320;

struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

/// Puts names beside marks where nothing is yet. Boxes are as large as the type on a narrow screen needs.
class Labels {
 public:
  explicit Labels(std::vector<Box> taken) : taken_(std::move(taken)) {}

  void put(Svg& svg, double x, double y, const std::string& name, const char* style) {
    const double width = 9.5 * static_cast<double>(display_width(name));
    struct Place {
      double x, y;
      const char* anchor;
      Box box;
    };
    const std::array<Place, 6> places = {{
        {x + 11, y + 5, "start", {x + 11, y - 9, x + 11 + width, y + 9}},
        {x - 11, y + 5, "end", {x - 11 - width, y - 9, x - 11, y + 9}},
        {x, y - 13, "middle", {x - width / 2, y - 27, x + width / 2, y - 9}},
        {x, y + 23, "middle", {x - width / 2, y + 9, x + width / 2, y + 27}},
        {x + 11, y - 10, "start", {x + 11, y - 24, x + 11 + width, y - 6}},
        {x + 11, y + 20, "start", {x + 11, y + 6, x + 11 + width, y + 24}},
    }};
    const Place* best = &places[x + 11 + width < kWide.width ? 0 : 1];
    for (const Place& place : places) {
      if (!free(place.box)) continue;
      best = &place;
      break;
    }
    taken_.push_back(best->box);
    svg.text(best->x, best->y, name, best->anchor, style);
  }

 private:
  bool free(const Box& box) const {
    if (box.left < kWide.left + 2 || box.right > kWide.width || box.top < kTop - 8 ||
        box.bottom > kBottom - 2)
      return false;
    return std::none_of(taken_.begin(), taken_.end(), [&](const Box& other) { return box.overlaps(other); });
  }
  std::vector<Box> taken_;
};

struct Unit {
  double bytes;
  Key name;
};
Unit unit_of(double largest) {
  return largest >= 2e9 ? Unit{1e9, "verify.size_gb"} : Unit{1e6, "verify.size_mb"};
}

/// The sizes that the figure covers, in bytes.
std::pair<double, double> range_of_sizes(std::span<const ParetoPoint> points) {
  double low = HUGE_VAL, high = 0;
  for (const ParetoPoint& point : points) {
    low = std::min(low, static_cast<double>(point.bytes));
    high = std::max(high, static_cast<double>(point.bytes));
  }
  const double room = std::max(0.1 * (high - low), 0.03 * high);
  return {low - room, high + room};
}

Axis axis_of_kl(std::span<const ParetoPoint> points, std::span<const PlanPoint> frontier) {
  std::vector<double> extent;
  for (const ParetoPoint& point : points) {
    if (!(point.kl > 0)) continue;
    extent.push_back(point.kl);
    if (!point.interval) continue;
    extent.push_back(point.interval->high);
    extent.push_back(std::max(point.interval->low, point.kl / 10));  // 0 has no place on the axis
  }
  for (const PlanPoint& point : frontier) extent.push_back(point.kl);
  std::erase_if(extent, [](double kl) { return !(kl > 0) || !std::isfinite(kl); });
  if (extent.empty()) extent = {1e-3, 1};
  Axis y{*std::ranges::min_element(extent) / 1.3, *std::ranges::max_element(extent) * 1.3, kBottom, kTop,
         true};
  y.high = std::max(y.high, y.low * 4);
  return y;
}

void draw_legend(Svg& svg, bool others, bool frontier, const Text& text) {
  double y = kBottom + 60;
  svg.diamond(kWide.left + 12, y, 7, "m1");
  svg.text(kWide.left + 30, y + 4, text("verify.legend_this"), "start", "note");
  if (others) {
    y += 22;
    svg.circle(kWide.left + 12, y, 5, "point");
    svg.text(kWide.left + 30, y + 4, text("verify.legend_other"), "start", "note");
  }
  if (frontier) {
    y += 22;
    svg.line(kWide.left, y, kWide.left + 24, y, "trace s2");
    svg.text(kWide.left + 30, y + 4, text("verify.legend_frontier"), "start", "note");
  }
}

}  // namespace

std::vector<PlanPoint> near_points(std::span<const ParetoPoint> points, std::span<const PlanPoint> frontier) {
  std::vector<PlanPoint> near;
  if (points.empty()) return near;
  const auto [low, high] = range_of_sizes(points);
  for (const PlanPoint& point : frontier) {
    const double bytes = static_cast<double>(point.file_bytes);
    if (bytes >= low && bytes <= high && point.kl > 0 && std::isfinite(point.kl)) near.push_back(point);
  }
  return near;
}

std::string pareto_figure(std::span<const ParetoPoint> points, std::span<const PlanPoint> frontier,
                          const std::string& label, const Text& text) {
  if (points.empty()) return "";
  const std::vector<PlanPoint> curve = near_points(points, frontier);
  const auto [low, high] = range_of_sizes(points);
  const Unit unit = unit_of(high);
  const Axis x{low / unit.bytes, high / unit.bytes, kWide.left, kWide.right};
  const Axis y = axis_of_kl(points, curve);
  const bool others = points.size() > 1;
  const int rows = 1 + (others ? 1 : 0) + (curve.size() > 1 ? 1 : 0);
  Svg svg(kWide.width, static_cast<int>(kBottom) + 52 + 22 * rows, label);
  svg.y_axis(y, kWide.left, kWide.right, text("verify.kl_axis"));
  svg.x_axis(x, kBottom, kTop, text(unit.name));
  std::vector<std::pair<double, double>> line;
  line.reserve(curve.size());
  for (const PlanPoint& point : curve)
    line.emplace_back(x.at(static_cast<double>(point.file_bytes) / unit.bytes), y.at(point.kl));
  if (line.size() > 1) svg.polyline(line, "trace s2");

  struct Mark {
    const ParetoPoint* point;
    double x, y;
  };
  std::vector<Mark> marks;
  std::vector<Box> taken;
  for (const ParetoPoint& point : points) {
    if (!std::isfinite(point.kl)) continue;
    const double at_x = x.at(static_cast<double>(point.bytes) / unit.bytes);
    const double at_y = point.kl > 0 ? y.at(point.kl) : y.from;
    const double top = point.interval ? y.at(point.interval->high) : at_y,
                 bottom = point.interval ? y.at(point.interval->low) : at_y;
    if (point.interval && point.kl > 0) svg.line(at_x, top, at_x, bottom, "whisker");
    taken.push_back({at_x - 7, std::min(top, at_y - 7), at_x + 7, std::max(bottom, at_y + 7)});
    marks.push_back({&point, at_x, at_y});
  }
  for (const Mark& mark : marks)  // the verified file above the others
    if (!mark.point->verified) svg.circle(mark.x, mark.y, 5, "point");
  Labels labels(std::move(taken));
  for (const bool verified : {true, false})
    for (const Mark& mark : marks) {
      if (mark.point->verified != verified) continue;
      if (verified) svg.diamond(mark.x, mark.y, 8, "m1");
      const std::string zero = mark.point->kl > 0 ? "" : " (0)";
      labels.put(svg, mark.x, mark.y, mark.point->name + zero, verified ? "strong" : "label");
    }
  draw_legend(svg, others, curve.size() > 1, text);
  return std::move(svg).finish();
}

}  // namespace fqlab::report
