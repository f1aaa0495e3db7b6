// Rounding a vector of float32 to a small float's grid, counting what happened, and the loop over a segment.
// Included once for each instruction set.
#if defined(FQLAB_FORMATS_ROUND_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FQLAB_FORMATS_ROUND_INL_H_
#undef FQLAB_FORMATS_ROUND_INL_H_
#else
#define FQLAB_FORMATS_ROUND_INL_H_
#endif

#include <hwy/highway.h>

#include <bit>
#include <cstring>

#include "formats/block_scales.h"
#include "formats/grid.h"
#include "formats/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace fqlab::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DI = hn::ScalableTag<int32_t>;
using DU = hn::ScalableTag<uint32_t>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;
using MI = hn::Mask<DI>;

constexpr size_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

HWY_INLINE VI Bits(uint32_t bits) { return hn::Set(DI(), static_cast<int32_t>(bits)); }

/// A Grid in registers, shifted by 2^shift.
struct VectorGrid {
  HWY_INLINE VectorGrid(const Grid& grid, int shift) : drop(23 - grid.mantissa_bits) {
    const uint32_t dropped = (1u << drop) - 1;
    const int min_exponent = grid.min_exponent + shift;
    const int step_exponent = min_exponent - grid.mantissa_bits;
    // At -126 float32's own subnormals have the grid's step: integer rounding serves all.
    min_normal = Bits(min_exponent == -126 ? 0u : static_cast<uint32_t>(min_exponent + 127) << 23);
    largest = Bits(grid.largest_bits + (static_cast<uint32_t>(shift) << 23));
    overflow = Bits(grid.overflow_bits == grid.largest_bits
                        ? grid.largest_bits + (static_cast<uint32_t>(shift) << 23)
                        : grid.overflow_bits);
    infinity_result = Bits(grid.infinity_result);
    keep = Bits(~dropped);
    below_half = Bits(dropped >> 1);
    half = Bits(drop == 0 ? 0 : 1u << (drop - 1));
    lowest_bit = Bits(drop == 0 ? 0 : 1);
    parity = Bits(grid.flip_parity ? 1 : 0);
    zero_sign = Bits(grid.has_negative_zero ? kSignBit : 0);
    magic = hn::BitCast(DF(), Bits(static_cast<uint32_t>(step_exponent + 23 + 127) << 23));
    const float step_value =
        std::bit_cast<float>(step_exponent >= -126 ? static_cast<uint32_t>(step_exponent + 127) << 23
                                                   : 1u << (step_exponent + 149));
    step = hn::Set(DF(), step_value);
    lowest_power = Bits(static_cast<uint32_t>(min_exponent + 127) << 23);
    to_addend = Bits(static_cast<uint32_t>(drop) << 23);
  }
  int drop;
  VI lowest_power, to_addend;
  VI min_normal, largest, overflow, infinity_result, keep, below_half, half, lowest_bit, parity, zero_sign;
  VF magic, step;
};

/// random_bits() of grid.h for consecutive indices.
HWY_INLINE VU RandomBits(uint64_t index, uint32_t key0, uint32_t key1) {
  const DU du;
  VU h = hn::Xor(hn::Add(hn::Iota(du, 0), hn::Set(du, static_cast<uint32_t>(index))), hn::Set(du, key0));
  for (int round = 0; round < 2; ++round) {
    h = hn::Xor(h, hn::ShiftRight<16>(h));
    h = hn::Mul(h, hn::Set(du, 0x7feb352du));
    h = hn::Xor(h, hn::ShiftRight<15>(h));
    h = hn::Mul(h, hn::Set(du, 0x846ca68bu));
    h = hn::Xor(h, hn::ShiftRight<16>(h));
    if (round == 0) h = hn::Add(h, hn::Set(du, key1));
  }
  return hn::ShiftRight<8>(h);
}

