// Draws SVG elements and axes.
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/numbers.h"

namespace fqlab::report {
namespace {

constexpr double kShortAxis = 1.7;  // decades; a shorter logarithmic axis has ticks at 1, 2 and 5

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

double Axis::at(double value) const {
  if (std::isnan(value)) return from;
  double share = logarithmic ? (value > 0 ? std::log10(value / low) / std::log10(high / low) : 0)
                             : (value - low) / (high - low);
  share = std::clamp(share, 0.0, 1.0);
  return from + share * (to - from);
}

std::vector<double> Axis::ticks() const {
  std::vector<double> list;
  if (logarithmic) {
    const int first = static_cast<int>(std::ceil(std::log10(low) - 1e-9)),
              last = static_cast<int>(std::floor(std::log10(high) + 1e-9));
    if (std::log10(high / low) < kShortAxis) {
      for (int e = first - 1; e <= last; ++e)
        for (const double digit : {1.0, 2.0, 5.0})
          if (const double tick = digit * std::pow(10, e); tick >= low * 0.999 && tick <= high * 1.001)
            list.push_back(tick);
      return list;
    }
    const int step = std::max(1, (last - first + 6) / 7);
    for (int e = last; e >= first; e -= step) list.insert(list.begin(), std::pow(10, e));
    return list;
  }
  const double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 5.0}) {
    if (nice * power >= rough * 0.999) {
      step = nice * power;
      break;
    }
  }
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k)
    list.push_back(k == 0 ? 0 : k * step);
  return list;
}

Axis fit_axis(std::vector<double> values, bool logarithmic, double from, double to) {
  std::erase_if(values, [&](double value) { return !std::isfinite(value) || (logarithmic && value <= 0); });
  if (values.empty()) values = {logarithmic ? 1e-3 : 0, 1};
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  constexpr double kLeast = 1e-290;  // a decade below would be no normal number, two would be 0
  if (logarithmic)
    return {std::pow(10, std::floor(std::log10(std::max(*least, kLeast)) - 0.3)),
            std::pow(10, std::ceil(std::log10(std::max(*most, kLeast)) + 0.1)), from, to, true};
  const double room = *most > *least ? (*most - *least) * 0.08 : std::max(1e-9, std::abs(*most) * 0.1);
  return {*least - room, *most + room, from, to, false};
}

std::string tick_label(const Axis& axis, double value) {
  if (!axis.logarithmic) return number(value, 3);
  const int exponent = static_cast<int>(std::lround(std::log10(value)));
  if (std::abs(std::log10(value) - exponent) > 1e-6) return number(value, 1);
  return exponent >= -3 && exponent <= 3 ? number(value) : fmt::format("1e{}", exponent);
}

Svg::Svg(int width, int height, std::string_view label, std::string_view style)
    : out_(fmt::format(
          "<svg viewBox=\"0 0 {} {}\"{} role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">",
          width, height, style.empty() ? "" : fmt::format(" class=\"{}\"", style), escape_html(label))) {}

void Svg::line(double x1, double y1, double x2, double y2, const char* style) {
  out_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>", x1, y1,
                      x2, y2, style);
}

void Svg::rectangle(double x, double y, double width, double height, const char* style,
                    std::string_view fill) {
  const std::string colour = fill.empty() ? "" : fmt::format(" style=\"fill:{}\"", fill);
  out_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\"{}/>",
                      x, y, std::max(0.0, width), std::max(0.0, height), style, colour);
}

void Svg::circle(double x, double y, double radius, const char* style) {
  out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" class=\"{}\"/>", x, y, radius, style);
}

void Svg::triangle(double x, double y, double size, bool up, const char* style) {
  const double s = up ? -size : size;
  polygon({{x, y + s}, {x - size, y - s * 0.8}, {x + size, y - s * 0.8}}, style);
}

void Svg::diamond(double x, double y, double size, const char* style) {
  polygon({{x, y - size}, {x + size, y}, {x, y + size}, {x - size, y}}, style);
}

void Svg::polygon(const std::vector<std::pair<double, double>>& points, const char* style) {
  out_ += "<polygon points=\"";
  for (const auto& [x, y] : points) out_ += fmt::format("{:.1f},{:.1f} ", x, y);
  out_ += fmt::format("\" class=\"{}\"/>", style);
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, const char* style) {
  out_ += "<polyline points=\"";
  for (const auto& [x, y] : points) out_ += fmt::format("{:.1f},{:.1f} ", x, y);
  out_ += fmt::format("\" class=\"{}\"/>", style);
}

void Svg::text(double x, double y, std::string_view content, const char* anchor, const char* style) {
  out_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>", x, y,
                      anchor, style, escape_html(content));
}

void Svg::x_axis(const Axis& axis, double y, double top, std::string_view title) {
  for (const double tick : axis.ticks()) {
    const double x = axis.at(tick);
    line(x, top, x, y, "grid");
    text(x, y + 16, tick_label(axis, tick), "middle", "tick");
  }
  line(axis.from, y, axis.to, y, "axis");
  text((axis.from + axis.to) / 2, y + 37, title, "middle");
}

void Svg::y_axis(const Axis& axis, double x, double right, std::string_view title) {
  for (const double tick : axis.ticks()) {
    const double y = axis.at(tick);
    line(x, y, right, y, "grid");
    text(x - 6, y + 4, tick_label(axis, tick), "end", "tick");
  }
  line(x, axis.from, x, axis.to, "axis");
  text(4, std::min(axis.from, axis.to) - 10, title);
}

std::string Svg::finish() && { return std::move(out_) + "</svg>"; }

std::string viridis(double t) {
  // Eight equidistant samples of matplotlib's viridis (CC0), linear between them.
  constexpr std::array<std::array<int, 3>, 8> kSamples = {{{68, 1, 84},
                                                           {70, 50, 127},
                                                           {54, 92, 141},
                                                           {39, 127, 142},
                                                           {31, 161, 135},
                                                           {74, 194, 109},
                                                           {159, 218, 58},
                                                           {253, 231, 37}}};
  const double at = std::clamp(t, 0.0, 1.0) * (kSamples.size() - 1);
  const size_t low = std::min(static_cast<size_t>(at), kSamples.size() - 2);
  const double share = at - static_cast<double>(low);
  const auto mix = [&](size_t channel) {
    return static_cast<int>(
        std::lround(kSamples[low][channel] * (1 - share) + kSamples[low + 1][channel] * share));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2));
}

}  // namespace fqlab::report
