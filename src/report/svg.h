// Small SVG drawings. Colours come from the page's style sheet by class, so that one drawing serves light and
// dark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fqlab::report {

/// The two widths of a figure, and the edges of a plot with labels at its left in each; pixels.
struct PlotFrame {
  int width = 0;
  double left = 0, right = 0;
};
inline constexpr PlotFrame kNarrow = {560, 70, 545}, kWide = {600, 70, 585};

/// `text` with &, <, > and " escaped for HTML and SVG; characters that XML forbids are dropped.
std::string escape_html(std::string_view text);

/// Maps values to pixels, and knows where its ticks are. A logarithmic axis needs low > 0.
struct Axis {
  double low = 0, high = 1;  ///< values at the two ends
  double from = 0, to = 1;   ///< pixels of the two ends
  bool logarithmic = false;

  /// The pixel of `value`; outside the axis: the nearer end.
  double at(double value) const;
  std::vector<double> ticks() const;
};
/// An axis that holds every value, with a little room on both sides.
Axis fit_axis(std::vector<double> values, bool logarithmic, double from, double to);
std::string tick_label(const Axis& axis, double value);

class Svg {
 public:
  /// `style`: "dense" keeps its size on narrow screens and is scrolled.
  Svg(int width, int height, std::string_view label, std::string_view style = {});
  void line(double x1, double y1, double x2, double y2, const char* style);
  void rectangle(double x, double y, double width, double height, const char* style,
                 std::string_view fill = {});
  void circle(double x, double y, double radius, const char* style);
  void triangle(double x, double y, double size, bool up, const char* style);
  void diamond(double x, double y, double size, const char* style);
  void polygon(const std::vector<std::pair<double, double>>& points, const char* style);
  void polyline(const std::vector<std::pair<double, double>>& points, const char* style);
  /// anchor: "start", "middle" or "end".
  void text(double x, double y, std::string_view content, const char* anchor = "start",
            const char* style = "label");
  void x_axis(const Axis& axis, double y, double top, std::string_view title);
  void y_axis(const Axis& axis, double x, double right, std::string_view title);
  std::string finish() &&;

 private:
  std::string out_;
};

/// Viridis at t in [0, 1], as "#rrggbb".
std::string viridis(double t);

}  // namespace fqlab::report
