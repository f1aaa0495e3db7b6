// The kernels for every instruction set that the compiler can build, and the choice among them.
#include "formats/kernels.h"

// Vectors are members of structures here, which the scalable instruction sets do not allow.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "formats/kernels.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <type_traits>

#include "formats/block_scales.h"
#include "formats/cast-inl.h"
#include "formats/round-inl.h"
#include "formats/scalar_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace fqlab::kernels {
namespace HWY_NAMESPACE {

void AddCounts(Counts& sum, const Counts& part) {
  sum.changed += part.changed;
  sum.saturated += part.saturated;
  sum.flushed += part.flushed;
  sum.nan += part.nan;
  sum.overflowed += part.overflowed;
}

/// What a rule adds to the bits of the largest magnitude before its exponent is taken: a carry where it
/// rounds up.
uint32_t MxCarry(const MxRule& rule) {
  switch (rule.scale_rule) {
    case MxScaleRule::kFloor:
      return 0;
    case MxScaleRule::kCeil:
      return 0x7fffffu;
    case MxScaleRule::kRceil:
      return 0x7fffffu - rule.largest_mantissa;
    case MxScaleRule::kEven:
      return 1u << (22 - rule.grid.mantissa_bits);
  }
  return 0;
}

/// Largest magnitudes for which all of the block's grid, even with one more in the exponent, fits the vector
/// kernel.
struct MagnitudeBounds {
  uint32_t lowest = 0, size = 0;
};
MagnitudeBounds MxBounds(const MxRule& rule, bool by_adding) {
  const auto fits = [&](int shift) {
    return fits_vector_kernel(rule.grid, shift) && (!by_adding || rounds_by_adding(rule.grid, shift));
  };
  int low = -127, high = 126;
  while (low < 127 && !fits(low)) ++low;
  while (high > low && !fits(high + 1)) --high;
  const auto bits = [&](int shift) {
    return static_cast<uint32_t>(HWY_MAX(shift + rule.max_exponent + 127, 1)) << 23;
  };
  return {bits(low), HWY_MIN(bits(high), kInfinityBits) - bits(low)};
}

// Blocks are taken in chunks of this many values: first all their maxima, then all their scales, then the
// rounding. While one chunk is written the next is fetched, since its maxima will be wanted all at once.
constexpr size_t kChunk = 2048;
constexpr size_t kMostBlocks = kChunk / 16;

/// A segment's part from `at` on.
Segment Part(const Segment& row, size_t at, size_t size) {
  return {row.in + at, row.out + at, size, row.index + at, row.stream};
}

/// Elements of MX with a negative zero are small floats with a mantissa.
template <Rounding R, bool kNegativeZero>
constexpr bool MxByAdding() {
  return R == Rounding::kNearestEven && kNegativeZero;
}

/// Whole blocks whose maxima lie within the bounds of the vector kernel.
template <Rounding R, bool kNegativeZero>
Counts MxChunk(const Segment& chunk, const MxRule& rule, const uint32_t* maxima, RandomKeys keys) {
  constexpr size_t kBlock = 32;
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df), size = chunk.size;
  const float* in = chunk.in;
  float* out = chunk.out;
  const bool stream = chunk.stream;
  const VI carry = Bits(MxCarry(rule));
  const VectorGrid unshifted(rule.grid, 0);
  const VI zero_shift = Bits(static_cast<uint32_t>(rule.max_exponent + 127) << 23);
  VectorGrid grid = unshifted;
  VectorCounts counts;
  for (size_t at = 0; at < size; at += kBlock) {
    const VI most = Bits(maxima[at / kBlock]);
    const VI shift = hn::Sub(hn::And(hn::Add(most, carry), Bits(kInfinityBits)), zero_shift);
    grid.min_normal = hn::Add(unshifted.min_normal, shift);
    grid.lowest_power = hn::Add(unshifted.lowest_power, shift);
    grid.largest = hn::Add(unshifted.largest, shift);
    grid.magic = hn::BitCast(df, hn::Add(hn::BitCast(di, unshifted.magic), shift));
    if constexpr (R != Rounding::kNearestEven)
      grid.step = hn::BitCast(df, hn::Add(hn::BitCast(di, unshifted.step), shift));
    hwy::Prefetch(in + at + kChunk);
    hwy::Prefetch(in + at + kChunk + kBlock / 2);
    HWY_UNROLL(4)
    for (size_t i = at; i < at + kBlock; i += lanes) {
      const VI x = hn::BitCast(di, hn::LoadU(df, in + i));
      const VI magnitude = hn::And(x, Bits(~kSignBit));
      const VI sign = hn::And(x, Bits(kSignBit));
      const VU random = RandomFor<R>(chunk.index + i, keys);
      VI unlimited;
      if constexpr (MxByAdding<R, kNegativeZero>())
        unlimited = RoundByAdding(grid, magnitude);
      else
        unlimited = RoundMagnitude<R>(grid, magnitude, sign, random);
      const VI rounded = hn::Min(unlimited, grid.largest);
      VI result = hn::Or(rounded, sign);
      if constexpr (kNegativeZero) {
        counts.AddFiniteSigned(x, result, rounded);
      } else {
        result = hn::IfThenElse(hn::Eq(rounded, hn::Zero(di)), rounded, result);
        counts.AddFinite(x, magnitude, result, rounded);
      }
      VectorCounts::Tally(counts.saturated, hn::Gt(magnitude, grid.largest));
      Put(result, out + i, stream);
    }
  }
  return counts.Total();
}