/// Magnitudes to nearest even where rounds_by_adding(): beside 2^(e + drop), the unit in the last place of a
/// sum is the step of the grid at 2^e.
HWY_INLINE VI RoundByAdding(const VectorGrid& grid, VI magnitude) {
  const DF df;
  const VI power = hn::Max(hn::And(magnitude, Bits(kInfinityBits)), grid.lowest_power);
  const VF addend = hn::BitCast(df, hn::Add(power, grid.to_addend));
  return hn::BitCast(DI(), hn::Sub(hn::Add(hn::BitCast(df, magnitude), addend), addend));
}

/// Finite magnitudes to the grid, without a limit at the top. `random` is read by stochastic rounding only.
template <Rounding R>
HWY_INLINE VI RoundMagnitude(const VectorGrid& grid, VI magnitude, VI sign, VU random) {
  const DF df;
  const DI di;
  const VF value = hn::BitCast(df, magnitude);
  VI normal;
  VF subnormal = hn::Sub(hn::Add(value, grid.magic), grid.magic);  // nearest-even multiple of the step
  if constexpr (R == Rounding::kNearestEven) {
    const VI odd = hn::Xor(hn::And(hn::ShiftRightSame(magnitude, grid.drop), grid.lowest_bit), grid.parity);
    normal = hn::And(hn::Add(hn::Add(magnitude, grid.below_half), odd), grid.keep);
  } else if constexpr (R == Rounding::kNearestAway) {
    normal = hn::And(hn::Add(magnitude, grid.half), grid.keep);
    const auto tie_went_down = hn::Eq(hn::Sub(value, subnormal), hn::Mul(grid.step, hn::Set(df, 0.5f)));
    subnormal = hn::Add(subnormal, hn::IfThenElseZero(tie_went_down, grid.step));
  } else {
    // The others start from truncation and go one step up where they should.
    subnormal = hn::Sub(subnormal, hn::IfThenElseZero(hn::Gt(subnormal, value), grid.step));
    VI add = hn::Zero(di);
    if constexpr (R == Rounding::kStochastic) {
      add = hn::AndNot(grid.keep, hn::BitCast(di, random));
      const VF fraction = hn::Mul(hn::ConvertTo(df, hn::BitCast(di, random)), hn::Set(df, 0x1p-24f));
      const VF threshold = hn::Sub(grid.step, hn::Mul(grid.step, fraction));
      subnormal =
          hn::Add(subnormal, hn::IfThenElseZero(hn::Ge(hn::Sub(value, subnormal), threshold), grid.step));
    } else if constexpr (R != Rounding::kZero) {
      const MI negative = hn::Lt(sign, hn::Zero(di));
      const MI up = R == Rounding::kFloor ? negative : hn::Not(negative);
      add = hn::IfThenElseZero(up, hn::Not(grid.keep));
      const auto inexact = hn::Lt(subnormal, value);
      subnormal = hn::Add(subnormal, hn::IfThenElseZero(hn::And(inexact, hn::RebindMask(df, up)), grid.step));
    }
    normal = hn::And(hn::Add(magnitude, add), grid.keep);
  }
  return hn::IfThenElse(hn::Lt(magnitude, grid.min_normal), hn::BitCast(di, subnormal), normal);
}

/// Counts in registers: one masked addition each.
struct VectorCounts {
  // A constructor with a body: compilers do not give implicit ones the instruction set of the target.
  HWY_INLINE VectorCounts() {
    const DI di;
    changed = hn::Zero(di);
    saturated = hn::Zero(di);
    flushed = hn::Zero(di);
    nan = hn::Zero(di);
    overflowed = hn::Zero(di);
    unchanged = hn::Zero(di);
  }
  VI changed, saturated, flushed, nan, overflowed;
  VI unchanged;         // of the values compared by AddFiniteSigned
  size_t compared = 0;  // the others count what is changed

