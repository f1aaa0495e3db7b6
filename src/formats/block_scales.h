// Scalar arithmetic of the scales: MX exponents, NVFP4 and group scales. Called once a block.
#pragma once

#include <bit>
#include <cstdint>

#include "formats/grid.h"
#include "formats/kernels.h"

namespace fqlab::kernels {

/// Seed and the index of a segment's first value -> the two keys of random_bits.
struct RandomKeys {
  uint32_t key0, key1;
};
RandomKeys random_keys(uint64_t seed, uint64_t index);

/// X = 2^k of an MX block, clamped to E8M0; amax_bits are those of a finite nonzero magnitude.
inline int mx_exponent(uint32_t amax_bits, const MxRule& rule) {
  uint32_t mantissa = amax_bits & 0x7fffffu;
  int exponent = static_cast<int>(amax_bits >> 23) - 127;
  if (exponent == -127) {  // subnormal: move the leading one to its place
    const int up = std::countl_zero(mantissa) - 8;
    mantissa = (mantissa << up) & 0x7fffffu;
    exponent = -126 - up;
  }
  switch (rule.scale_rule) {
    case MxScaleRule::kFloor:
      break;
    case MxScaleRule::kCeil:
      exponent += mantissa != 0;
      break;
    case MxScaleRule::kRceil:
      exponent += mantissa > rule.largest_mantissa;
      break;
    case MxScaleRule::kEven:
      exponent += static_cast<int>((mantissa + (1u << (22 - rule.grid.mantissa_bits))) >> 23);
      break;
  }
  const int shared = exponent - rule.max_exponent;
  return shared < -127 ? -127 : shared > 127 ? 127 : shared;
}

/// Nearest-even E4M3, saturating, of a magnitude: the block scales of NVFP4.
inline float round_to_e4m3(float magnitude) {
  constexpr float kLargest = 448, kSmallestNormal = 0x1p-6f, kMagic = 0x1p14f;  // step 2^-9, times 2^23
  if (!(magnitude < kLargest)) return kLargest;
  if (magnitude < kSmallestNormal) {
    const float shifted = magnitude + kMagic;
    return shifted - kMagic;
  }
  const uint32_t bits = std::bit_cast<uint32_t>(magnitude);
  return std::bit_cast<float>((bits + 0x7ffffu + ((bits >> 20) & 1)) & ~0xfffffu);
}

/// A positive scale in the type that stores it: nearest-even, saturating.
float round_scale(float scale, ScaleType type);

}  // namespace fqlab::kernels
