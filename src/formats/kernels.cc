// The kernels for every instruction set that the compiler can build, and the choice among them.
#include "formats/kernels.h"

// Vectors are members of structures here, which the scalable instruction sets do not allow.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "formats/kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <type_traits>

#include "formats/block_scales.h"
#include "formats/round-inl.h"
#include "formats/scalar_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace fqlab::kernels {
namespace HWY_NAMESPACE {

constexpr uint32_t kLargestFinite = 0x7f7fffffu;

/// Calls f with the rounding as a compile-time constant.
template <class F>
HWY_INLINE auto WithRounding(Rounding rounding, const F& f) {
  switch (rounding) {
    case Rounding::kNearestEven: return f(std::integral_constant<Rounding, Rounding::kNearestEven>());
    case Rounding::kNearestAway: return f(std::integral_constant<Rounding, Rounding::kNearestAway>());
    case Rounding::kZero: return f(std::integral_constant<Rounding, Rounding::kZero>());
    case Rounding::kFloor: return f(std::integral_constant<Rounding, Rounding::kFloor>());
    case Rounding::kCeil: return f(std::integral_constant<Rounding, Rounding::kCeil>());
    case Rounding::kStochastic: break;
  }
  return f(std::integral_constant<Rounding, Rounding::kStochastic>());
}

template <Rounding R>
HWY_INLINE VU RandomFor(uint64_t index, RandomKeys keys) {
  if constexpr (R == Rounding::kStochastic) return RandomBits(index, keys.key0, keys.key1);
  return hn::Zero(DU());
}

/// One vector of a plain cast, or of an MX block whose grid is shifted.
template <Rounding R>
HWY_INLINE VI CastVector(const VectorGrid& grid, VI x, VU random, VectorCounts& counts) {
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VI sign = hn::And(x, Bits(kSignBit));
  VI rounded = RoundMagnitude<R>(grid, magnitude, sign, random);
  const MI over = hn::Gt(rounded, grid.largest);
  rounded = hn::IfThenElse(over, grid.overflow, rounded);
  const MI finite = hn::Lt(magnitude, Bits(kInfinityBits));
  const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
  rounded = hn::IfThenElse(finite, rounded, hn::IfThenElse(nan, Bits(kNanBits), grid.infinity_result));
  const VI kept_sign = hn::IfThenElse(hn::Eq(rounded, hn::Zero(di)), hn::And(sign, grid.zero_sign), sign);
  const VI out = hn::Or(rounded, kept_sign);
  counts.Add(x, magnitude, out, hn::And(finite, hn::Gt(magnitude, grid.largest)), nan);
  VectorCounts::Tally(counts.overflowed, hn::And(over, finite));
  return out;
}

/// The same for magnitudes that are not beyond the largest number: nothing saturates and nothing is special.
template <Rounding R>
HWY_INLINE VI CastInRange(const VectorGrid& grid, VI x, VU random, VectorCounts& counts) {
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VI sign = hn::And(x, Bits(kSignBit));
  const VI rounded = RoundMagnitude<R>(grid, magnitude, sign, random);
  const VI kept_sign = hn::IfThenElse(hn::Eq(rounded, hn::Zero(DI())), hn::And(sign, grid.zero_sign), sign);
  const VI out = hn::Or(rounded, kept_sign);
  counts.AddFinite(x, magnitude, out, rounded);
  return out;
}

template <Rounding R>
Counts CastT(const Segment& segment, const Grid& scalar_grid, RandomKeys keys) {
  const DF df;
  const DI di;
  const VectorGrid grid(scalar_grid, 0);
  VectorCounts vector_counts;
  const size_t lanes = hn::Lanes(df);
  const auto store = [&](VI result, float* out) HWY_ATTR {
    if (segment.stream)
      hn::Stream(hn::BitCast(df, result), df, out);
    else
      hn::StoreU(hn::BitCast(df, result), df, out);
  };
  size_t i = 0;
  for (; i + 4 * lanes <= segment.size; i += 4 * lanes) {
    VI x[4];
    for (size_t k = 0; k < 4; ++k) x[k] = hn::BitCast(di, hn::LoadU(df, segment.in + i + k * lanes));
    VI most = hn::Zero(di);
    for (size_t k = 0; k < 4; ++k) most = hn::Max(most, hn::And(x[k], Bits(~kSignBit)));
    const uint64_t index = segment.index + i;
    float* out = segment.out + i;
    if (HWY_LIKELY(hn::AllFalse(di, hn::Gt(most, grid.largest)))) {
      for (size_t k = 0; k < 4; ++k)
        store(CastInRange<R>(grid, x[k], RandomFor<R>(index + k * lanes, keys), vector_counts), out + k * lanes);
    } else {
      for (size_t k = 0; k < 4; ++k)
        store(CastVector<R>(grid, x[k], RandomFor<R>(index + k * lanes, keys), vector_counts), out + k * lanes);
    }
  }
  Transform(segment.in + i, segment.out + i, segment.size - i, segment.index + i, segment.stream, 0.0f,
            [&](VI x, uint64_t index) HWY_ATTR { return CastVector<R>(grid, x, RandomFor<R>(index, keys), vector_counts); });
  Counts counts;
  vector_counts.AddTo(counts);
  return counts;
}

Counts Cast(const Segment& segment, const Grid& grid, uint64_t seed) {
  const RandomKeys keys = random_keys(seed, segment.index);
  return WithRounding(grid.rounding, [&](auto rounding) { return CastT<rounding.value>(segment, grid, keys); });
}

Counts CastE8m0(const Segment& segment) {
  VectorCounts vector_counts;
  const DI di;
  constexpr uint32_t kSmallestNormal = 0x00800000u, kSmallest = 0x00400000u, kTie = 0x00600000u, kLargest = 0x7f000000u;
  Transform(segment.in, segment.out, segment.size, 0, segment.stream, 1.0f, [&](VI x, uint64_t) HWY_ATTR {
    const VI odd = hn::And(hn::ShiftRight<23>(x), Bits(1));
    const VI normal = hn::And(hn::Add(hn::Add(x, Bits(0x3fffffu)), odd), Bits(0x7f800000u));
    const VI tiny = hn::IfThenElse(hn::Gt(x, Bits(kTie)), Bits(kSmallestNormal), Bits(kSmallest));
    const VI rounded = hn::IfThenElse(hn::Lt(x, Bits(kSmallestNormal)), tiny, hn::Min(normal, Bits(kLargest)));
    // x > 0 as an integer leaves out zero and all negative numbers.
    const MI positive = hn::And(hn::Gt(x, hn::Zero(di)), hn::Lt(x, Bits(kInfinityBits)));
    const VI out = hn::IfThenElse(positive, rounded, Bits(kNanBits));
    const VI magnitude = hn::And(x, Bits(~kSignBit));
    const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
    vector_counts.Add(x, magnitude, out, hn::And(positive, hn::Gt(x, Bits(kLargest))), nan);
    return out;
  });
  Counts counts;
  vector_counts.AddTo(counts);
  return counts;
}

void AddCounts(Counts& sum, const Counts& part) {
  sum.changed += part.changed;
  sum.saturated += part.saturated;
  sum.flushed += part.flushed;
  sum.nan += part.nan;
  sum.overflowed += part.overflowed;
}

/// What a rule adds to the bits of the largest magnitude before its exponent is taken: a carry where it rounds up.
uint32_t MxCarry(const MxRule& rule) {
  switch (rule.scale_rule) {
    case MxScaleRule::kFloor: return 0;
    case MxScaleRule::kCeil: return 0x7fffffu;
    case MxScaleRule::kRceil: return 0x7fffffu - rule.largest_mantissa;
    case MxScaleRule::kEven: return 1u << (22 - rule.grid.mantissa_bits);
  }
  return 0;
}

/// Largest magnitudes for which all of the block's grid, even with one more in the exponent, fits the vector kernel.
struct MagnitudeBounds {
  uint32_t lowest = 0, size = 0;
};
MagnitudeBounds MxBounds(const MxRule& rule) {
  int low = -127, high = 126;
  while (low < 127 && !fits_vector_kernel(rule.grid, low)) ++low;
  while (high > low && !fits_vector_kernel(rule.grid, high + 1)) --high;
  const auto bits = [&](int shift) { return static_cast<uint32_t>(HWY_MAX(shift + rule.max_exponent + 127, 1)) << 23; };
  return {bits(low), HWY_MIN(bits(high), kInfinityBits) - bits(low)};
}

template <Rounding R>
Counts MxRowT(const Segment& row, const MxRule& rule, RandomKeys keys) {
  constexpr size_t kBlock = 32;
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df);
  const MagnitudeBounds bounds = MxBounds(rule);
  const VI carry = Bits(MxCarry(rule));
  const VectorGrid unshifted(rule.grid, 0);
  const VI zero_shift = Bits(static_cast<uint32_t>(rule.max_exponent + 127) << 23);
  const VI exponent_mask = Bits(kInfinityBits);
  const bool has_negative_zero = rule.grid.has_negative_zero;
  Counts counts;
  VectorCounts vector_counts;
  for (size_t at = 0; at < row.size; at += kBlock) {
    const size_t size = HWY_MIN(kBlock, row.size - at);
    VI most = hn::Zero(di);
    const float* in = row.in + at;
    for (size_t i = 0; i + lanes <= size; i += lanes)
      most = hn::Max(most, hn::And(hn::BitCast(di, hn::LoadU(df, in + i)), Bits(~kSignBit)));
    most = hn::MaxOfLanes(di, most);
    const auto amax = static_cast<uint32_t>(hn::GetLane(most));
    // Zeros, subnormals, NaN and Inf, and grids that leave float32's normal range are rare: exact scalar code.
    if (HWY_UNLIKELY(amax - bounds.lowest >= bounds.size || size != kBlock)) {
      const Segment block = {in, row.out + at, size, row.index + at, false};
      AddCounts(counts, mx_block_scalar(block, rule));
      continue;
    }
    const VI shift = hn::Sub(hn::And(hn::Add(most, carry), exponent_mask), zero_shift);
    VectorGrid grid = unshifted;
    grid.min_normal = hn::Add(unshifted.min_normal, shift);
    grid.largest = hn::Add(unshifted.largest, shift);
    grid.magic = hn::BitCast(df, hn::Add(hn::BitCast(di, unshifted.magic), shift));
    grid.step = hn::BitCast(df, hn::Add(hn::BitCast(di, unshifted.step), shift));
    for (size_t i = 0; i < kBlock; i += lanes) {
      const VI x = hn::BitCast(di, hn::LoadU(df, in + i));
      const VI magnitude = hn::And(x, Bits(~kSignBit));
      const VI sign = hn::And(x, Bits(kSignBit));
      const VI rounded =
          hn::Min(RoundMagnitude<R>(grid, magnitude, sign, RandomFor<R>(row.index + at + i, keys)), grid.largest);
      VI out = hn::Or(rounded, sign);
      if (!has_negative_zero) out = hn::IfThenElse(hn::Eq(rounded, hn::Zero(di)), hn::Zero(di), out);
      vector_counts.AddFinite(x, magnitude, out, rounded);
      VectorCounts::Tally(vector_counts.saturated, hn::Gt(magnitude, grid.largest));
      if (row.stream)
        hn::Stream(hn::BitCast(df, out), df, row.out + at + i);
      else
        hn::StoreU(hn::BitCast(df, out), df, row.out + at + i);
    }
  }
  vector_counts.AddTo(counts);
  return counts;
}

