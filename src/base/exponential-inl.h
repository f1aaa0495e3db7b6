// exp(x) and e^x - 1 - x for vectors of doubles, with the same bits on every instruction set: no fused
// multiply-add, no rounding mode, no table. Included once for each Highway target, hence the toggled guard.
#if defined(FQLAB_BASE_EXPONENTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FQLAB_BASE_EXPONENTIAL_INL_H_
#undef FQLAB_BASE_EXPONENTIAL_INL_H_
#else
#define FQLAB_BASE_EXPONENTIAL_INL_H_
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

/// Below it in size a difference counts as small: small_excess serves it.
constexpr double kSmall = 0.5;

/// e^r - 1 - r for |r| <= 1/2, relative error below 4e-13; 0 for 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V small_excess(D d, V r) {
  // g(r) = (e^r - 1 - r) / r^2, the polynomial of degree 8 with the smallest relative error (Remez): 3.8e-13.
  V g = hn::Set(d, 0x1.28505c8c654b1p-22);
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.73c2da9f72d10p-19));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.a01abe974a093p-16));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.a018969c2c9b0p-13));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.6c16c0a21a351p-10));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.11111175a7623p-7));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.55555555b6c20p-5));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.555555553747dp-3));
  g = hn::Add(hn::Mul(g, r), hn::Set(d, 0x1.ffffffffffe53p-2));
  return hn::Mul(hn::Mul(r, r), g);
}

/// e^x - 1 - x, relative error below 5e-13, for |x| <= 700; meaningless beyond. The bits of small_excess(x)
/// for small x.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V excess(D d, V x) {
  const V rounder = hn::Set(d, kRounder);
  V shifted = hn::Add(hn::Mul(x, hn::Set(d, kLog2E)), rounder);
  shifted = hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, kSmall)), rounder, shifted);  // k = 0
  const V k = hn::Sub(shifted, rounder);
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
