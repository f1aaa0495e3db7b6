// ggml's tensor types as of llama.cpp v0.5.0 (ggml/include/ggml.h, ggml/src/ggml-common.h).
#include "fqlab/ggml_type.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <string>

#include "formats/ggml_door.h"

namespace fqlab {
namespace {

constexpr GgmlTypeInfo row(uint32_t number, std::string_view name, uint32_t elements, uint32_t bytes,
                           bool quantized) {
  return {name, static_cast<GgmlType>(number), elements, bytes, quantized};
}

constexpr GgmlTypeInfo kTypes[] = {
    row(0, "f32", 1, 4, false),        row(1, "f16", 1, 2, false),        row(2, "q4_0", 32, 18, true),
    row(3, "q4_1", 32, 20, true),      row(6, "q5_0", 32, 22, true),      row(7, "q5_1", 32, 24, true),
    row(8, "q8_0", 32, 34, true),      row(9, "q8_1", 32, 36, true),      row(10, "q2_K", 256, 84, true),
    row(11, "q3_K", 256, 110, true),   row(12, "q4_K", 256, 144, true),   row(13, "q5_K", 256, 176, true),
    row(14, "q6_K", 256, 210, true),   row(15, "q8_K", 256, 292, true),   row(16, "iq2_xxs", 256, 66, true),
    row(17, "iq2_xs", 256, 74, true),  row(18, "iq3_xxs", 256, 98, true), row(19, "iq1_s", 256, 50, true),
    row(20, "iq4_nl", 32, 18, true),   row(21, "iq3_s", 256, 110, true),  row(22, "iq2_s", 256, 82, true),
    row(23, "iq4_xs", 256, 136, true), row(24, "i8", 1, 1, false),        row(25, "i16", 1, 2, false),
    row(26, "i32", 1, 4, false),       row(27, "i64", 1, 8, false),       row(28, "f64", 1, 8, false),
    row(29, "iq1_m", 256, 56, true),   row(30, "bf16", 1, 2, false),      row(34, "tq1_0", 256, 54, true),
    row(35, "tq2_0", 256, 66, true),   row(39, "mxfp4", 32, 17, true),    row(40, "nvfp4", 64, 36, true),
    row(41, "q1_0", 128, 18, true),    row(42, "q2_0", 64, 18, true),
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// s eeeee mmmmmmmmmm; subnormals are multiples of 2^-24, which float32 holds as normal numbers.
float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31u;
  const uint32_t mantissa = half & 1023u;
  uint32_t magnitude = ((exponent + 112) << 23) | (mantissa << 13);
  if (exponent == 0) magnitude = std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-24f);
  if (exponent == 31) magnitude = 0x7f800000u | (mantissa << 13);
  return std::bit_cast<float>(sign | magnitude);
}

template <class Convert>
void decode_halves(std::span<const std::byte> bytes, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, bytes.data() + 2 * i, sizeof half);
    out[i] = convert(half);
  }
}

}  // namespace

const GgmlTypeInfo* ggml_type_info(GgmlType type) {
  const auto* found = std::ranges::find(kTypes, type, &GgmlTypeInfo::type);
  return found == std::end(kTypes) ? nullptr : found;
}

bool holds_weights(GgmlType type) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  return is_wide_float(type) || (info != nullptr && info->quantized);
}

const GgmlTypeInfo* ggml_type_info(std::string_view name) {
  const auto* found =
      std::ranges::find_if(kTypes, [&](const auto& info) { return equal_ignoring_case(info.name, name); });
  return found == std::end(kTypes) ? nullptr : found;
}

Result<void> decode(GgmlType type, std::span<const std::byte> bytes, std::span<float> out) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  if (info == nullptr)
    return fail(ErrorCode::kInput, "unknown tensor type " + std::to_string(static_cast<uint32_t>(type)));
  if (out.size() % info->block_elements != 0 ||
      bytes.size() / info->block_bytes != out.size() / info->block_elements ||
      bytes.size() % info->block_bytes != 0)
    return fail(ErrorCode::kInput, std::to_string(bytes.size()) + " bytes of type " +
                                       std::string(info->name) + " are not " + std::to_string(out.size()) +
                                       " values");
  if (out.empty()) return {};
  if (info->quantized) return ggml_door::decode(type, bytes, out);
  switch (type) {
    case GgmlType::kF32:
      std::memcpy(out.data(), bytes.data(), bytes.size());
      return {};
    case GgmlType::kF16:
      decode_halves(bytes, out, f16_to_f32);
      return {};
    case GgmlType::kBf16:
      decode_halves(bytes, out,
                    [](uint16_t half) { return std::bit_cast<float>(static_cast<uint32_t>(half) << 16); });
      return {};
  }
  return fail(ErrorCode::kInput,
              "values of type " + std::string(info->name) + " are not weights that float32 can hold", "",
              "leave such a tensor out of the selection");
}

}  // namespace fqlab
