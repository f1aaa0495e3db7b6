#include "formats/grid.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fqlab {
namespace {

/// value = significand * 2^exponent for any finite magnitude.
struct Parts {
  uint32_t significand;
  int exponent;
};

Parts parts_of(uint32_t magnitude_bits) {
  const uint32_t field = magnitude_bits >> 23;
  const uint32_t mantissa = magnitude_bits & 0x7fffffu;
  return field == 0 ? Parts{mantissa, -149} : Parts{mantissa | 0x800000u, static_cast<int>(field) - 150};
}

/// significand * 2^exponent as float32 bits: exact, or Inf beyond float32's range. No floating-point
/// arithmetic.
uint32_t bits_of(uint64_t significand, int exponent) {
  if (significand == 0) return 0;
  const int length = 64 - std::countl_zero(significand);
  int top = exponent + length - 1;
  if (top > 127) return kInfinityBits;
  const int lowest = top >= -126 ? top - 23 : -149;
  const int left = exponent - lowest;
  const auto mantissa = static_cast<uint32_t>(left >= 0 ? significand << left : significand >> -left);
  return top >= -126 ? (static_cast<uint32_t>(top + 127) << 23) | (mantissa & 0x7fffffu) : mantissa;
}

/// Whether significand / 2^shift, truncated to `whole`, is rounded up.
bool rounds_up(uint32_t significand, int shift, bool odd, bool normal, Rounding rounding, bool negative,
               uint32_t random) {
  const uint64_t below = shift >= 32 ? significand : significand & ((uint64_t{1} << shift) - 1);
  if (below == 0) return false;
  switch (rounding) {
    case Rounding::kZero:
      return false;
    case Rounding::kFloor:
      return negative;
    case Rounding::kCeil:
      return !negative;
    case Rounding::kNearestEven:
    case Rounding::kNearestAway: {
      if (shift > 32) return false;
      const uint64_t half = uint64_t{1} << (shift - 1);
      return below > half || (below == half && (odd || rounding == Rounding::kNearestAway));
    }
    case Rounding::kStochastic: {
      // Up where below / 2^shift + random / 2^bits >= 1; the vector kernels use these numbers of bits.
      if (normal) return below + (random & ((uint32_t{1} << shift) - 1)) >= (uint64_t{1} << shift);
      if (shift > 48) return false;
      using Wide = unsigned __int128;
      return (Wide{below} << 24) + (Wide{random} << shift) >= Wide{1} << (24 + shift);
    }
  }
  return false;
}

}  // namespace

Grid grid_of(const MiniFloat& element, Overflow overflow, Rounding rounding) {
  Grid grid;
  grid.mantissa_bits = element.mantissa_bits;
  grid.min_exponent = element.min_exponent();
  grid.largest_bits = std::bit_cast<uint32_t>(static_cast<float>(element.largest()));
  grid.overflow_bits = overflow == Overflow::kInfinity ? kInfinityBits
                       : overflow == Overflow::kNan    ? kNanBits
                                                       : grid.largest_bits;
  grid.infinity_result = element.has_infinity() ? kInfinityBits : kNanBits;
  grid.has_negative_zero = element.has_negative_zero();
  grid.flip_parity = element.mantissa_bits == 0 && element.bias % 2 == 0;
  grid.rounding = rounding;
  return grid;
}

bool fits_vector_kernel(const Grid& grid, int shift) {
  const int min_exponent = grid.min_exponent + shift;
  const int step_exponent = min_exponent - grid.mantissa_bits;
  // Stochastic rounding needs 24 exact bits below a step, except where the grid is float32's own (-126).
  const bool random_is_exact =
      grid.rounding != Rounding::kStochastic || step_exponent >= -125 || min_exponent == -126;
  return min_exponent >= -126 && step_exponent + 23 <= 127 && random_is_exact;
}

bool rounds_by_adding(const Grid& grid, int shift) {
  const int largest_exponent = static_cast<int>(grid.largest_bits >> 23) - 127 + shift;
  // Beside 2^(e + drop) a sum's last place is the step at 2^e only where something is dropped.
  return grid.rounding == Rounding::kNearestEven && grid.mantissa_bits > 0 && grid.mantissa_bits < 23 &&
         !grid.flip_parity && grid.min_exponent + shift >= -126 &&
         largest_exponent + 23 - grid.mantissa_bits <= 127;
}

uint32_t random_bits(uint32_t index, uint32_t key0, uint32_t key1) {
  uint32_t h = index ^ key0;
  for (int round = 0; round < 2; ++round) {
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    h ^= h >> 16;
    if (round == 0) h += key1;
  }
  return h >> 8;
}

uint32_t round_magnitude(uint32_t magnitude_bits, const Grid& grid, int shift, bool negative,
                         uint32_t random) {
  const Parts value = parts_of(magnitude_bits);
  if (value.significand == 0) return 0;
  const int length = 32 - std::countl_zero(value.significand);
  const int exponent = value.exponent + length - 1;
  const int min_exponent = grid.min_exponent + shift;
  const int step_exponent = std::max(exponent, min_exponent) - grid.mantissa_bits;
  const int drop = step_exponent - value.exponent;
  if (drop <= 0) return magnitude_bits;
  uint32_t whole = drop >= 32 ? 0 : value.significand >> drop;
  bool odd = (whole & 1) != 0;
  // Without a mantissa the lowest bit of the code is that of the exponent field.
  if (grid.mantissa_bits == 0 && whole != 0) odd = ((exponent - min_exponent + 1) & 1) != 0;
  const bool normal = exponent >= min_exponent || min_exponent == -126;
  if (rounds_up(value.significand, drop, odd, normal && drop <= 23, grid.rounding, negative, random)) ++whole;
  return bits_of(whole, step_exponent);
}

uint32_t shifted_largest(const Grid& grid, int shift) {
  const Parts largest = parts_of(grid.largest_bits);
  return bits_of(largest.significand, largest.exponent + shift);
}

}  // namespace fqlab
