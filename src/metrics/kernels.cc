// The loops over one row of logits, compiled for every instruction set and chosen at run time (Highway).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/kernels.cc"
#include "metrics/kernels.h"

#include <hwy/foreach_target.h>  // must stand before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/exponential-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fqlab {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Every sum runs in 16 lanes, whatever the width of a vector: element i belongs to lane i % 16. After a block
// the lanes are added to the row's lanes, which keeps the number of additions in a row, and with it the
// rounding error, small.
constexpr size_t kLanes = 16;
constexpr size_t kBlock = 4096;

const hn::CappedTag<double, kLanes> kDoubles;
const hn::CappedTag<float, kLanes> kFloats;

struct Lanes {
  alignas(128) double lane[kLanes] = {};

  HWY_INLINE void add(size_t offset, hn::Vec<decltype(kDoubles)> v) {
    hn::Store(hn::Add(hn::Load(kDoubles, lane + offset), v), kDoubles, lane + offset);
  }
  void add(const Lanes& other) {
    for (size_t i = 0; i < kLanes; ++i) lane[i] += other.lane[i];
  }
  double sum() const {
    double sums[kLanes];
    std::copy(lane, lane + kLanes, sums);
    for (size_t half = kLanes / 2; half > 0; half /= 2)
      for (size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    return sums[0];
  }
};

HWY_INLINE hn::Vec<decltype(kDoubles)> load_doubles(const float* from) {
  return hn::PromoteTo(kDoubles, hn::LoadU(hn::Rebind<float, decltype(kDoubles)>(), from));
}

/// The last elements of a row, fewer than 16, filled up with copies of the very last one.
struct Tail {
  Tail(const float* from, size_t count) {
    std::fill(std::copy(from, from + count, value), value + kLanes, from[count - 1]);
  }
  alignas(64) float value[kLanes];
};

/// Zero where offset + lane is not below `valid`.
HWY_INLINE hn::Vec<decltype(kDoubles)> keep_first(hn::Vec<decltype(kDoubles)> v, size_t offset,
                                                  size_t valid) {
  return hn::IfThenElseZero(hn::FirstN(kDoubles, valid > offset ? valid - offset : 0), v);
}

float maximum_of(const float* x, size_t n) {
  const size_t step = hn::Lanes(kFloats);
  if (n < step) return *std::max_element(x, x + n);
  auto top = hn::LoadU(kFloats, x);
  for (size_t i = step; i + step <= n; i += step) top = hn::Max(hn::LoadU(kFloats, x + i), top);
  top = hn::Max(hn::LoadU(kFloats, x + n - step), top);
  return hn::GetLane(hn::MaxOfLanes(kFloats, top));
}

/// Keeps the first block that holds the maximum; its index is looked for once, at the end.
struct MaximumSearch {
  float value = -std::numeric_limits<float>::infinity();
  size_t block = 0;

  void offer(const float* row, size_t begin, size_t count) {
    const float top = maximum_of(row + begin, count);
    if (top > value) {
      value = top;
      block = begin;
    }
  }
  RowMaximum found(const float* row, size_t n) const {
    const float* end = row + std::min(n, block + kBlock);
    const float* at = std::find(row + block, end, value);
    return {value, static_cast<int32_t>(at == end ? 0 : at - row)};  // not found: NaN in the row
  }
};

RowMaximum row_maximum(const float* logits, size_t n) {
  MaximumSearch search;
  for (size_t begin = 0; begin < n; begin += kBlock) search.offer(logits, begin, std::min(kBlock, n - begin));
  return search.found(logits, n);
}

template <bool kWhole>
HWY_INLINE void add_exponentials(Lanes& lanes, const float* x, double shift, size_t valid) {
  for (size_t offset = 0; offset < kLanes; offset += hn::Lanes(kDoubles)) {
    auto e = exponential(kDoubles, hn::Sub(load_doubles(x + offset), hn::Set(kDoubles, shift)));
    if (!kWhole) e = keep_first(e, offset, valid);
    lanes.add(offset, e);
  }
}

double sum_of_exponentials(const float* logits, size_t n, double shift) {
  Lanes row;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t end = std::min(n, begin + kBlock);
    Lanes block;
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) add_exponentials<true>(block, logits + i, shift, kLanes);
    if (i < end) add_exponentials<false>(block, Tail(logits + i, end - i).value, shift, end - i);
    row.add(block);
  }
  return row.sum();
}

struct PairLanes {
  Lanes mean, excess;
};