Counts MxRow(const Segment& row, const MxRule& rule) {
  const RandomKeys keys = random_keys(rule.seed, row.index);
  return WithRounding(rule.grid.rounding, [&](auto rounding) { return MxRowT<rounding.value>(row, rule, keys); });
}

/// One vector of round(x / scale) * scale on a small float's grid. kFinite: no NaN and no Inf among x.
template <Rounding R, bool kFinite>
HWY_INLINE VI ScaledVector(const VectorGrid& grid, VF scale, VI x, VU random, VectorCounts& counts) {
  const DF df;
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VI sign = hn::And(x, Bits(kSignBit));
  // A quotient beyond float32 still is a finite number that overflows.
  const VI quotient =
      hn::Min(hn::BitCast(di, hn::Div(hn::BitCast(df, magnitude), scale)), Bits(kLargestFinite));
  VI rounded = RoundMagnitude<R>(grid, quotient, sign, random);
  const MI over = hn::Gt(rounded, grid.largest);
  rounded = hn::IfThenElse(over, grid.overflow, rounded);
  const VI product = hn::BitCast(di, hn::Mul(hn::BitCast(df, rounded), scale));
  if constexpr (kFinite) {
    const VI kept_sign = hn::IfThenElse(hn::Eq(product, hn::Zero(di)), hn::And(sign, grid.zero_sign), sign);
    const VI out = hn::Or(product, kept_sign);
    counts.AddFinite(x, magnitude, out, product);
    VectorCounts::Tally(counts.saturated, over);
    return out;
  }
  const MI finite = hn::Lt(magnitude, Bits(kInfinityBits));
  const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
  const VI result = hn::IfThenElse(finite, product, hn::IfThenElse(nan, Bits(kNanBits), grid.infinity_result));
  const VI kept_sign = hn::IfThenElse(hn::Eq(result, hn::Zero(di)), hn::And(sign, grid.zero_sign), sign);
  const VI out = hn::Or(result, kept_sign);
  const MI overflowed = hn::And(over, finite);
  counts.Add(x, magnitude, out, overflowed, nan);
  VectorCounts::Tally(counts.overflowed, overflowed);
  return out;
}