template <Rounding R, bool kNegativeZero>
Counts MxRowT(const Segment& row, const MxRule& rule, RandomKeys keys) {
  constexpr size_t kBlock = 32;
  const MagnitudeBounds bounds = MxBounds(rule, MxByAdding<R, kNegativeZero>());
  HWY_ALIGN uint32_t maxima[kMostBlocks];
  Counts counts;
  for (size_t at = 0; at < row.size;) {
    const size_t blocks = HWY_MIN(kChunk, row.size - at) / kBlock;
    bool usual = blocks > 0;
    if (usual) {
      uint32_t least, most;
      BlockMaxima(row.in + at, kBlock, blocks, maxima);
      Extremes(maxima, blocks, least, most);
      usual = least >= bounds.lowest && most - bounds.lowest < bounds.size;
    }
    const size_t size = HWY_MAX(blocks, size_t{1}) * kBlock;
    if (usual) {
      AddCounts(counts, MxChunk<R, kNegativeZero>(Part(row, at, size), rule, maxima, keys));
    } else {
      // Zeros, subnormals, NaN and Inf, and grids that leave float32's normal range.
      for (size_t block = at; block < HWY_MIN(at + size, row.size); block += kBlock) {
        const Segment part = Part(row, block, HWY_MIN(kBlock, row.size - block));
        const uint32_t amax = MaxMagnitude(part.in, part.size);
        const bool fits = part.size == kBlock && amax - bounds.lowest < bounds.size;
        AddCounts(counts, fits ? MxChunk<R, kNegativeZero>(part, rule, &amax, keys)
                               : mx_block_scalar(part, rule, keys));
      }
    }
    at += size;
  }
  return counts;
}

Counts MxRow(const Segment& row, const MxRule& rule) {
  const RandomKeys keys = random_keys(rule.seed, row.index);
  return WithRounding(rule.grid.rounding, [&](auto rounding) {
    return rule.grid.has_negative_zero ? MxRowT<rounding.value, true>(row, rule, keys)
                                       : MxRowT<rounding.value, false>(row, rule, keys);
  });
}

