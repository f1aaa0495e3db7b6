// Number formatting of every report, in both languages alike.
#include "report/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fqlab::report {
namespace {

constexpr double kScientificBelow = 1e-4, kScientificFrom = 1e7;

int exponent_of(double value) { return static_cast<int>(std::floor(std::log10(std::abs(value)))); }

// "8.1e-07" -> "8.1e-7"; "5.0e+08" -> "5.0e8".
std::string scientific(double value, int digits_after_point, bool sign) {
  std::string text = sign ? fmt::format("{:+.{}e}", value, digits_after_point)
                          : fmt::format("{:.{}e}", value, digits_after_point);
  const size_t e = text.find('e');
  if (e == std::string::npos) return text;  // nan, inf
  const int exponent = std::stoi(text.substr(e + 1));
  return text.substr(0, e + 1) + std::to_string(exponent);
}

// One number with `last_digit` (a power of ten) as its last place; `wide` chooses the scientific form.
std::string to_place(double value, int last_place, bool is_scientific, bool sign) {
  if (value == 0) return "0";
  if (is_scientific) return scientific(value, std::clamp(exponent_of(value) - last_place, 1, 8), sign);
  const int decimals = std::clamp(-last_place, 0, 12);
  std::string text =
      sign ? fmt::format("{:+.{}f}", value, decimals) : fmt::format("{:.{}f}", value, decimals);
  if (text.find_first_of("123456789") != std::string::npos) return text;
  return (sign && value > 0 ? "+" : "") + number(value, 1);  // never a zero for what is not zero
}

bool wants_scientific(double largest) {
  return largest != 0 && (largest < kScientificBelow || largest >= kScientificFrom);
}

std::string with_unit(const std::string& text, const char* unit) { return text + unit; }

std::string estimate_in(double value, const std::optional<Interval>& interval, bool sign, const char* unit) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  const double half = interval ? (interval->high - interval->low) / 2 : 0;
  if (!interval || !(half > 0) || !std::isfinite(half)) {
    const bool plus = sign && value > 0;
    return with_unit((plus ? "+" : "") + number(value), unit);
  }
  const double largest = std::max({std::abs(value), std::abs(interval->low), std::abs(interval->high)});
  const int place = exponent_of(half) - 1;
  const bool is_scientific = wants_scientific(largest);
  return fmt::format("{0}{3} [{1}{3}, {2}{3}]", to_place(value, place, is_scientific, sign),
                     to_place(interval->low, place, is_scientific, sign),
                     to_place(interval->high, place, is_scientific, sign), unit);
}

}  // namespace

std::string number(double value, int significant) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (wants_scientific(size)) return scientific(value, std::max(1, significant - 3), false);
  const int decimals = std::clamp(significant - 1 - exponent_of(value), 0, 12);
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

std::string fixed(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

std::string estimate(double value, const std::optional<Interval>& interval, bool sign) {
  return estimate_in(value, interval, sign, "");
}

namespace {

// The bracket of an estimate; an interval without width, which estimates leave out, is written in full.
std::string bracket_of(const std::string& estimate) {
  const size_t bracket = estimate.find('[');
  return bracket == std::string::npos ? "[" + estimate + ", " + estimate + "]" : estimate.substr(bracket);
}

}  // namespace

std::string kl_estimate(double kl, std::optional<Interval> interval) {
  if (interval) interval->low = std::max(0.0, interval->low);
  return estimate(kl, interval);
}

std::string interval_text(const Interval& interval) { return bracket_of(estimate(interval.low, interval)); }

std::string percent_interval_text(const Interval& interval, bool sign) {
  return bracket_of(percent(interval.low, interval, sign));
}

std::string percent(double fraction, const std::optional<Interval>& interval, bool sign) {
  std::optional<Interval> hundredfold;
  if (interval) hundredfold = Interval{interval->low * 100, interval->high * 100};
  return estimate_in(fraction * 100, hundredfold, sign, " %");
}

std::string margin_percent(double fraction) {
  // strtod: stod throws where a number is too small for its range.
  return number(std::strtod(fmt::format("{:.1e}", fraction * 100).c_str(), nullptr)) + " %";
}

std::string count(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string byte_size(uint64_t bytes) {
  if (bytes < 1024) return count(bytes) + " bytes";
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) size /= 1024, ++unit;
  return fmt::format("{} {} ({} bytes)", number(size, 3), kUnits[unit], count(bytes));
}

std::string duration(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace fqlab::report