template <Rounding R>
HWY_INLINE VF RoundInteger(VF value, VU random) {
  const DF df;
  if constexpr (R == Rounding::kZero) return hn::Trunc(value);
  if constexpr (R == Rounding::kFloor) return hn::Floor(value);
  if constexpr (R == Rounding::kCeil) return hn::Ceil(value);
  if constexpr (R == Rounding::kStochastic) {
    const VF below = hn::Floor(value);
    const VF fraction = hn::Mul(hn::ConvertTo(df, hn::BitCast(DI(), random)), hn::Set(df, 0x1p-24f));
    const auto up = hn::Ge(hn::Sub(value, below), hn::Sub(hn::Set(df, 1.0f), fraction));
    return hn::Add(below, hn::IfThenElseZero(up, hn::Set(df, 1.0f)));
  }
  const VF nearest = hn::Round(value);
  if constexpr (R == Rounding::kNearestAway) {
    const VF half = hn::Set(df, 0.5f);
    const auto tie = hn::Eq(hn::Abs(hn::Sub(value, nearest)), half);
    return hn::IfThenElse(tie, hn::Add(value, hn::CopySign(half, value)), nearest);
  }
  return nearest;
}

/// One vector of clamp(round(x / scale)) * scale. kFinite: no NaN and no Inf among x.
template <Rounding R, bool kFinite>
HWY_INLINE VI IntegerVector(VF scale, VF low, VF high, VI x, VU random, VectorCounts& counts) {
  const DF df;
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VF rounded = RoundInteger<R>(hn::Div(hn::BitCast(df, x), scale), random);
  const VF clamped = hn::Min(hn::Max(rounded, low), high);
  // Adding zero turns -0, which integers do not have, into 0.
  const VI product = hn::BitCast(di, hn::Add(hn::Mul(clamped, scale), hn::Zero(df)));
  const MI limited = hn::RebindMask(di, hn::Ne(rounded, clamped));
  if constexpr (kFinite) {
    counts.AddFinite(x, magnitude, product, product);
    VectorCounts::Tally(counts.saturated, limited);
    return product;
  }
  const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
  const MI finite = hn::Lt(magnitude, Bits(kInfinityBits));
  const VI out = hn::IfThenElse(finite, product, hn::Or(hn::And(x, Bits(kSignBit)), Bits(kNanBits)));
  counts.Add(x, magnitude, out, hn::And(finite, limited), nan);
  return out;
}

