// exp(x) and e^x - 1 - x for vectors of doubles, with the same bits on every instruction set: no fused
// multiply-add, no rounding mode, no table. Included once for each Highway target, hence the toggled guard.
#if defined(FQLAB_METRICS_EXPONENTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FQLAB_METRICS_EXPONENTIAL_INL_H_
#undef FQLAB_METRICS_EXPONENTIAL_INL_H_
#else
#define FQLAB_METRICS_EXPONENTIAL_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fqlab {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Adding it to |x| < 2^51 rounds to a whole number and leaves that number in the low bits of the sum.
constexpr double kRounder = 0x1.8p52;
constexpr double kLog2E = 0x1.71547652b82fep+0;

/// v * 2^k for v in [1/2, 2], where `shifted` is k + kRounder, by adding k to the exponent.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V scale_by_power_of_two(D d, V v, V shifted) {
  const hn::RebindToUnsigned<D> bits;
  return hn::BitCast(d, hn::Add(hn::BitCast(bits, v), hn::ShiftLeft<52>(hn::BitCast(bits, shifted))));
}

/// e^x, relative error below 2e-14 + 3e-16 |x|, for x at most 700; below -700 it counts as -700. NaN stays
/// NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exponential(D d, V x) {
  x = hn::Max(hn::Set(d, -700.0), x);  // in this order: x86 answers the second operand where one is NaN
  const V y = hn::Mul(x, hn::Set(d, kLog2E));
  const V shifted = hn::Add(y, hn::Set(d, kRounder));
  const V f = hn::Sub(y, hn::Sub(shifted, hn::Set(d, kRounder)));
  // 2^f on [-1/2, 1/2], the polynomial of degree 9 through 1 at 0 with the smallest relative error: 1.5e-14.
  V p = hn::Set(d, 0x1.b3de1c123dec8p-24);
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.63e6a588fd634p-20));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.ffce2fff933d0p-17));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.430897e685febp-13));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.5d87fd9363584p-10));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.3b2ab72418675p-7));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.c6b08d70c89c0p-5));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.ebfbdff81bdcfp-3));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 0x1.62e42fefa37d1p-1));
  p = hn::Add(hn::Mul(p, f), hn::Set(d, 1.0));
  return scale_by_power_of_two(d, p, shifted);
}

/// e^r - 1 - r for |r| <= ln(2)/2, relative error below 2e-14; 0 for 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V small_excess(D d, V r) {
  // g(r) = (e^r - 1 - r) / r^2, the polynomial of degree 8 with the smallest relative error (Remez
  // exchange): 1.4e-14.
  V g = hn::Set(d, 0x1.28189e51c542dp-22);
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.72c701704f775p-19));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.a01a2d3349af7p-16));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.a019adc7b1102p-13));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.6c16c155aed44p-10));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.1111111c3ed69p-7));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.555555555a883p-5));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.5555555553b99p-3));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.ffffffffffff5p-2));
  return hn::Mul(hn::Mul(r, r), g);
}

/// Where |x| is below it in all lanes, k is 0 in all of them and small_excess(x) is excess(x), bit for bit.
constexpr double kSmall = 0.3465;

/// e^x - 1 - x, relative error below 3e-14, for |x| <= 700; meaningless beyond.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V excess(D d, V x) {
  const V shifted = hn::Add(hn::Mul(x, hn::Set(d, kLog2E)), hn::Set(d, kRounder));
  const V k = hn::Sub(shifted, hn::Set(d, kRounder));
  // x = k ln 2 + r, with ln 2 in two pieces: the first has 42 bits, so that k times it is exact. k = 0 leaves
  // r = x.
  V r = hn::Sub(x, hn::Mul(k, hn::Set(d, 0x1.62e42fefa3800p-1)));
  r = hn::Sub(r, hn::Mul(k, hn::Set(d, 0x1.ef35793c76730p-45)));
  // With s = 2^k: s (1 + r + tail) - 1 - x, in an order that leaves exactly the tail where k = 0.
  const V scale = scale_by_power_of_two(d, hn::Set(d, 1.0), shifted);
  const V rest = hn::Add(hn::Sub(hn::Mul(scale, r), x), hn::Sub(scale, hn::Set(d, 1.0)));
  return hn::Add(hn::Mul(scale, small_excess(d, r)), rest);
}

}  // namespace HWY_NAMESPACE
}  // namespace fqlab
HWY_AFTER_NAMESPACE();

#endif