/// One vector of round(x / scale) * scale on a small float's grid, for finite x.
template <Rounding R, bool kNegativeZero>
HWY_INLINE VI ScaledFinite(const VectorGrid& grid, VF scale, VI x, VU random, VectorCounts& counts) {
  const DF df;
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VI sign = hn::And(x, Bits(kSignBit));
  // A quotient beyond float32 is Inf, stays Inf when rounded, and so overflows like any other.
  const VI quotient = hn::BitCast(di, hn::Div(hn::BitCast(df, magnitude), scale));
  VI rounded = RoundMagnitude<R>(grid, quotient, sign, random);
  const MI over = hn::Gt(rounded, grid.largest);
  rounded = hn::IfThenElse(over, grid.overflow, rounded);
  const VI product = hn::BitCast(di, hn::Mul(hn::BitCast(df, rounded), scale));
  VI out = hn::Or(product, sign);
  if constexpr (!kNegativeZero) out = hn::IfThenElse(hn::Eq(product, hn::Zero(di)), product, out);
  counts.AddFinite(x, magnitude, out, product);
  VectorCounts::Tally(counts.saturated, over);
  return out;
}

/// The same for any x.
template <Rounding R>
HWY_INLINE VI ScaledVector(const VectorGrid& grid, VF scale, VI x, VU random, VectorCounts& counts) {
  const DF df;
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VI sign = hn::And(x, Bits(kSignBit));
  const VI quotient = hn::BitCast(di, hn::Div(hn::BitCast(df, magnitude), scale));
  VI rounded = RoundMagnitude<R>(grid, quotient, sign, random);
  const MI over = hn::Gt(rounded, grid.largest);
  rounded = hn::IfThenElse(over, grid.overflow, rounded);
  const VI product = hn::BitCast(di, hn::Mul(hn::BitCast(df, rounded), scale));
  const MI finite = hn::Lt(magnitude, Bits(kInfinityBits));
  const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
  const VI result =
      hn::IfThenElse(finite, product, hn::IfThenElse(nan, Bits(kNanBits), grid.infinity_result));
  const VI kept_sign = hn::IfThenElse(hn::Eq(result, hn::Zero(di)), hn::And(sign, grid.zero_sign), sign);
  const VI out = hn::Or(result, kept_sign);
  const MI overflowed = hn::And(over, finite);
  counts.Add(x, magnitude, out, overflowed, nan);
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

/// One vector of clamp(round(x / scale)) * scale.
template <Rounding R>
HWY_INLINE VI IntegerVector(VF scale, VF low, VF high, VI x, VU random, VectorCounts& counts) {
  const DF df;
  const DI di;
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VF rounded = RoundInteger<R>(hn::Div(hn::BitCast(df, x), scale), random);
  const VF clamped = hn::Min(hn::Max(rounded, low), high);
  // Adding zero turns -0, which integers do not have, into 0.
  const VI product = hn::BitCast(di, hn::Add(hn::Mul(clamped, scale), hn::Zero(df)));
  const MI limited = hn::RebindMask(di, hn::Ne(rounded, clamped));
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

/// What GroupChunk needs of a group's scale: integers have a range too.
template <bool kInteger>
using ChunkScale = std::conditional_t<kInteger, GroupScale, float>;

HWY_INLINE float ScaleOf(const GroupScale& scale) { return scale.scale; }
HWY_INLINE float ScaleOf(float scale) { return scale; }
HWY_INLINE void PutScale(const GroupScale& scale, GroupScale& slot) { slot = scale; }
HWY_INLINE void PutScale(const GroupScale& scale, float& slot) { slot = scale.scale; }

/// Groups of `size` values, a multiple of the lanes, all finite and with a scale.
template <Rounding R, bool kInteger, bool kNegativeZero>
Counts GroupChunk(const Segment& chunk, const Grid& scalar_grid, size_t group,
                  const ChunkScale<kInteger>* scales, RandomKeys keys) {
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df), size = chunk.size;
  const float* in = chunk.in;
  float* out = chunk.out;
  const bool stream = chunk.stream;
  const VectorGrid grid(scalar_grid, 0);
  VectorCounts counts;
  for (size_t at = 0; at < size; at += group, ++scales) {
    const VF scale = hn::Set(df, ScaleOf(*scales));
    VF low = scale, high = scale;
    if constexpr (kInteger) {
      low = hn::Set(df, scales->low);
      high = hn::Set(df, scales->high);
    }
    for (size_t i = at; i < at + group; i += lanes) {
      hwy::Prefetch(in + i + kChunk);
      const VI x = hn::BitCast(di, hn::LoadU(df, in + i));
      const VI magnitude = hn::And(x, Bits(~kSignBit));
      const VU random = RandomFor<R>(chunk.index + i, keys);
      VI result;
      if constexpr (kInteger) {
        const VF rounded = RoundInteger<R>(hn::Div(hn::BitCast(df, x), scale), random);
        const VF clamped = hn::Min(hn::Max(rounded, low), high);
        result = hn::BitCast(di, hn::Add(hn::Mul(clamped, scale), hn::Zero(df)));
        VectorCounts::Tally(counts.saturated, hn::RebindMask(di, hn::Ne(rounded, clamped)));
        counts.AddFinite(x, magnitude, result, result);
      } else {
        result = ScaledFinite<R, kNegativeZero>(grid, scale, x, random, counts);
      }
      Put(result, out + i, stream);
    }
  }
  return counts.Total();
}

/// One group of any length that may hold NaN and Inf and may lack a scale.
template <Rounding R, bool kInteger>
HWY_NOINLINE Counts RareGroup(const Segment& group, const Grid& scalar_grid, const GroupScale& scale,
                              RandomKeys keys) {
  const DF df;
  const VectorGrid grid(scalar_grid, 0);
  const VI zero_sign = kInteger ? hn::Zero(DI()) : grid.zero_sign;
  const VI infinity_result = kInteger ? Bits(kNanBits) : grid.infinity_result;
  const VF vector_scale = hn::Set(df, scale.scale), low = hn::Set(df, scale.low),
           high = hn::Set(df, scale.high);
  VectorCounts counts;
  Transform(group.in, group.out, group.size, group.index, false, 0.0f, [&](VI x, uint64_t index) HWY_ATTR {
    const VU random = RandomFor<R>(index, keys);
    if (scale.scale == 0) return ZeroVector(x, zero_sign, infinity_result, counts);
    if constexpr (kInteger) return IntegerVector<R>(vector_scale, low, high, x, random, counts);
    return ScaledVector<R>(grid, vector_scale, x, random, counts);
  });
  return counts.Total();
}

/// Common groups go to `chunk_kernel(chunk, scales)` together, the others one by one. `scale_of(in, index,
/// maxima, count, scales)` fills in scales from largest magnitudes, all finite, and says whether the groups
/// are common ones; `scale_of_rare(in, size, index)` makes one from values that need not be finite; `index`
/// counts the groups of the row. `known_maxima`: the groups' largest magnitudes where they have been found
/// already, else nullptr.
template <Rounding R, bool kInteger, class ScaleOf, class ScaleOfRare, class ChunkKernel>
HWY_INLINE Counts GroupRows(const Segment& row, const Grid& grid, size_t group, RandomKeys keys,
                            const uint32_t* known_maxima, const ScaleOf& scale_of,
                            const ScaleOfRare& scale_of_rare, const ChunkKernel& chunk_kernel) {
  const size_t lanes = hn::Lanes(DF());
  HWY_ALIGN uint32_t maxima[kMostBlocks + kMaxLanes];
  HWY_ALIGN ChunkScale<kInteger> scales[kMostBlocks + kMaxLanes];
  Counts counts;
  for (size_t at = 0, index = 0; at < row.size;) {
    const size_t left = row.size - at;
    const size_t in_chunk = HWY_MIN(HWY_MIN(left, kChunk) / group, kMostBlocks);  // groups may be small
    const size_t groups = group % lanes != 0 || left < group ? 0 : HWY_MAX(in_chunk, size_t{1});
    bool usual = groups > 0;
    if (usual) {
      uint32_t least, most;
      if (known_maxima != nullptr)
        std::memcpy(maxima, known_maxima + index, groups * sizeof(uint32_t));
      else
        BlockMaxima(row.in + at, group, groups, maxima);
      Extremes(maxima, groups, least, most);
      usual = most < kInfinityBits && scale_of(row.in + at, index, maxima, groups, scales);
    }
    const size_t count = HWY_MAX(groups, size_t{1});
    if (usual) {
      AddCounts(counts, chunk_kernel(Part(row, at, count * group), scales));
    } else {
      for (size_t k = 0; k < count; ++k) {
        const Segment part = Part(row, at + k * group, HWY_MIN(group, left - k * group));
        AddCounts(counts,
                  RareGroup<R, kInteger>(part, grid, scale_of_rare(part.in, part.size, index + k), keys));
      }
    }
    at += HWY_MIN(count * group, left);
    index += count;
  }
  return counts;
}

// What the largest magnitude of an NVFP4 block is below, in units of its scale, unless the scale is a
// subnormal or the largest E4M3 number: 6 * 17 / 16 from the rounding of the scale, safely below 7, where
// E2M1 saturates.
constexpr float kNvfp4Limit = 6.5f;

/// NVFP4 blocks within that limit, all finite, rounded to nearest even: nothing saturates.
template <bool kStream>
Counts Nvfp4Chunk(const Segment& chunk, const float* scales) {
  constexpr size_t kBlock = kNvfp4Block;
  const DF df;
  const DI di;
  const size_t lanes = hn::Lanes(df), size = chunk.size;
  const float* in = chunk.in;
  float* out = chunk.out;
  const VF one = hn::Set(df, 1.0f), magic = hn::Set(df, 0x1.8p22f);
  VectorCounts counts;
  for (size_t at = 0; at < size; at += kBlock, ++scales) {
    const VF scale = hn::Set(df, *scales);
    hwy::Prefetch(in + at + kChunk / 4);  // the maxima are known: nothing wants a whole chunk at once
    HWY_UNROLL(4)
    for (size_t i = 0; i < kBlock; i += lanes) {
      const VF x = hn::LoadU(df, in + at + i);
      const VI bits = hn::BitCast(di, x);
      const VF quotient = hn::Div(x, scale);
      // One bit of mantissa: what lies in [2^e, 2^(e + 1)) becomes a multiple of 2^(e - 1), the unit in the
      // last place of 1.5 * 2^(e + 22), for both signs; below 1 the step stays 1/2.
      const VF power = hn::BitCast(df, hn::And(hn::BitCast(di, quotient), Bits(kInfinityBits)));
      const VF shifter = hn::Mul(hn::Max(power, one), magic);
      const VF rounded = hn::Sub(hn::Add(quotient, shifter), shifter);
      const VI product = hn::BitCast(di, hn::Mul(rounded, scale));
      const VI result = hn::Or(product, hn::And(bits, Bits(kSignBit)));  // a zero has lost its sign
      counts.AddFiniteSigned(bits, result, product);
      Put(result, out + at + i, kStream);
    }
  }
  return counts.Total();
}

template <Rounding R>
Counts Nvfp4RowT(const Segment& row, const uint32_t* maxima_of_blocks, const Grid& grid, float tensor_scale,
                 RandomKeys keys) {
  constexpr float kLargest = 6;
  const VectorGrid e4m3(grid_of({4, 3, 7, Specials::kFn}, Overflow::kSaturate, Rounding::kNearestEven), 0);
  bool may_saturate = true;  // of the chunk whose scales scale_of() made last
  const auto scale_of_one = [&](float amax) {
    const float block_scale = tensor_scale == 0 ? 0 : round_to_e4m3(amax / kLargest / tensor_scale);
    return GroupScale{block_scale * tensor_scale, 0, 0};
  };
  const auto scale_of = [&](const float*, size_t, uint32_t* maxima, size_t count, float* scales) HWY_ATTR {
    const DF df;
    const DI di;
    const VF six = hn::Set(df, kLargest), tensor = hn::Set(df, tensor_scale);
    const VF limit = hn::Set(df, kNvfp4Limit);
    VF least = tensor, least_room = tensor;
    for (size_t i = count; i < count + hn::Lanes(df); ++i) maxima[i] = maxima[0];  // fills up a vector
    for (size_t i = 0; i < count; i += hn::Lanes(df)) {
      const VF amax = hn::BitCast(df, hn::LoadU(di, reinterpret_cast<const int32_t*>(maxima + i)));
      const VI wanted = hn::Min(hn::BitCast(di, hn::Div(hn::Div(amax, six), tensor)), e4m3.largest);
      const VF product = hn::Mul(hn::BitCast(df, RoundByAdding(e4m3, wanted)), tensor);
      least = hn::Min(least, product);
      least_room = hn::Min(least_room, hn::Sub(hn::Mul(limit, product), amax));
      hn::StoreU(product, df, scales + i);
    }
    may_saturate = !(hn::GetLane(hn::MinOfLanes(df, least_room)) > 0);
    return hn::GetLane(hn::MinOfLanes(df, least)) > 0;
  };
  const auto scale_of_rare = [&](const float* in, size_t size, size_t) {
    return scale_of_one(FiniteReach(in, size, MaxMagnitude(in, size)));
  };
  return GroupRows<R, false>(row, grid, kNvfp4Block, keys, maxima_of_blocks, scale_of, scale_of_rare,
                             [&](const Segment& chunk, const float* scales) HWY_ATTR {
                               if constexpr (R == Rounding::kNearestEven)
                                 if (!may_saturate)
                                   return chunk.stream ? Nvfp4Chunk<true>(chunk, scales)
                                                       : Nvfp4Chunk<false>(chunk, scales);
                               return GroupChunk<R, false, true>(chunk, grid, kNvfp4Block, scales, keys);
                             });
}

Counts Nvfp4Row(const Segment& row, const uint32_t* maxima, const Grid& grid, float tensor_scale,
                uint64_t seed) {
  const RandomKeys keys = random_keys(seed, row.index);
  return WithRounding(grid.rounding, [&](auto rounding) {
    return Nvfp4RowT<rounding.value>(row, maxima, grid, tensor_scale, keys);
  });
}

uint32_t Nvfp4Maxima(const float* in, size_t size, uint32_t* maxima) {
  constexpr size_t kBlock = kNvfp4Block;
  // Memory answers more requests from several pages at once than from one after the other.
  constexpr size_t kAtOnce = 4, kStretch = (size_t{1} << 18) / sizeof(float) / kBlock, kVisit = 4;
  const size_t whole = size / kBlock, blocks = (size + kBlock - 1) / kBlock;
  const auto largest_of = [&](size_t first, size_t count) {  // maxima are bits of floats, too
    return MaxMagnitude(reinterpret_cast<const float*>(maxima + first), count);
  };
  uint32_t most = 0;
  size_t done = 0;
  for (; done + kAtOnce * kStretch <= whole; done += kAtOnce * kStretch) {
    for (size_t at = done; at < done + kStretch; at += kVisit)
      for (size_t block = at; block < at + kAtOnce * kStretch; block += kStretch)
        BlockMaxima(in + block * kBlock, kBlock, kVisit, maxima + block);
    most = HWY_MAX(most, largest_of(done, kAtOnce * kStretch));
  }
  BlockMaxima(in + done * kBlock, kBlock, whole - done, maxima + done);
  if (whole < blocks) maxima[whole] = MaxMagnitude(in + whole * kBlock, size - whole * kBlock);
  return HWY_MAX(most, largest_of(done, blocks - done));
}

template <Rounding R, bool kInteger, bool kNegativeZero>
Counts GroupRowT(const Segment& row, const GroupRule& rule, const GroupScale* given, RandomKeys keys) {
  const bool plain = !rule.asymmetric && !rule.positive_only;
  const auto scale_of_rare = [&](const float* in, size_t size, size_t index) {
    if (given != nullptr) return given[index];
    if (plain) return group_scale(rule, 0, FiniteReach(in, size, MaxMagnitude(in, size)));
    const Range range = FiniteRange(in, size);
    return group_scale(rule, range.low, range.high);
  };
  const bool simple = plain && given == nullptr && rule.scale_type == ScaleType::kF32;
  const auto scale_of = [&](const float* in, size_t index, uint32_t* maxima, size_t count,
                            ChunkScale<kInteger>* scales) {
    bool all = true;
    for (size_t i = 0; i < count; ++i) {
      GroupScale scale = {0, rule.low, rule.high};
      if (simple)  // group_scale() without the call
        scale.scale = std::bit_cast<float>(maxima[i]) / rule.divisor;
      else if (plain && given == nullptr)
        scale = group_scale(rule, 0, std::bit_cast<float>(maxima[i]));
      else
        scale = scale_of_rare(in + i * rule.group, rule.group, index + i);
      PutScale(scale, scales[i]);
      all = all && scale.scale != 0;
    }
    return all;
  };
  Counts counts = GroupRows<R, kInteger>(row, rule.grid, rule.group, keys, nullptr, scale_of, scale_of_rare,
                                         [&](const Segment& chunk, const ChunkScale<kInteger>* scales) {
                                           return GroupChunk<R, kInteger, kNegativeZero>(
                                               chunk, rule.grid, rule.group, scales, keys);
                                         });
  counts.overflowed = counts.saturated;  // with a scale the two are one
  return counts;
}

Counts GroupRow(const Segment& row, const GroupRule& rule, const GroupScale* scales) {
  const RandomKeys keys = random_keys(rule.seed, row.index);
  return WithRounding(rule.rounding, [&](auto rounding) {
    if (rule.is_integer) return GroupRowT<rounding.value, true, false>(row, rule, scales, keys);
    if (rule.grid.has_negative_zero) return GroupRowT<rounding.value, false, true>(row, rule, scales, keys);
    return GroupRowT<rounding.value, false, false>(row, rule, scales, keys);
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
HWY_EXPORT(Nvfp4Maxima);
HWY_EXPORT(GroupRow);
HWY_EXPORT(FiniteRange);
HWY_EXPORT(Target);

void end_streaming() { hwy::FlushStream(); }

Counts cast(const Segment& segment, const Grid& grid, uint64_t seed) {
  return HWY_DYNAMIC_DISPATCH(Cast)(segment, grid, seed);
}
Counts cast_e8m0(const Segment& segment) { return HWY_DYNAMIC_DISPATCH(CastE8m0)(segment); }
Counts mx_row(const Segment& row, const MxRule& rule) { return HWY_DYNAMIC_DISPATCH(MxRow)(row, rule); }
uint32_t nvfp4_maxima(const float* in, size_t size, uint32_t* maxima) {
  return HWY_DYNAMIC_DISPATCH(Nvfp4Maxima)(in, size, maxima);
}
Counts nvfp4_row(const Segment& row, const uint32_t* maxima, const Grid& grid, float tensor_scale,
                 uint64_t seed) {
  return HWY_DYNAMIC_DISPATCH(Nvfp4Row)(row, maxima, grid, tensor_scale, seed);
}
Counts group_row(const Segment& row, const GroupRule& rule, const GroupScale* scales) {
  return HWY_DYNAMIC_DISPATCH(GroupRow)(row, rule, scales);
}
Range finite_range(const float* in, size_t size) { return HWY_DYNAMIC_DISPATCH(FiniteRange)(in, size); }
const char* target_name() { return hwy::TargetName(HWY_DYNAMIC_DISPATCH(Target)()); }

}  // namespace fqlab::kernels
#endif
