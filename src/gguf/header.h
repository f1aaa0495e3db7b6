// Everything of a GGUF file that stands before its tensor data, checked completely.
#pragma once

#include <span>
#include <vector>

#include "fqlab/gguf.h"

namespace fqlab {

inline constexpr uint32_t kMostDimensions = 4;  ///< GGML_MAX_DIMS

struct GgufHeader {
  uint32_t version = 0;
  uint64_t alignment = 32;
  std::vector<GgufMetadata> metadata;  ///< in file order
  std::vector<TensorInfo> tensors;     ///< in file order, which is also the order of their data
  uint64_t data_offset = 0;            ///< of the data section, in bytes from the start of the file
};

/// Parses and checks the header of a file whose whole content is `bytes`: also that the tensors' data lie in
/// it, one after the other, and that nothing follows. Errors name the field and its byte offset. Memory: not
/// more than the file's size, or 256 MiB for the metadata of a small file.
Result<GgufHeader> parse_header(std::span<const std::byte> bytes);

/// `size` rounded up to a multiple of `alignment`, a power of two. The sum must not overflow.
constexpr uint64_t align_up(uint64_t size, uint64_t alignment) {
  return (size + alignment - 1) & ~(alignment - 1);
}

/// The smallest entries of the two tables in a file: key length, a character, type, value; name length, a
/// character, dimension count, type, offset.
constexpr uint64_t kLeastMetadataBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;

}  // namespace fqlab