  static HWY_INLINE void Tally(VI& count, MI where) {
#if HWY_TARGET <= HWY_AVX3
    count = hn::IfThenElse(where, hn::Add(count, Bits(1)), count);  // one masked instruction
#else
    count = hn::Sub(count, hn::VecFromMask(DI(), where));  // the mask's lanes are -1
#endif
  }
  /// `magnitude` of finite inputs only, as is the output.
  HWY_INLINE void AddFinite(VI in, VI magnitude, VI out, VI out_magnitude) {
    const DI di;
    Tally(changed, hn::Ne(in, out));
    Tally(flushed, hn::And(hn::Eq(out_magnitude, hn::Zero(di)), hn::Ne(magnitude, hn::Zero(di))));
  }
  /// The same where a zero keeps its sign: what is changed was not zero.
  HWY_INLINE void AddFiniteSigned(VI in, VI out, VI out_magnitude) {
    const MI same = hn::Eq(in, out);  // AVX2 has no "not equal"
    compared += hn::Lanes(DI());
    Tally(unchanged, same);
    Tally(flushed, hn::AndNot(same, hn::Eq(out_magnitude, hn::Zero(DI()))));
  }
  HWY_INLINE void Add(VI in, VI magnitude, VI out, MI is_saturated, MI is_nan) {
    const DI di;
    Tally(changed, hn::AndNot(is_nan, hn::Ne(in, out)));
    Tally(saturated, is_saturated);
    const MI zero_out = hn::Eq(hn::And(out, Bits(~kSignBit)), hn::Zero(di));
    Tally(flushed, hn::And(zero_out, hn::Gt(magnitude, hn::Zero(di))));
    Tally(nan, is_nan);
  }
  static HWY_INLINE uint64_t Sum(VI count) {
    HWY_ALIGN int32_t lanes[kMaxLanes];
    hn::Store(count, DI(), lanes);
    uint64_t sum = 0;
    for (size_t i = 0; i < hn::Lanes(DI()); ++i) sum += static_cast<uint32_t>(lanes[i]);
    return sum;
  }
  HWY_INLINE Counts Total() const {
    return {Sum(changed) + compared - Sum(unchanged), Sum(saturated), Sum(flushed), Sum(nan),
            Sum(overflowed)};
  }
};

/// out[i] = op(in[i]) for a segment; op takes the bits and the index of the first lane. The tail is filled up
/// with `padding`, a value that op leaves as it is, so that it counts for nothing.
template <class Op>
HWY_INLINE void Transform(const float* in, float* out, size_t size, uint64_t index, bool stream,
                          float padding, const Op& op) {
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const VF result = hn::BitCast(df, op(hn::BitCast(di, hn::LoadU(df, in + i)), index + i));
    if (stream)
      hn::Stream(result, df, out + i);
    else
      hn::StoreU(result, df, out + i);
  }
  if (i == size) return;
  HWY_ALIGN float buffer[kMaxLanes];
  for (size_t k = size - i; k < lanes; ++k) buffer[k] = padding;
  std::memcpy(buffer, in + i, (size - i) * sizeof(float));
  hn::Store(hn::BitCast(df, op(hn::BitCast(di, hn::Load(df, buffer)), index + i)), df, buffer);
  std::memcpy(out + i, buffer, (size - i) * sizeof(float));
}

/// Largest magnitude in bits, NaN and Inf included; fill a short segment up with zeros.
HWY_INLINE uint32_t MaxMagnitude(const float* in, size_t size) {
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df);
  const auto magnitude_of = [&](const float* at) HWY_ATTR {
    return hn::And(hn::BitCast(di, hn::LoadU(df, at)), Bits(~kSignBit));
  };
  VI most = hn::Zero(di), second = hn::Zero(di);
  size_t i = 0;
  for (; i + 2 * lanes <= size; i += 2 * lanes) {
    most = hn::Max(most, magnitude_of(in + i));
    second = hn::Max(second, magnitude_of(in + i + lanes));
  }
  for (; i + lanes <= size; i += lanes) most = hn::Max(most, magnitude_of(in + i));
  if (i < size) {
    HWY_ALIGN float buffer[kMaxLanes] = {};
    std::memcpy(buffer, in + i, (size - i) * sizeof(float));
    most = hn::Max(most, magnitude_of(buffer));
  }
  return static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(di, hn::Max(most, second))));
}