enum class Size { kSmall, kAny };

template <Size kSize, bool kWhole>
HWY_INLINE void add_pairs(PairLanes& lanes, const float* a, const float* b, double log_sum_exp_a,
                          double centre, size_t valid) {
  for (size_t offset = 0; offset < kLanes; offset += hn::Lanes(kDoubles)) {
    const auto logit_a = load_doubles(a + offset);
    auto p = exponential(kDoubles, hn::Sub(logit_a, hn::Set(kDoubles, log_sum_exp_a)));
    if (!kWhole) p = keep_first(p, offset, valid);
    const auto d = hn::Sub(hn::Sub(load_doubles(b + offset), logit_a), hn::Set(kDoubles, centre));
    lanes.mean.add(offset, hn::Mul(p, d));
    const auto e = kSize == Size::kSmall ? small_excess(kDoubles, d) : excess(kDoubles, d);
    lanes.excess.add(offset, hn::Mul(p, e));
  }
}

/// The largest |b - a - centre|, roughly: off by 2^-23 (|centre| + itself) at most. `n` is at least one step.
float rough_largest(const float* a, const float* b, size_t n, float centre) {
  const size_t step = hn::Lanes(kFloats);
  auto top = hn::Zero(kFloats);
  for (size_t i = 0; i < n; i += step) {
    const size_t at = std::min(i, n - step);
    const auto d = hn::Sub(hn::LoadU(kFloats, b + at), hn::LoadU(kFloats, a + at));
    top = hn::Max(top, hn::Abs(hn::Sub(d, hn::Set(kFloats, centre))));
  }
  return hn::GetLane(hn::MaxOfLanes(kFloats, top));
}

PairSums pair_sums(const float* a, const float* b, size_t n, double log_sum_exp_a, double centre) {
  constexpr size_t kStretch = 256;
  const float rough_centre = static_cast<float>(centre);
  Lanes mean, excess;
  MaximumSearch search;
  PairSums sums;
  sums.in_range = std::abs(centre) <= kLargestD;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t end = std::min(n, begin + kBlock);
    PairLanes block;
    size_t i = begin;
    // Small differences are the rule. Which loop runs changes no bit, only the time.
    for (; i + kStretch <= end; i += kStretch) {
      const float largest = rough_largest(a + i, b + i, kStretch, rough_centre);
      sums.in_range = sums.in_range && largest <= static_cast<float>(kLargestD);
      if (sums.in_range && largest < static_cast<float>(kSmall) - 0.001f) {
        for (size_t j = i; j < i + kStretch; j += kLanes)
          add_pairs<Size::kSmall, true>(block, a + j, b + j, log_sum_exp_a, centre, kLanes);
      } else {
        for (size_t j = i; j < i + kStretch; j += kLanes)
          add_pairs<Size::kAny, true>(block, a + j, b + j, log_sum_exp_a, centre, kLanes);
      }
    }
    for (; i < end; i += kLanes) {
      const size_t valid = std::min(kLanes, end - i);
      const Tail last_a(a + i, valid), last_b(b + i, valid);
      add_pairs<Size::kAny, false>(block, last_a.value, last_b.value, log_sum_exp_a, centre, valid);
      sums.in_range = sums.in_range && rough_largest(last_a.value, last_b.value, kLanes, rough_centre) <=
                                           static_cast<float>(kLargestD);
    }
    mean.add(block.mean);
    excess.add(block.excess);
    search.offer(b, begin, end - begin);
  }
  sums.mean = mean.sum();
  sums.excess = excess.sum();
  sums.maximum_b = search.found(b, n);
  return sums;
}

}  // namespace HWY_NAMESPACE
}  // namespace fqlab
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fqlab {

HWY_EXPORT(row_maximum);
HWY_EXPORT(sum_of_exponentials);
HWY_EXPORT(pair_sums);

RowMaximum row_maximum(const float* logits, size_t n) { return HWY_DYNAMIC_DISPATCH(row_maximum)(logits, n); }
double sum_of_exponentials(const float* logits, size_t n, double shift) {
  return HWY_DYNAMIC_DISPATCH(sum_of_exponentials)(logits, n, shift);
}
PairSums pair_sums(const float* a, const float* b, size_t n, double log_sum_exp_a, double centre) {
  return HWY_DYNAMIC_DISPATCH(pair_sums)(a, b, n, log_sum_exp_a, centre);
}

}  // namespace fqlab
#endif
