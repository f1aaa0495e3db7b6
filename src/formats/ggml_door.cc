#include "formats/ggml_door.h"

#ifdef FQLAB_WITH_ENGINE

#include <ggml.h>

#include <cstring>
#include <vector>

namespace fqlab::ggml_door {

uint32_t type_count() { return GGML_TYPE_COUNT; }

std::optional<TypeFacts> type_facts(uint32_t type) {
  if (type >= GGML_TYPE_COUNT) return std::nullopt;
  const auto number = static_cast<ggml_type>(type);
  if (ggml_blck_size(number) == 0) return std::nullopt;  // how ggml marks a removed type
  return TypeFacts{ggml_type_name(number), static_cast<uint64_t>(ggml_blck_size(number)),
                   ggml_type_size(number), ggml_is_quantized(number)};
}

Result<void> decode(GgmlType type, std::span<const std::byte> bytes, std::span<float> out) {
  const auto* traits = ggml_get_type_traits(static_cast<ggml_type>(type));
  if (traits->to_float == nullptr)
    return fail(ErrorCode::kInput, std::string("ggml cannot decode the type ") + traits->type_name, "",
                "such a tensor does not belong in a model file");
  // ggml reads the blocks as structures; a file with a small general.alignment may start them anywhere.
  constexpr size_t kAlignment = alignof(float);
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment != 0) {
    const std::vector<std::byte> aligned(bytes.begin(), bytes.end());
    traits->to_float(aligned.data(), out.data(), static_cast<int64_t>(out.size()));
  } else {
    traits->to_float(bytes.data(), out.data(), static_cast<int64_t>(out.size()));
  }
  return {};
}

bool requires_importance(GgmlType type) {
  return ggml_quantize_requires_imatrix(static_cast<ggml_type>(type));
}

Result<void> prepare(GgmlType type) {
  ggml_quantize_init(static_cast<ggml_type>(type));
  return {};
}

void quantize_row(GgmlType type, std::span<const float> row, std::span<std::byte> stored,
                  std::span<const float> importance) {
  const auto columns = static_cast<int64_t>(row.size());
  ggml_quantize_chunk(static_cast<ggml_type>(type), row.data(), stored.data(), 0, 1, columns,
                      importance.empty() ? nullptr : importance.data());
}

void dequantize_row(GgmlType type, std::span<const std::byte> stored, std::span<float> row) {
  ggml_get_type_traits(static_cast<ggml_type>(type))
      ->to_float(stored.data(), row.data(), static_cast<int64_t>(row.size()));
}

}  // namespace fqlab::ggml_door

#else

namespace fqlab::ggml_door {

uint32_t type_count() { return 0; }

std::optional<TypeFacts> type_facts(uint32_t) { return std::nullopt; }

Result<void> decode(GgmlType, std::span<const std::byte>, std::span<float>) {
  return fail(ErrorCode::kUsage, "this build of fqlab cannot decode quantized tensors", "",
              "build it with the engine: scripts/setup, then configure with -DFQLAB_ENGINE=ON");
}

bool requires_importance(GgmlType) { return false; }

Result<void> prepare(GgmlType) {
  return fail(ErrorCode::kUsage, "this build of fqlab has no gguf: formats", "",
              "build it with the engine: scripts/setup, then configure with -DFQLAB_ENGINE=ON");
}

void quantize_row(GgmlType, std::span<const float>, std::span<std::byte>, std::span<const float>) {}

void dequantize_row(GgmlType, std::span<const std::byte>, std::span<float>) {}

}  // namespace fqlab::ggml_door

#endif
