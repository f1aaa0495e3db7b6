// The bytes of a GGUF file before its tensor data, and the sizes of what follows: shared by the writers.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "fqlab/gguf.h"

namespace fqlab {

using GgufSink = std::function<Result<void>(std::span<const std::byte>)>;

/// Bytes of a tensor's data when it is stored as `type`. kUsage where a row does not fit the type's blocks.
Result<uint64_t> stored_bytes(const TensorInfo& tensor, GgmlType type);

/// Magic, counts, metadata and tensor entries, without the padding before the data.
Result<std::string> header_text(uint32_t version, std::span<const GgufMetadata> metadata,
                                std::span<const TensorInfo> tensors);

Result<void> write_zeros(uint64_t count, const GgufSink& sink);

}  // namespace fqlab
