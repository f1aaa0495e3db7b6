// A small float: its fields, its specials, and the numbers that follow from them.
#pragma once

#include <cstdint>

namespace fqlab {

/// Which codes are not finite numbers. The names are those of the specs' suffixes.
enum class Specials : uint8_t {
  kNone,  ///< "sat": every code is a finite number, -0 included
  kFn,    ///< NaN in the code of all ones, no Inf
  kFnuz,  ///< NaN in the code of -0, no Inf, no -0; the default bias is one more
  kIeee,  ///< the highest exponent holds Inf and NaN
};

/// sign | exponent | mantissa. Grids that reach past float32 are cut to the numbers float32 can hold.
struct MiniFloat {
  int exponent_bits = 8;
  int mantissa_bits = 23;
  int bias = 127;
  Specials specials = Specials::kIeee;

  int bits() const { return 1 + exponent_bits + mantissa_bits; }
  /// Exponent of the smallest normal number, which subnormals share.
  int min_exponent() const { return 1 - bias; }
  /// Exponent of the largest finite number.
  int max_exponent() const;
  double largest() const;
  double smallest_normal() const;
  /// Smallest positive number; the smallest normal where there are no subnormals.
  double smallest_step() const;
  bool has_infinity() const { return specials == Specials::kIeee; }
  bool has_nan() const { return specials != Specials::kNone; }
  bool has_negative_zero() const { return specials != Specials::kFnuz; }
  /// The magnitude of a code without its sign bit: a number, Inf, or NaN.
  double decode(uint32_t code) const;

  static int default_bias(int exponent_bits, Specials specials);
  friend bool operator==(const MiniFloat&, const MiniFloat&) = default;
};

}  // namespace fqlab