#if HWY_TARGET != HWY_SCALAR
template <class D, class V>
HWY_INLINE auto FoldTo128(D d, V v) {
  if constexpr (hn::MaxLanes(d) > 4) {
    const hn::Half<D> half;
    return FoldTo128(half, hn::Max(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    return v;
  }
}
#endif

/// Largest magnitudes of `count` consecutive blocks of `size` values each, a multiple of the lanes. Four
/// blocks share one tree of shuffles; one by one, the shuffles would cost more than the rounding.
HWY_INLINE void BlockMaxima(const float* in, size_t size, size_t count, uint32_t* HWY_RESTRICT maxima) {
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df);
  const auto max_of = [&](const float* block) HWY_ATTR {
    VI most = hn::And(hn::BitCast(di, hn::LoadU(df, block)), Bits(~kSignBit));
    for (size_t i = lanes; i < size; i += lanes)
      most = hn::Max(most, hn::And(hn::BitCast(di, hn::LoadU(df, block + i)), Bits(~kSignBit)));
    return most;
  };
  size_t block = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; block + 4 <= count; block += 4, in += 4 * size) {
    const VI a = max_of(in), b = max_of(in + size), c = max_of(in + 2 * size), d = max_of(in + 3 * size);
    const VI ab = hn::Max(hn::InterleaveLower(di, a, b), hn::InterleaveUpper(di, a, b));
    const hn::RepartitionToWide<DI> wide;
    const VI cd = hn::Max(hn::InterleaveLower(di, c, d), hn::InterleaveUpper(di, c, d));
    const auto lower = hn::InterleaveLower(wide, hn::BitCast(wide, ab), hn::BitCast(wide, cd));
    const auto upper = hn::InterleaveUpper(wide, hn::BitCast(wide, ab), hn::BitCast(wide, cd));
    const auto abcd = FoldTo128(di, hn::Max(hn::BitCast(di, lower), hn::BitCast(di, upper)));
    hn::StoreU(abcd, hn::Full128<int32_t>(), reinterpret_cast<int32_t*>(maxima + block));
  }
#endif
  for (; block < count; ++block, in += size)
    maxima[block] = static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(di, max_of(in))));
}

/// Smallest and largest of the maxima; count is at least 1.
HWY_INLINE void Extremes(const uint32_t* maxima, size_t count, uint32_t& least, uint32_t& most) {
  const DI di;
  const size_t lanes = hn::Lanes(di);
  const auto* bits = reinterpret_cast<const int32_t*>(maxima);  // without a sign: they compare alike
  VI low = hn::Set(di, bits[0]), high = low;
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const VI some = hn::LoadU(di, bits + i);
    low = hn::Min(low, some);
    high = hn::Max(high, some);
  }
  least = static_cast<uint32_t>(hn::GetLane(hn::MinOfLanes(di, low)));
  most = static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(di, high)));
  for (; i < count; ++i) {
    least = HWY_MIN(least, maxima[i]);
    most = HWY_MAX(most, maxima[i]);
  }
}

HWY_INLINE void Put(VI bits, float* out, bool stream) {
  const DF df;
  if (stream)
    hn::Stream(hn::BitCast(df, bits), df, out);
  else
    hn::StoreU(hn::BitCast(df, bits), df, out);
}

/// Calls f with the rounding as a compile-time constant.
template <class F>
HWY_INLINE auto WithRounding(Rounding rounding, const F& f) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return f(std::integral_constant<Rounding, Rounding::kNearestEven>());
    case Rounding::kNearestAway:
      return f(std::integral_constant<Rounding, Rounding::kNearestAway>());
    case Rounding::kZero:
      return f(std::integral_constant<Rounding, Rounding::kZero>());
    case Rounding::kFloor:
      return f(std::integral_constant<Rounding, Rounding::kFloor>());
    case Rounding::kCeil:
      return f(std::integral_constant<Rounding, Rounding::kCeil>());
    case Rounding::kStochastic:
      break;
  }
  return f(std::integral_constant<Rounding, Rounding::kStochastic>());
}

template <Rounding R>
HWY_INLINE VU RandomFor(uint64_t index, RandomKeys keys) {
  if constexpr (R == Rounding::kStochastic) return RandomBits(index, keys.key0, keys.key1);
  return hn::Zero(DU());
}

}  // namespace HWY_NAMESPACE
}  // namespace fqlab::kernels
HWY_AFTER_NAMESPACE();

#endif
