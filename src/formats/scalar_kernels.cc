#include "formats/scalar_kernels.h"

#include <algorithm>
#include <bit>

#include "formats/block_scales.h"

namespace fqlab::kernels {

Counts cast_scalar(const Segment& segment, const Grid& grid, int shift, RandomKeys keys) {
  Counts counts;
  const uint32_t largest = shifted_largest(grid, shift);
  for (size_t i = 0; i < segment.size; ++i) {
    const uint32_t x = std::bit_cast<uint32_t>(segment.in[i]);
    const uint32_t magnitude = x & ~kSignBit, sign = x & kSignBit;
    uint32_t rounded = kNanBits;
    if (magnitude > kInfinityBits) {
      ++counts.nan;
    } else if (magnitude == kInfinityBits) {
      rounded = grid.infinity_result;
    } else {
      const uint32_t random = random_bits(static_cast<uint32_t>(segment.index + i), keys.key0, keys.key1);
      rounded = round_magnitude(magnitude, grid, shift, sign != 0, random);
      counts.saturated += magnitude > largest;
      if (rounded > largest) {
        ++counts.overflowed;
        rounded = grid.overflow_bits == grid.largest_bits ? largest : grid.overflow_bits;
      }
    }
    const uint32_t out = rounded == 0 && !grid.has_negative_zero ? 0 : rounded | sign;
    counts.flushed += rounded == 0 && magnitude != 0;
    counts.changed += out != x && magnitude <= kInfinityBits;
    segment.out[i] = std::bit_cast<float>(out);
  }
  return counts;
}

Counts mx_block_scalar(const Segment& block, const MxRule& rule, RandomKeys keys) {
  uint32_t amax = 0;
  for (size_t i = 0; i < block.size; ++i)
    amax = std::max(amax, std::bit_cast<uint32_t>(block.in[i]) & ~kSignBit);
  if (amax < kInfinityBits) {
    const int shift = amax == 0 ? 0 : mx_exponent(amax, rule);
    return cast_scalar(block, rule.grid, shift, keys);
  }
  Counts counts;
  for (size_t i = 0; i < block.size; ++i) {
    const bool nan = (std::bit_cast<uint32_t>(block.in[i]) & ~kSignBit) > kInfinityBits;
    ++(nan ? counts.nan : counts.changed);
    block.out[i] = std::bit_cast<float>(kNanBits);
  }
  return counts;
}

}  // namespace fqlab::kernels