/// A group without a scale becomes zero; NaN and Inf become NaN.
HWY_INLINE VI ZeroVector(VI x, VI zero_sign, VI infinity_result, VectorCounts& counts) {
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
  const VI sign = hn::And(x, Bits(kSignBit));
  const VI special = hn::Or(sign, hn::IfThenElse(nan, Bits(kNanBits), infinity_result));
  const VI out = hn::IfThenElse(hn::Lt(magnitude, Bits(kInfinityBits)), hn::And(sign, zero_sign), special);
  counts.Add(x, magnitude, out, hn::Lt(hn::Zero(di), hn::Zero(di)), nan);
  return out;
}

Range FiniteRange(const float* in, size_t size) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  VF low = hn::Zero(df), high = hn::Zero(df);
  const auto widen = [&](const float* at) HWY_ATTR {
    const VF x = hn::LoadU(df, at);
    const VI magnitude = hn::And(hn::BitCast(DI(), x), Bits(~kSignBit));
    const VF finite = hn::IfThenElseZero(hn::RebindMask(df, hn::Lt(magnitude, Bits(kInfinityBits))), x);
    low = hn::Min(low, finite);
    high = hn::Max(high, finite);
  };
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) widen(in + i);
  if (i < size) {
    HWY_ALIGN float buffer[kMaxLanes] = {};
    std::memcpy(buffer, in + i, (size - i) * sizeof(float));
    widen(buffer);
  }
  return {hn::GetLane(hn::MinOfLanes(df, low)), hn::GetLane(hn::MaxOfLanes(df, high))};
}

