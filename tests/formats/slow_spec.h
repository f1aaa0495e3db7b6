// The specification of small floats, slow and obvious: a decoder of codes, and nearest-even by exact
// comparison.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace fqlab::testing {

/// One format as its definition states it; independent of src/formats.
struct SlowFormat {
  std::string spec;
  int exponent_bits, mantissa_bits, bias;
  enum { kAllFinite, kFn, kFnuz, kIeee } specials;
  bool overflow_to_infinity = false;

  struct Number {
    double value;
    unsigned code;
  };

  /// The magnitude of a code without a sign; NaN and Inf where the code is special.
  double decode(unsigned code) const {
    const unsigned mantissas = 1u << mantissa_bits, highest = (1u << exponent_bits) - 1;
    const unsigned mantissa = code % mantissas, exponent = code / mantissas;
    if (specials == kIeee && exponent == highest)
      return mantissa == 0 ? std::numeric_limits<double>::infinity()
                           : std::numeric_limits<double>::quiet_NaN();
    if (specials == kFn && exponent == highest && mantissa == mantissas - 1)
      return std::numeric_limits<double>::quiet_NaN();
    if (exponent == 0) return mantissa * std::pow(2.0, 1 - bias - mantissa_bits);
    return (1 + static_cast<double>(mantissa) / mantissas) * std::pow(2.0, static_cast<int>(exponent) - bias);
  }

  /// All finite magnitudes, in order of their codes.
  std::vector<Number> finite_magnitudes() const {
    std::vector<Number> numbers;
    for (unsigned code = 0; code < 1u << (exponent_bits + mantissa_bits); ++code)
      if (std::isfinite(decode(code))) numbers.push_back({decode(code), code});
    return numbers;
  }

  bool has_infinity() const { return specials == kIeee; }
  bool has_negative_zero() const { return specials != kFnuz; }
};

/// Nearest, ties to the even code, of a magnitude among `numbers` (sorted); the place of the next larger
/// number would be one step above the largest. nullopt: beyond it.
inline std::optional<double> nearest_even(const std::vector<SlowFormat::Number>& numbers, double magnitude) {
  const auto above =
      std::lower_bound(numbers.begin(), numbers.end(), magnitude,
                       [](const SlowFormat::Number& number, double x) { return number.value < x; });
  if (above != numbers.end() && above->value == magnitude) return magnitude;
  const SlowFormat::Number& below = *(above - 1);  // numbers start at zero
  const double step = numbers.back().value - (numbers.end() - 2)->value;
  const bool at_top = above == numbers.end();
  const double upper = at_top ? below.value + step : above->value;
  const double to_lower = magnitude - below.value,
               to_upper = upper - magnitude;  // exact: a few more bits than float32's
  const bool up = to_upper < to_lower || (to_upper == to_lower && below.code % 2 == 1);
  if (!up) return below.value;
  return at_top ? std::nullopt : std::optional<double>(upper);
}

/// What fake quantization must answer, as float32 bits; any NaN is 0x7fc00000.
inline uint32_t slow_round_trip(const SlowFormat& format, const std::vector<SlowFormat::Number>& numbers,
                                float x) {
  constexpr uint32_t kNan = 0x7fc00000u;
  const uint32_t sign = std::bit_cast<uint32_t>(x) & 0x80000000u;
  if (std::isnan(x)) return kNan;
  if (std::isinf(x)) return format.has_infinity() ? std::bit_cast<uint32_t>(x) : kNan;
  const auto rounded = nearest_even(numbers, std::fabs(static_cast<double>(x)));
  const double infinity = std::numeric_limits<double>::infinity();
  const double value = rounded ? *rounded : format.overflow_to_infinity ? infinity : numbers.back().value;
  if (value == 0 && !format.has_negative_zero()) return 0;
  return std::bit_cast<uint32_t>(static_cast<float>(value)) | sign;
}

/// All named small floats and some that only the e.m. grammar names.
inline std::vector<SlowFormat> slow_formats() {
  using F = SlowFormat;
  return {{"fp8_e4m3", 4, 3, 7, F::kFn},        {"fp8_e5m2", 5, 2, 15, F::kIeee},
          {"fp8_e4m3fnuz", 4, 3, 8, F::kFnuz},  {"fp8_e5m2fnuz", 5, 2, 16, F::kFnuz},
          {"fp8_e4m3ieee", 4, 3, 7, F::kIeee},  {"fp8_e3m4", 3, 4, 3, F::kIeee},
          {"fp6_e3m2", 3, 2, 3, F::kAllFinite}, {"fp6_e2m3", 2, 3, 1, F::kAllFinite},
          {"fp4_e2m1", 2, 1, 1, F::kAllFinite}, {"e1m2", 1, 2, 0, F::kAllFinite},
          {"e3m0", 3, 0, 3, F::kAllFinite},     {"e4m0b4", 4, 0, 4, F::kAllFinite},
          {"e3m4fn", 3, 4, 3, F::kFn},          {"e2m5", 2, 5, 1, F::kAllFinite},
          {"e5m1b20fnuz", 5, 1, 20, F::kFnuz},  {"e4m3b11", 4, 3, 11, F::kAllFinite},
          {"e4m3sat", 4, 3, 7, F::kAllFinite},  {"e5m2:ovf=inf", 5, 2, 15, F::kIeee, true},
          {"f16", 5, 10, 15, F::kIeee, true},   {"bf16", 8, 7, 127, F::kIeee, true},
          {"tf32", 8, 10, 127, F::kIeee, true}, {"e8m3b130", 8, 3, 130, F::kAllFinite}};
}

}  // namespace fqlab::testing
