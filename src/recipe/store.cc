#include "recipe/store.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "fqlab/recipe.h"

namespace fqlab {
namespace {

constexpr uint16_t kQuietNan = 0x7fff;  // a NaN in both 16-bit types

uint16_t to_bf16(float x) {
  return std::isnan(x) ? kQuietNan : static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
}

// Only for values that f16 holds exactly, so that nothing is rounded.
uint16_t to_f16(float x) {
  if (std::isnan(x)) return kQuietNan;
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude == 0x7f800000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u)  // below 2^-14: a multiple of 2^-24
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::fabs(x) * 0x1p24f));
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u) >> 13));
}

}  // namespace

GgmlType storage_type(const TensorInfo& tensor, GgmlType wanted) {
  // Convolutions, states and small matrices of recurrent layers: llama.cpp computes with them in F32 only,
  // and llama-quantize leaves them.
  constexpr std::string_view kFloat32Only[] = {"ssm_conv1d",
                                               "ssm_a",
                                               "ssm_d",
                                               "shortconv.conv",
                                               "time_mix_first",
                                               "time_mix_w0",
                                               "time_mix_w1",
                                               "time_mix_w2",
                                               "time_mix_v0",
                                               "time_mix_v1",
                                               "time_mix_v2",
                                               "time_mix_a0",
                                               "time_mix_a1",
                                               "time_mix_a2",
                                               "time_mix_g1",
                                               "time_mix_g2",
                                               "time_mix_decay_w1",
                                               "time_mix_decay_w2",
                                               "time_mix_lerp_fused"};
  const std::string kind = parse_tensor_name(tensor.name).kind;
  const bool multiplied = std::ranges::find(kFloat32Only, kind) == std::end(kFloat32Only);
  return tensor.is_matrix() && multiplied && !is_norm_kind(kind) ? wanted : GgmlType::kF32;
}

Result<void> store_exactly(GgmlType type, std::span<const float> values, std::span<std::byte> out) {
  if (type == GgmlType::kF32) {
    if (!values.empty()) std::memcpy(out.data(), values.data(), values.size_bytes());
    return {};
  }
  if (!is_wide_float(type))
    return fail(ErrorCode::kUsage, "values are stored in f32, f16 or bf16 only", type_name(type));
  const Exactness exact = exactness(values);
  const uint64_t lost = type == GgmlType::kF16 ? exact.not_f16_exact : exact.not_bf16_exact;
  if (lost != 0)
    return fail(ErrorCode::kUsage,
                std::to_string(lost) + " of " + std::to_string(values.size()) +
                    " values cannot be stored as " + type_name(type) + " without changing them",
                "", "store them as f32");
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = type == GgmlType::kF16 ? to_f16(values[i]) : to_bf16(values[i]);
    std::memcpy(out.data() + i * sizeof half, &half, sizeof half);
  }
  return {};
}

}  // namespace fqlab