/// Largest finite magnitude; the filter for NaN and Inf runs only where they are.
HWY_INLINE float FiniteReach(const float* in, size_t size, uint32_t max_magnitude) {
  if (HWY_LIKELY(max_magnitude < kInfinityBits)) return std::bit_cast<float>(max_magnitude);
  const Range range = FiniteRange(in, size);
  return HWY_MAX(-range.low, range.high);
}

template <Rounding R>
Counts Nvfp4RowT(const Segment& row, const Grid& scalar_grid, float tensor_scale, RandomKeys keys) {
  constexpr size_t kBlock = 16;
  constexpr float kLargest = 6;
  const DF df;
  const VectorGrid grid(scalar_grid, 0);
  VectorCounts vector_counts;
  for (size_t at = 0; at < row.size; at += kBlock) {
    const size_t size = HWY_MIN(kBlock, row.size - at);
    const float* in = row.in + at;
    float* out = row.out + at;
    const uint32_t max_magnitude = MaxMagnitude(in, size);
    const float amax = FiniteReach(in, size, max_magnitude);
    const float block_scale = tensor_scale == 0 ? 0 : round_to_e4m3(amax / kLargest / tensor_scale);
    const float scale = block_scale * tensor_scale;
    const VF vector_scale = hn::Set(df, scale);
    if (HWY_UNLIKELY(scale == 0))
      Transform(in, out, size, 0, false, 0.0f, [&](VI x, uint64_t) HWY_ATTR {
        return ZeroVector(x, grid.zero_sign, grid.infinity_result, vector_counts);
      });
    else if (HWY_LIKELY(max_magnitude < kInfinityBits))
      Transform(in, out, size, row.index + at, row.stream, 0.0f, [&](VI x, uint64_t index) HWY_ATTR {
        return ScaledVector<R, true>(grid, vector_scale, x, RandomFor<R>(index, keys), vector_counts);
      });
    else
      Transform(in, out, size, row.index + at, false, 0.0f, [&](VI x, uint64_t index) HWY_ATTR {
        return ScaledVector<R, false>(grid, vector_scale, x, RandomFor<R>(index, keys), vector_counts);
      });
  }
  Counts counts;
  vector_counts.AddTo(counts);
  return counts;
}

Counts Nvfp4Row(const Segment& row, const Grid& grid, float tensor_scale, uint64_t seed) {
  const RandomKeys keys = random_keys(seed, row.index);
  return WithRounding(grid.rounding, [&](auto rounding) { return Nvfp4RowT<rounding.value>(row, grid, tensor_scale, keys); });
}

