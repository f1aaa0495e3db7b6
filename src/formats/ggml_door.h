// The one door to ggml's type traits. Every function works without the engine too and then says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "fqlab/ggml_type.h"
#include "fqlab/result.h"

namespace fqlab::ggml_door {

/// What ggml itself says about one of its types.
struct TypeFacts {
  std::string name;
  uint64_t block_elements = 0;
  uint64_t block_bytes = 0;
  bool quantized = false;
};

/// nullopt without the engine and for a number that ggml does not have or has removed.
std::optional<TypeFacts> type_facts(uint32_t type);

/// Number of types that ggml knows, removed ones included; 0 without the engine.
uint32_t type_count();

/// Decodes whole blocks of a quantized type; `bytes` holds exactly out.size() values (the caller has checked
/// it). kUsage without the engine, kInput for types that ggml cannot decode (its activation types q8_1 and
/// q8_K).
Result<void> decode(GgmlType type, std::span<const std::byte> bytes, std::span<float> out);

/// True where ggml's quantizer of that type aborts without an imatrix; false without the engine.
bool requires_importance(GgmlType type);

/// Builds ggml's tables for quantizing to `type`; call it once before quantize_row. kUsage without the
/// engine.
Result<void> prepare(GgmlType type);

/// One row through ggml's reference quantizer. `stored` holds exactly the row's bytes; `importance` is empty
/// or one weight a column. The row must be whole blocks, values and weights finite and not so large that
/// their products overflow (usable_type() of ggml_quantizer.cc): ggml aborts the process otherwise.
void quantize_row(GgmlType type, std::span<const float> row, std::span<std::byte> stored,
                  std::span<const float> importance);

/// The row back to float32.
void dequantize_row(GgmlType type, std::span<const std::byte> stored, std::span<float> row);

}  // namespace fqlab::ggml_door
