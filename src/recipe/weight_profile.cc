// Which precision values really use, from their bits.
#include <algorithm>
#include <bit>
#include <cmath>

#include "fqlab/weight_damage.h"
#include "recipe/damage_kernels.h"

namespace fqlab {
namespace {

constexpr uint32_t kMagnitude = 0x7fffffffu, kInfinity = 0x7f800000u, kMantissa = 0x7fffffu;
constexpr uint32_t kBf16Drops = 0xffffu, kTf32Drops = 0x1fffu, kF16Drops = 0x1fffu;
constexpr uint32_t kF16Largest = 0x477fe000u;    // 65504
constexpr uint32_t kF16MinNormal = 0x38800000u;  // 2^-14

// f16 numbers below 2^-14 are the multiples of 2^-24.
bool is_f16_subnormal(uint32_t magnitude) {
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;
  return std::trunc(scaled) == scaled;
}

void add_one(WeightProfile& profile, uint32_t magnitude) {
  if (magnitude >= kInfinity) {
    ++(magnitude > kInfinity ? profile.nan : profile.infinite);
    return;
  }
  profile.mantissas |= magnitude & kMantissa;
  if (magnitude != 0) profile.smallest_magnitude = std::min(profile.smallest_magnitude, magnitude);
  profile.largest_magnitude = std::max(profile.largest_magnitude, magnitude);
  profile.zeros += magnitude == 0;
  profile.not_bf16_exact += (magnitude & kBf16Drops) != 0;
  profile.not_tf32_exact += (magnitude & kTf32Drops) != 0;
  profile.not_f16_exact += (magnitude & kF16Drops) != 0 || magnitude > kF16Largest ||
                           (magnitude < kF16MinNormal && !is_f16_subnormal(magnitude));
}

}  // namespace

void WeightProfile::add(std::span<const float> part) {
  constexpr size_t kBatch = size_t{1} << 15;  // keeps the 32-bit counts of a batch exact
  values += part.size();
  for (; !part.empty(); part = part.subspan(std::min(kBatch, part.size()))) {
    const auto batch = part.first(std::min(kBatch, part.size()));
    const damage_kernels::Bits bits = damage_kernels::scan(batch.data(), batch.size());
    if (bits.largest >= kInfinity) {
      for (const float x : batch) add_one(*this, std::bit_cast<uint32_t>(x) & kMagnitude);
      continue;
    }
    mantissas |= bits.mantissas;
    if (bits.smallest_less_one != ~0u)
      smallest_magnitude = std::min(smallest_magnitude, bits.smallest_less_one + 1);
    largest_magnitude = std::max(largest_magnitude, bits.largest);
    zeros += bits.zeros;
    not_bf16_exact += bits.not_bf16;
    not_tf32_exact += bits.not_tf32;
    not_f16_exact += bits.not_f16;
    if (bits.below_f16 == 0) continue;
    for (const float x : batch) {
      const uint32_t magnitude = std::bit_cast<uint32_t>(x) & kMagnitude;
      not_f16_exact +=
          magnitude < kF16MinNormal && (magnitude & kF16Drops) == 0 && !is_f16_subnormal(magnitude);
    }
  }
}

void WeightProfile::merge(const WeightProfile& other) {
  values += other.values;
  zeros += other.zeros;
  nan += other.nan;
  infinite += other.infinite;
  not_bf16_exact += other.not_bf16_exact;
  not_tf32_exact += other.not_tf32_exact;
  not_f16_exact += other.not_f16_exact;
  mantissas |= other.mantissas;
  smallest_magnitude = std::min(smallest_magnitude, other.smallest_magnitude);
  largest_magnitude = std::max(largest_magnitude, other.largest_magnitude);
}

int WeightProfile::mantissa_bits() const { return mantissas == 0 ? 0 : 23 - std::countr_zero(mantissas); }

std::optional<std::pair<int, int>> WeightProfile::exponents() const {
  if (largest_magnitude == 0) return std::nullopt;
  return std::pair(std::ilogb(std::bit_cast<float>(smallest_magnitude)),
                   std::ilogb(std::bit_cast<float>(largest_magnitude)));
}

double WeightProfile::largest() const { return static_cast<double>(std::bit_cast<float>(largest_magnitude)); }

Exactness exactness(std::span<const float> values) {
  WeightProfile profile;
  profile.add(values);
  return {profile.values, profile.not_bf16_exact, profile.not_f16_exact};
}

}  // namespace fqlab
