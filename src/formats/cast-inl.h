// Plain casts. Included once for each instruction set.
#if defined(FQLAB_FORMATS_CAST_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FQLAB_FORMATS_CAST_INL_H_
#undef FQLAB_FORMATS_CAST_INL_H_
#else
#define FQLAB_FORMATS_CAST_INL_H_
#endif

#include <type_traits>

#include "formats/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fqlab::kernels {
namespace HWY_NAMESPACE {

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

/// How magnitudes up to the largest are rounded: some grids need less than RoundMagnitude to nearest even.
enum class Way {
  kAny,
  kByAdding,         ///< rounds_by_adding()
  kShortenMantissa,  ///< float32's own exponents, subnormals included
};
inline Way WayOf(const Grid& grid) {
  if (rounds_by_adding(grid, 0)) return Way::kByAdding;
  const bool mantissa_only = grid.rounding == Rounding::kNearestEven && grid.min_exponent == -126 &&
                             grid.mantissa_bits > 0 && grid.mantissa_bits < 23 && !grid.flip_parity;
  return mantissa_only ? Way::kShortenMantissa : Way::kAny;
}

template <Rounding R, Way kWay>
HWY_INLINE VI RoundInRange(const VectorGrid& grid, VI magnitude, VI sign, VU random) {
  if constexpr (kWay == Way::kByAdding) return RoundByAdding(grid, magnitude);
  if constexpr (kWay == Way::kShortenMantissa) {
    const VI odd = hn::And(hn::ShiftRightSame(magnitude, grid.drop), grid.lowest_bit);
    return hn::And(hn::Add(hn::Add(magnitude, grid.below_half), odd), grid.keep);
  }
  return RoundMagnitude<R>(grid, magnitude, sign, random);
}

/// CastVector for magnitudes that are not beyond the largest number: nothing saturates, nothing is special.
template <Rounding R, Way kWay, bool kNegativeZero>
HWY_INLINE VI CastInRange(const VectorGrid& grid, VI x, VU random, VectorCounts& counts) {
  const VI magnitude = hn::And(x, Bits(~kSignBit));
  const VI sign = hn::And(x, Bits(kSignBit));
  const VI rounded = RoundInRange<R, kWay>(grid, magnitude, sign, random);
  VI out = hn::Or(rounded, sign);
  if constexpr (kNegativeZero) {
    counts.AddFiniteSigned(x, out, rounded);
  } else {
    out = hn::IfThenElse(hn::Eq(rounded, hn::Zero(DI())), rounded, out);
    counts.AddFinite(x, magnitude, out, rounded);
  }
  return out;
}

template <Rounding R, Way kWay, bool kNegativeZero>
Counts CastT(const Segment& segment, const Grid& scalar_grid, RandomKeys keys) {
  const DF df;
  const DI di;
  const VectorGrid grid(scalar_grid, 0);
  VectorCounts vector_counts;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + 4 * lanes <= segment.size; i += 4 * lanes) {
    VI x[4];
    HWY_UNROLL(4)
    for (size_t k = 0; k < 4; ++k) x[k] = hn::BitCast(di, hn::LoadU(df, segment.in + i + k * lanes));
    VI most = hn::Zero(di);
    HWY_UNROLL(4) for (size_t k = 0; k < 4; ++k) most = hn::Max(most, hn::And(x[k], Bits(~kSignBit)));
    const uint64_t index = segment.index + i;
    float* out = segment.out + i;
    if (HWY_LIKELY(hn::AllFalse(di, hn::Gt(most, grid.largest)))) {
      HWY_UNROLL(4)
      for (size_t k = 0; k < 4; ++k)
        Put(CastInRange<R, kWay, kNegativeZero>(grid, x[k], RandomFor<R>(index + k * lanes, keys),
                                                vector_counts),
            out + k * lanes, segment.stream);
    } else {
      HWY_UNROLL(4)
      for (size_t k = 0; k < 4; ++k)
        Put(CastVector<R>(grid, x[k], RandomFor<R>(index + k * lanes, keys), vector_counts), out + k * lanes,
            segment.stream);
    }
  }
  Transform(segment.in + i, segment.out + i, segment.size - i, segment.index + i, segment.stream, 0.0f,
            [&](VI x, uint64_t index)
                HWY_ATTR { return CastVector<R>(grid, x, RandomFor<R>(index, keys), vector_counts); });
  return vector_counts.Total();
}

inline Counts Cast(const Segment& segment, const Grid& grid, uint64_t seed) {
  const RandomKeys keys = random_keys(seed, segment.index);
  return WithRounding(grid.rounding, [&](auto rounding) {
    const auto cast = [&](auto way) {
      return grid.has_negative_zero ? CastT<rounding.value, way.value, true>(segment, grid, keys)
                                    : CastT<rounding.value, way.value, false>(segment, grid, keys);
    };
    if constexpr (rounding.value == Rounding::kNearestEven) {
      switch (WayOf(grid)) {
        case Way::kByAdding:
          return cast(std::integral_constant<Way, Way::kByAdding>());
        case Way::kShortenMantissa:
          return cast(std::integral_constant<Way, Way::kShortenMantissa>());
        case Way::kAny:
          break;
      }
    }
    return cast(std::integral_constant<Way, Way::kAny>());
  });
}

inline Counts CastE8m0(const Segment& segment) {
  VectorCounts vector_counts;
  const DI di;
  constexpr uint32_t kSmallestNormal = 0x00800000u, kSmallest = 0x00400000u, kTie = 0x00600000u,
                     kLargest = 0x7f000000u;
  Transform(segment.in, segment.out, segment.size, 0, segment.stream, 1.0f, [&](VI x, uint64_t) HWY_ATTR {
    const VI odd = hn::And(hn::ShiftRight<23>(x), Bits(1));
    const VI normal = hn::And(hn::Add(hn::Add(x, Bits(0x3fffffu)), odd), Bits(0x7f800000u));
    const VI tiny = hn::IfThenElse(hn::Gt(x, Bits(kTie)), Bits(kSmallestNormal), Bits(kSmallest));
    const VI rounded =
        hn::IfThenElse(hn::Lt(x, Bits(kSmallestNormal)), tiny, hn::Min(normal, Bits(kLargest)));
    // x > 0 as an integer leaves out zero and all negative numbers.
    const MI positive = hn::And(hn::Gt(x, hn::Zero(di)), hn::Lt(x, Bits(kInfinityBits)));
    const VI out = hn::IfThenElse(positive, rounded, Bits(kNanBits));
    const VI magnitude = hn::And(x, Bits(~kSignBit));
    const MI nan = hn::Gt(magnitude, Bits(kInfinityBits));
    vector_counts.Add(x, magnitude, out, hn::And(positive, hn::Gt(x, Bits(kLargest))), nan);
    return out;
  });
  return vector_counts.Total();
}

}  // namespace HWY_NAMESPACE
}  // namespace fqlab::kernels
HWY_AFTER_NAMESPACE();

#endif
