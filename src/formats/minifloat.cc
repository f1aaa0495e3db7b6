#include "formats/minifloat.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fqlab {

namespace {
/// Where fn has no mantissa, the code of all ones takes the whole highest exponent.
bool highest_exponent_is_special(const MiniFloat& format) {
  return format.specials == Specials::kIeee ||
         (format.specials == Specials::kFn && format.mantissa_bits == 0);
}
}  // namespace

int MiniFloat::default_bias(int exponent_bits, Specials specials) {
  return (1 << (exponent_bits - 1)) - (specials == Specials::kFnuz ? 0 : 1);
}

int MiniFloat::max_exponent() const {
  const int highest = (1 << exponent_bits) - 1 - bias - (highest_exponent_is_special(*this) ? 1 : 0);
  return std::min(highest, 127);
}

double MiniFloat::largest() const {
  const int highest = (1 << exponent_bits) - 1 - bias;
  const bool top_code_is_nan = specials == Specials::kFn && mantissa_bits > 0 && highest == max_exponent();
  const double steps_below_two = top_code_is_nan ? 2 : 1;
  return std::ldexp(2 - steps_below_two * std::ldexp(1.0, -mantissa_bits), max_exponent());
}

double MiniFloat::smallest_normal() const { return std::ldexp(1.0, min_exponent()); }

double MiniFloat::smallest_step() const {
  return std::ldexp(1.0, std::max(min_exponent() - mantissa_bits, -149));
}

double MiniFloat::decode(uint32_t code) const {
  const uint32_t mantissa = code & ((1u << mantissa_bits) - 1);
  const int field = static_cast<int>(code >> mantissa_bits);
  const int highest = (1 << exponent_bits) - 1;
  if (specials == Specials::kIeee && field == highest)
    return mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  if (specials == Specials::kFn && code == (1u << (exponent_bits + mantissa_bits)) - 1)
    return std::numeric_limits<double>::quiet_NaN();
  const double fraction = std::ldexp(static_cast<double>(mantissa), -mantissa_bits);
  return field == 0 ? std::ldexp(fraction, min_exponent()) : std::ldexp(1 + fraction, field - bias);
}

}  // namespace fqlab
