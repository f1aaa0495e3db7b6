#include "cli/quantities.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "cli/terminal.h"

namespace fqlab::cli {
namespace {

using Unit = std::pair<std::string_view, double>;

/// A number above 0 and one of the units; the empty unit stands for none.
std::optional<double> number_with_unit(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number <= 0) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const auto& [name, factor] : units)
    if (name == unit) return number * factor;
  return std::nullopt;
}

tl::unexpected<Error> refuse(const char* what, std::string_view text, const char* option, const char* hint) {
  return fail(ErrorCode::kUsage, fmt::format("'{}' is no {}", text, what), option, hint);
}

}  // namespace

Result<double> parse_seconds(std::string_view text, const char* option) {
  constexpr Unit kUnits[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
  if (const auto seconds = number_with_unit(text, kUnits)) return *seconds;
  return refuse("time", text, option, "write 90s, 20m or 2h");
}

Result<uint64_t> parse_bytes(std::string_view text, const char* option) {
  constexpr Unit kUnits[] = {{"", 1},      {"B", 1},      {"kB", 1e3},      {"MB", 1e6},     {"GB", 1e9},
                             {"TB", 1e12}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  const auto bytes = number_with_unit(text, kUnits);
  if (bytes && *bytes >= 1 && *bytes < 1e18) return static_cast<uint64_t>(*bytes);
  return refuse("size", text, option, "write 500MB, 8GB or 8GiB");
}

Result<double> parse_fraction(std::string_view text, const char* option) {
  constexpr Unit kUnits[] = {{"", 1}, {"%", 0.01}};
  if (const auto fraction = number_with_unit(text, kUnits)) return *fraction;
  return refuse("share", text, option, "write 10% or 0.1");
}

std::string refuse_negative(const std::string& text) {
  return text.starts_with('-') ? text + " is below 0" : "";
}

std::string counted(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", with_commas(number), noun, number == 1 ? "" : "s");
}

}  // namespace fqlab::cli
