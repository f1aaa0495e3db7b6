#include "gguf/new_header.h"

#include <algorithm>
#include <array>
#include <limits>

#include "gguf/value.h"

namespace fqlab {

Result<uint64_t> stored_bytes(const TensorInfo& tensor, GgmlType type) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  if (info == nullptr)
    return fail(ErrorCode::kUsage, "unknown tensor type " + std::to_string(static_cast<uint32_t>(type)),
                tensor.name);
  if (tensor.columns() % info->block_elements != 0)
    return fail(ErrorCode::kUsage,
                "a row of " + std::to_string(tensor.columns()) + " values is no multiple of " +
                    std::string(info->name) + "'s block of " + std::to_string(info->block_elements),
                tensor.name);
  const uint64_t blocks = tensor.values() / info->block_elements;
  if (blocks > (std::numeric_limits<uint64_t>::max() >> 8) / info->block_bytes)
    return fail(ErrorCode::kUsage, "the tensor is too large for type " + std::string(info->name),
                tensor.name);
  return blocks * info->block_bytes;
}

Result<std::string> header_text(uint32_t version, std::span<const GgufMetadata> metadata,
                                std::span<const TensorInfo> tensors) {
  std::string header = "GGUF";
  append_number(header, version);
  append_number<uint64_t>(header, tensors.size());
  append_number<uint64_t>(header, metadata.size());
  for (const GgufMetadata& entry : metadata) {
    append_string(header, entry.key);
    if (Result<void> appended = append_typed_value(header, entry.value); !appended) {
      Error error = appended.error();
      error.where = entry.key;
      return tl::unexpected(std::move(error));
    }
  }
  for (const TensorInfo& tensor : tensors) {
    append_string(header, tensor.name);
    append_number(header, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t size : tensor.shape) append_number(header, size);
    append_number(header, static_cast<uint32_t>(tensor.type));
    append_number(header, tensor.offset);
  }
  return header;
}

Result<void> write_zeros(uint64_t count, const GgufSink& sink) {
  constexpr std::array<std::byte, 4096> kZeros{};
  while (count > 0) {
    const uint64_t piece = std::min<uint64_t>(count, kZeros.size());
    if (Result<void> written = sink(std::span(kZeros).first(piece)); !written) return written;
    count -= piece;
  }
  return {};
}

}  // namespace fqlab
