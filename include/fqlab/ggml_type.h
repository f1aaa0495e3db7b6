// The tensor types of GGUF files: names, block sizes, and decoding to float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

/// ggml's type number as it stands in a GGUF file.
enum class GgmlType : uint32_t { kF32 = 0, kF16 = 1, kBf16 = 30 };

/// One row of the type table. A row of a tensor is a whole number of blocks.
struct GgmlTypeInfo {
  std::string_view name;  ///< ggml's spelling: "f32", "q4_1", "q4_K"
  GgmlType type;
  uint32_t block_elements;  ///< values a block
  uint32_t block_bytes;     ///< bytes a block, scales included
  bool quantized;           ///< false for f32, f16, bf16, f64 and the integer types

  /// Of whole blocks; what is left over of the last one is not counted.
  uint64_t bytes_of(uint64_t values) const { return values / block_elements * block_bytes; }
};

/// The row of `type`, or nullptr where this version of ggml has no such type (removed numbers included).
const GgmlTypeInfo* ggml_type_info(GgmlType type);
/// The row with that name, case-insensitive, or nullptr.
const GgmlTypeInfo* ggml_type_info(std::string_view name);

/// Whether the type is one that originals have: floats of 16 or 32 bits.
inline bool is_wide_float(GgmlType type) {
  return type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBf16;
}

/// Whether tensors of the type hold weights: floats of 16 or 32 bits or a quantized type, not a table of
/// integers.
bool holds_weights(GgmlType type);

/// ggml's spelling of the type; "?" where this version has no such type.
inline std::string type_name(GgmlType type) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  return info == nullptr ? "?" : std::string(info->name);
}

/// Decodes whole blocks to float32. `bytes` must hold exactly out.size() values.
/// F32, F16 and BF16 always work; quantized types need a build with the engine (Error kUsage otherwise).
Result<void> decode(GgmlType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace fqlab
