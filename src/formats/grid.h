// The numbers a kernel needs to round magnitudes to a small float's grid, and the exact scalar rounding.
#pragma once

#include <cstdint>

#include "formats/format_details.h"

namespace fqlab {

constexpr uint32_t kInfinityBits = 0x7f800000u;
constexpr uint32_t kNanBits = 0x7fc00000u;
constexpr uint32_t kSignBit = 0x80000000u;

/// One small float's grid, shifted by 2^shift_exponent (MX). All *_bits are float32 magnitudes.
struct Grid {
  int mantissa_bits = 23;
  int min_exponent = -126;       ///< of the smallest normal number
  uint32_t largest_bits = 0;     ///< of the largest finite number
  uint32_t overflow_bits = 0;    ///< what a finite number beyond it becomes
  uint32_t infinity_result = 0;  ///< what Inf becomes: Inf, or NaN where the format has none
  bool has_negative_zero = true;
  bool flip_parity =
      false;  ///< without a mantissa, the lowest code bit is the exponent's, whose parity may differ
  Rounding rounding = Rounding::kNearestEven;
};

Grid grid_of(const MiniFloat& element, Overflow overflow, Rounding rounding);

/// True where the vector kernels' two ranges (integer rounding, and (a + C) - C) cover this grid shifted by
/// 2^shift.
bool fits_vector_kernel(const Grid& grid, int shift);

/// True where adding a large number and subtracting it again rounds all magnitudes up to the largest, times
/// 2^shift, to nearest even: ties are those of a mantissa, and the sums stay within float32.
bool rounds_by_adding(const Grid& grid, int shift);

/// 24 random bits for the value with that index; the vector kernels compute the same.
uint32_t random_bits(uint32_t index, uint32_t key0, uint32_t key1);

/// Rounds a finite magnitude to the grid times 2^shift, exactly; beyond the largest: overflow_bits' meaning
/// is the caller's, so the unlimited result is returned. Returns float32 magnitude bits; Inf where float32
/// ends.
uint32_t round_magnitude(uint32_t magnitude_bits, const Grid& grid, int shift, bool negative,
                         uint32_t random);

/// The largest finite number of the grid times 2^shift, as float32 bits (Inf where float32 ends).
uint32_t shifted_largest(const Grid& grid, int shift);

}  // namespace fqlab
