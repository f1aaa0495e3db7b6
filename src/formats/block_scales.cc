#include "formats/block_scales.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace fqlab::kernels {
namespace {

float round_to(float scale, const MiniFloat& element) {
  const Grid grid = grid_of(element, Overflow::kSaturate, Rounding::kNearestEven);
  return std::bit_cast<float>(
      std::min(round_magnitude(std::bit_cast<uint32_t>(scale), grid, 0, false, 0), grid.largest_bits));
}

/// E8M0 has no zero: everything small becomes 2^-127.
float round_to_e8m0(float scale) {
  const uint32_t bits = std::bit_cast<uint32_t>(scale);
  constexpr uint32_t kSmallest = 0x00400000u, kTie = 0x00600000u, kLargest = 0x7f000000u;
  if (bits < 0x00800000u) return std::bit_cast<float>(bits > kTie ? 0x00800000u : kSmallest);
  return std::bit_cast<float>(std::min((bits + 0x3fffffu + ((bits >> 23) & 1)) & ~0x7fffffu, kLargest));
}

}  // namespace

RandomKeys random_keys(uint64_t seed, uint64_t index) {
  const uint64_t keys = Random(Random(seed).next() ^ (index >> 32)).next();
  return {static_cast<uint32_t>(keys), static_cast<uint32_t>(keys >> 32)};
}

float round_scale(float scale, ScaleType type) {
  switch (type) {
    case ScaleType::kF32:
      return scale;
    case ScaleType::kF16:
      return round_to(scale, {5, 10, 15, Specials::kIeee});
    case ScaleType::kBf16:
      return round_to(scale, {8, 7, 127, Specials::kIeee});
    case ScaleType::kE8m0:
      return round_to_e8m0(scale);
    case ScaleType::kE4m3:
      return round_to_e4m3(scale);
  }
  return scale;
}

GroupScale group_scale(const GroupRule& rule, float low, float high) {
  if (!rule.asymmetric) {
    const float reach = rule.positive_only ? high : std::max(-low, high);
    if (reach == 0) return {};
    return {round_scale(reach / rule.divisor, rule.scale_type), rule.low, rule.high};
  }
  float scale = (high - low) / rule.divisor;
  if (std::isinf(scale)) scale = high / rule.divisor - low / rule.divisor;
  if (low == high) return {};
  scale = round_scale(scale, rule.scale_type);
  if (scale == 0) return {};
  const float zero_point =
      std::min(std::max(rule.quantum_min - std::nearbyint(low / scale), rule.quantum_min), rule.quantum_max);
  return {scale, rule.quantum_min - zero_point, rule.quantum_max - zero_point};
}

}  // namespace fqlab::kernels