template <Rounding R, bool kInteger>
Counts GroupRowT(const Segment& row, const GroupRule& rule, const GroupScale* scales, RandomKeys keys) {
  const DF df;
  const VectorGrid grid(kInteger ? Grid{} : rule.grid, 0);
  const VI zero_sign = kInteger ? hn::Zero(DI()) : grid.zero_sign;
  const VI infinity_result = kInteger ? Bits(kNanBits) : grid.infinity_result;
  VectorCounts vector_counts;
  for (size_t at = 0, group = 0; at < row.size; at += rule.group, ++group) {
    const size_t size = HWY_MIN(rule.group, row.size - at);
    const float* in = row.in + at;
    float* out = row.out + at;
    const uint32_t max_magnitude = MaxMagnitude(in, size);
    GroupScale scale;
    if (scales != nullptr) {
      scale = scales[group];
    } else if (rule.asymmetric || rule.positive_only) {
      const Range range = FiniteRange(in, size);
      scale = group_scale(rule, range.low, range.high);
    } else {
      scale = group_scale(rule, 0, FiniteReach(in, size, max_magnitude));
    }
    const VF vector_scale = hn::Set(df, scale.scale);
    const VF low = hn::Set(df, scale.low), high = hn::Set(df, scale.high);
    const auto transform = [&](auto finite) HWY_ATTR {
      Transform(in, out, size, row.index + at, row.stream, 0.0f, [&](VI x, uint64_t index) HWY_ATTR {
        if constexpr (kInteger)
          return IntegerVector<R, finite.value>(vector_scale, low, high, x, RandomFor<R>(index, keys), vector_counts);
        else
          return ScaledVector<R, finite.value>(grid, vector_scale, x, RandomFor<R>(index, keys), vector_counts);
      });
    };
    if (HWY_UNLIKELY(scale.scale == 0))
      Transform(in, out, size, 0, false, 0.0f,
                [&](VI x, uint64_t) HWY_ATTR { return ZeroVector(x, zero_sign, infinity_result, vector_counts); });
    else if (HWY_LIKELY(max_magnitude < kInfinityBits))
      transform(std::true_type());
    else
      transform(std::false_type());
  }
  Counts counts;
  vector_counts.AddTo(counts);
  return counts;
}

Counts GroupRow(const Segment& row, const GroupRule& rule, const GroupScale* scales) {
  const RandomKeys keys = random_keys(rule.seed, row.index);
  return WithRounding(rule.rounding, [&](auto rounding) {
    return rule.is_integer ? GroupRowT<rounding.value, true>(row, rule, scales, keys)
                           : GroupRowT<rounding.value, false>(row, rule, scales, keys);
  });
}

int64_t Target() { return HWY_TARGET; }

}  // namespace HWY_NAMESPACE
}  // namespace fqlab::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fqlab::kernels {

HWY_EXPORT(Cast);
HWY_EXPORT(CastE8m0);
HWY_EXPORT(MxRow);
HWY_EXPORT(Nvfp4Row);
HWY_EXPORT(GroupRow);
HWY_EXPORT(FiniteRange);
HWY_EXPORT(Target);

Counts cast(const Segment& segment, const Grid& grid, uint64_t seed) { return HWY_DYNAMIC_DISPATCH(Cast)(segment, grid, seed); }
Counts cast_e8m0(const Segment& segment) { return HWY_DYNAMIC_DISPATCH(CastE8m0)(segment); }
Counts mx_row(const Segment& row, const MxRule& rule) { return HWY_DYNAMIC_DISPATCH(MxRow)(row, rule); }
Counts nvfp4_row(const Segment& row, const Grid& grid, float tensor_scale, uint64_t seed) {
  return HWY_DYNAMIC_DISPATCH(Nvfp4Row)(row, grid, tensor_scale, seed);
}
Counts group_row(const Segment& row, const GroupRule& rule, const GroupScale* scales) {
  return HWY_DYNAMIC_DISPATCH(GroupRow)(row, rule, scales);
}
Range finite_range(const float* in, size_t size) { return HWY_DYNAMIC_DISPATCH(FiniteRange)(in, size); }
const char* target_name() { return hwy::TargetName(HWY_DYNAMIC_DISPATCH(Target)()); }

}  // namespace fqlab::kernels
#endif
