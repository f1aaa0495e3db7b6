#include "engine/gelu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/gelu.cc"
#include <hwy/foreach_target.h>  // must stand before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/exponential-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fqlab {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// With s(x) = linear * x + cubic * x^3: out = x / (1 + e^-s(x)), times `gate` where there is one.
/// (1 + tanh(u)) / 2 = 1 / (1 + e^-2u), without the cancellation of the left side.
void GeluRow(const float* x, const float* gate, float* out, size_t size, double linear, double cubic) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> f;
  const size_t lanes = hn::Lanes(d);
  const auto one = hn::Set(d, 1.0), most = hn::Set(d, 700.0);
  const auto lowest = hn::Set(d, -1e39), highest = hn::Set(d, 1e39);
  const auto minus_linear = hn::Set(d, -linear), minus_cubic = hn::Set(d, -cubic);
  const auto put = [&](const float* x_at, const float* gate_at, float* out_at) HWY_ATTR {
    // Beyond float32 but finite, for Inf; in this order, in which x86 keeps a NaN.
    const auto v = hn::Max(lowest, hn::Min(highest, hn::PromoteTo(d, hn::LoadU(f, x_at))));
    const auto exponent = hn::Mul(v, hn::Add(minus_linear, hn::Mul(minus_cubic, hn::Mul(v, v))));
    auto y = hn::Div(v, hn::Add(one, exponential(d, hn::Min(most, exponent))));
    if (gate_at != nullptr) y = hn::Mul(y, hn::PromoteTo(d, hn::LoadU(f, gate_at)));
    hn::StoreU(hn::DemoteTo(f, y), f, out_at);
  };
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) put(x + i, gate == nullptr ? nullptr : gate + i, out + i);
  if (i == size) return;
  HWY_ALIGN float x_rest[HWY_MAX_BYTES / sizeof(double)] = {}, gate_rest[HWY_MAX_BYTES / sizeof(double)] = {};
  std::copy(x + i, x + size, x_rest);
  if (gate != nullptr) std::copy(gate + i, gate + size, gate_rest);
  put(x_rest, gate == nullptr ? nullptr : gate_rest, x_rest);
  std::copy(x_rest, x_rest + (size - i), out + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace fqlab
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <ggml.h>

namespace fqlab {
namespace {

HWY_EXPORT(GeluRow);

/// s(x) of GeluRow().
struct Slope {
  double linear = 0, cubic = 0;
};
constexpr double kTwiceRootOfTwoOverPi = 1.5957691216057307;
constexpr Slope kTanh = {kTwiceRootOfTwoOverPi, 0.044715 * kTwiceRootOfTwoOverPi};
constexpr Slope kQuick = {1.702, 0};

/// Of a node of is_table_gelu(), else nothing.
std::optional<Slope> slope_of(const ggml_tensor& node) {
  if (node.type != GGML_TYPE_F32 || node.src[0] == nullptr || node.src[0]->type != GGML_TYPE_F32) return {};
  const bool unary = node.op == GGML_OP_UNARY, gated = node.op == GGML_OP_GLU;
  if ((unary && ggml_get_unary_op(&node) == GGML_UNARY_OP_GELU) ||
      (gated && ggml_get_glu_op(&node) == GGML_GLU_OP_GEGLU))
    return kTanh;
  if ((unary && ggml_get_unary_op(&node) == GGML_UNARY_OP_GELU_QUICK) ||
      (gated && ggml_get_glu_op(&node) == GGML_GLU_OP_GEGLU_QUICK))
    return kQuick;
  return {};
}

float* row_of(const ggml_tensor& tensor, const int64_t (&index)[3]) {
  char* at = static_cast<char*>(tensor.data);
  for (size_t i = 0; i < 3; ++i) at += static_cast<size_t>(index[i]) * tensor.nb[i + 1];
  return reinterpret_cast<float*>(at);
}

}  // namespace

bool is_table_gelu(const ggml_tensor& node) { return slope_of(node).has_value(); }

void compute_gelu(ggml_tensor& node) {
  const Slope slope = *slope_of(node);
  const ggml_tensor& source = *node.src[0];
  const ggml_tensor* gate_source = node.src[1];
  const auto size = static_cast<size_t>(node.ne[0]);
  int64_t index[3];
  for (index[2] = 0; index[2] < node.ne[3]; ++index[2])
    for (index[1] = 0; index[1] < node.ne[2]; ++index[1])
      for (index[0] = 0; index[0] < node.ne[1]; ++index[0]) {
        const float* x = row_of(source, index);
        const float* gate = nullptr;
        if (node.op == GGML_OP_GLU && gate_source != nullptr) {
          gate = row_of(*gate_source, index);
        } else if (node.op == GGML_OP_GLU) {  // both halves in one row, in either order
          gate = x + size;
          if (node.op_params[1] != 0) std::swap(x, gate);
        }
        HWY_DYNAMIC_DISPATCH(GeluRow)(x, gate, row_of(node, index), size, slope.linear, slope.cubic);
      }
}

}  // namespace fqlab
#endif
