#include "recipe/damage_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "recipe/damage_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fqlab::damage_kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using DD = hn::CappedTag<double, kLanes>;
using VD = hn::Vec<DD>;

template <bool kError, bool kWeighted>
HWY_INLINE void AddSquaresT(const float* x, const float* q, const float* weights, size_t size,
                            Squares& squares) {
  const DD dd;
  const hn::Rebind<float, DD> df;
  const size_t lanes = hn::Lanes(dd), vectors = kLanes / lanes;
  const auto load = [&](const float* at) HWY_ATTR { return hn::PromoteTo(dd, hn::LoadU(df, at)); };
  size_t i = 0;
  for (size_t v = 0; v < vectors; ++v) {
    VD sum = hn::Load(dd, squares.sum.data() + v * lanes),
       largest = hn::Load(dd, squares.largest.data() + v * lanes);
    VD weighted = hn::Load(dd, squares.weighted.data() + v * lanes);
    for (i = 0; i + kLanes <= size; i += kLanes) {
      const size_t at = i + v * lanes;
      VD value = load(x + at);
      if constexpr (kError) value = hn::Sub(load(q + at), value);
      value = hn::Mul(value, value);
      sum = hn::Add(sum, value);
      largest = hn::Max(largest, value);
      if constexpr (kWeighted) weighted = hn::Add(weighted, hn::Mul(value, load(weights + at)));
    }
    hn::Store(sum, dd, squares.sum.data() + v * lanes);
    hn::Store(largest, dd, squares.largest.data() + v * lanes);
    hn::Store(weighted, dd, squares.weighted.data() + v * lanes);
  }
  for (i = size - size % kLanes; i < size; ++i) {
    const size_t lane = i % kLanes;
    double value = static_cast<double>(x[i]);
    if constexpr (kError) value = static_cast<double>(q[i]) - value;
    value *= value;
    squares.sum[lane] += value;
    squares.largest[lane] = std::max(squares.largest[lane], value);
    if constexpr (kWeighted) squares.weighted[lane] += value * static_cast<double>(weights[i]);
  }
}

void AddSquares(const float* x, const float* q, const float* weights, size_t size, Squares& squares) {
  if (q == nullptr)
    weights == nullptr ? AddSquaresT<false, false>(x, q, weights, size, squares)
                       : AddSquaresT<false, true>(x, q, weights, size, squares);
  else
    weights == nullptr ? AddSquaresT<true, false>(x, q, weights, size, squares)
                       : AddSquaresT<true, true>(x, q, weights, size, squares);
}

constexpr int32_t kMagnitude = 0x7fffffff, kMantissa = 0x7fffff, kBf16Drops = 0xffff, kTf32Drops = 0x1fff;
constexpr int32_t kF16Largest = 0x477fe000, kF16MinNormal = 0x38800000;  // 65504, 2^-14

using DI = hn::ScalableTag<int32_t>;
using VI = hn::Vec<DI>;

Bits Scan(const float* values, size_t size) {
  const DI di;
  const hn::ScalableTag<float> df;
  const hn::ScalableTag<uint32_t> du;
  const size_t lanes = hn::Lanes(di);
  const VI zero = hn::Zero(di), one = hn::Set(di, 1);
  VI mantissas = zero, largest = zero, zeros = zero, bf16 = zero, tf32 = zero, f16 = zero, below = zero;
  auto smallest = hn::Set(du, ~0u);
  const auto tally = [&](VI& count, auto where)
                         HWY_ATTR { count = hn::IfThenElse(where, hn::Add(count, one), count); };
  const auto add = [&](const float* at) HWY_ATTR {
    const VI magnitude = hn::And(hn::BitCast(di, hn::LoadU(df, at)), hn::Set(di, kMagnitude));
    const VI less_one = hn::Sub(magnitude, one);  // zero wraps around to the top
    mantissas = hn::Or(mantissas, hn::And(magnitude, hn::Set(di, kMantissa)));
    smallest = hn::Min(smallest, hn::BitCast(du, less_one));
    largest = hn::Max(largest, magnitude);
    const auto is_zero = hn::Eq(magnitude, zero);
    const auto lost_tf32 = hn::Gt(hn::And(magnitude, hn::Set(di, kTf32Drops)), zero);
    tally(zeros, is_zero);
    tally(bf16, hn::Gt(hn::And(magnitude, hn::Set(di, kBf16Drops)), zero));
    tally(tf32, lost_tf32);
    tally(f16, hn::Or(lost_tf32, hn::Gt(magnitude, hn::Set(di, kF16Largest))));
    tally(below, hn::AndNot(is_zero, hn::Lt(magnitude, hn::Set(di, kF16MinNormal))));
  };
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) add(values + i);
  const size_t padding = i < size ? lanes - (size - i) : 0;
  if (padding != 0) {
    HWY_ALIGN float buffer[HWY_MAX_BYTES / sizeof(float)] = {};
    std::copy(values + i, values + size, buffer);
    add(buffer);
  }
  HWY_ALIGN int32_t part[HWY_MAX_BYTES / sizeof(int32_t)];
  const auto each = [&](VI vector, auto&& combine) HWY_ATTR {
    hn::Store(vector, di, part);
    uint32_t result = static_cast<uint32_t>(part[0]);
    for (size_t lane = 1; lane < lanes; ++lane) result = combine(result, static_cast<uint32_t>(part[lane]));
    return result;
  };
  const auto plus = [](uint32_t a, uint32_t b) { return a + b; };
  Bits bits;
  bits.mantissas = each(mantissas, [](uint32_t a, uint32_t b) { return a | b; });
  bits.smallest_less_one =
      each(hn::BitCast(di, smallest), [](uint32_t a, uint32_t b) { return a < b ? a : b; });
  bits.largest = each(largest, [](uint32_t a, uint32_t b) { return a > b ? a : b; });
  bits.zeros = each(zeros, plus) - static_cast<uint32_t>(padding);
  bits.not_bf16 = each(bf16, plus);
  bits.not_tf32 = each(tf32, plus);
  bits.not_f16 = each(f16, plus);
  bits.below_f16 = each(below, plus);
  return bits;
}

}  // namespace fqlab::damage_kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fqlab::damage_kernels {

HWY_EXPORT(AddSquares);
HWY_EXPORT(Scan);

void add_squares(const float* x, const float* q, const float* weights, size_t size, Squares& squares) {
  HWY_DYNAMIC_DISPATCH(AddSquares)(x, q, weights, size, squares);
}
Bits scan(const float* values, size_t size) { return HWY_DYNAMIC_DISPATCH(Scan)(values, size); }

}  // namespace fqlab::damage_kernels
#endif
