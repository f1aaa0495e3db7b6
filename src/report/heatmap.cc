#include "report/heatmap.h"

#include <algorithm>
#include <cmath>

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
    const size_t cut = std::min(kind.find_first_of("_. ", at), kind.size() - 1) + 1;
    const std::string part = kind.substr(at, cut - at);
    if (!lines.back().empty() && lines.back().size() + part.size() > kMost) lines.emplace_back();
    lines.back() += part;
    at = cut;
  }
  return lines;
}

bool has_colour(const HeatCell& cell) { return cell.value && *cell.value > 0 && !cell.hatched; }

// From the smallest to the largest value that has a colour.
std::optional<Axis> colours_of(const HeatGrid& grid) {
  double low = INFINITY, high = 0;
  for (const auto& [place, cell] : grid.cells) {
    if (!has_colour(cell) || !std::isfinite(*cell.value)) continue;
    low = std::min(low, *cell.value);
    high = std::max(high, *cell.value);
  }
  if (high == 0) return std::nullopt;
  if (high < 10 * low) {  // a decade at least: differences that mean nothing should not look large
    const double middle = std::sqrt(low * high), half = std::sqrt(10.0);
    low = middle / half;
    high = middle * half;
  }
  return Axis{low, high, 0, 1, true};
}

void hatch(Svg& svg, double x, double y, double width, double height) {
  constexpr double kStep = 8;
  const int lines = static_cast<int>(std::ceil((width + height - kStep / 2) / kStep));
  for (int i = 0; i < lines; ++i) {
    const double at = kStep / 2 + kStep * i;
    const double right = std::min(at, width), down = std::min(at, height);
    svg.line(x + right, y + at - right, x + at - down, y + down, "hatch");
  }
}

void draw_cell(Svg& svg, double x, double y, const HeatCell& cell, const std::optional<Axis>& colours) {
  const double middle = x + kCellWidth / 2 - 1, base = y + 14;
  if (!has_colour(cell) || !colours) {
    svg.rectangle(x, y, kCellWidth - 2, kCellHeight - 2, "cell-none");
    if (cell.hatched) hatch(svg, x, y, kCellWidth - 2, kCellHeight - 2);
    svg.text(middle, base, cell.label, "middle", "tick");
    return;
  }
  const double t = std::isfinite(*cell.value) ? colours->at(*cell.value) : 1;
  svg.rectangle(x, y, kCellWidth - 2, kCellHeight - 2, "cell", viridis(t));
  svg.text(middle, base, cell.label, "middle", t > 0.45 ? "on-light" : "on-dark");
}

void draw_scale(Svg& svg, double y, const Axis& colours, const std::string& title) {
  constexpr int kSteps = 32;
  constexpr double kWidth = 8;
  for (int i = 0; i < kSteps; ++i)
    svg.rectangle(kLeft + i * kWidth, y, kWidth + 0.5, 12, "cell", viridis((i + 0.5) / kSteps));
  svg.text(kLeft, y + 26, number(colours.low, 2), "start", "tick");
  svg.text(kLeft + kSteps * kWidth, y + 26, number(colours.high, 2), "end", "tick");
  svg.text(kLeft + kSteps * kWidth + 10, y + 11, title);
}

}  // namespace

std::string heatmap(const HeatGrid& grid, const std::string& label) {
  size_t heading = 1;
  for (const std::string& column : grid.columns) heading = std::max(heading, lines_of(column).size());
  const double top = 8 + static_cast<double>(heading) * kLineHeight;
  const double bottom = top + static_cast<double>(grid.rows.size()) * kCellHeight;
  const double width = kLeft + std::max(8.0, static_cast<double>(grid.columns.size())) * kCellWidth;
  const std::optional<Axis> colours = colours_of(grid);
  Svg svg(static_cast<int>(width), static_cast<int>(bottom + (colours ? 46 : 8)), label, "dense");
  for (size_t k = 0; k < grid.columns.size(); ++k) {
    const std::vector<std::string> lines = lines_of(grid.columns[k]);
    const double x = kLeft + static_cast<double>(k) * kCellWidth + kCellWidth / 2 - 1;
    for (size_t i = 0; i < lines.size(); ++i)
      svg.text(x, top - 6 - static_cast<double>(lines.size() - 1 - i) * kLineHeight, lines[i], "middle",
               "tick");
  }
  svg.text(kLeft - 8, top - 6, grid.row_heading, "end", "tick");
  for (size_t row = 0; row < grid.rows.size(); ++row)
    svg.text(kLeft - 8, top + static_cast<double>(row) * kCellHeight + 14, grid.rows[row], "end", "tick");
  for (const auto& [place, cell] : grid.cells)
    draw_cell(svg, kLeft + static_cast<double>(place.second) * kCellWidth,
              top + static_cast<double>(place.first) * kCellHeight, cell, colours);
  if (colours) draw_scale(svg, bottom + 12, *colours, grid.scale);
  return std::move(svg).finish();
}

}  // namespace fqlab::report
