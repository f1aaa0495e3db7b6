// GGUF files: a strict reader over a file map, a faithful writer, and how tensors are named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fqlab/ggml_type.h"
#include "fqlab/result.h"

namespace fqlab {

struct GgufArray;

/// One metadata value. Integers keep the width they have in the file, so that a rewrite gives the same bytes.
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool,
                               std::string, std::shared_ptr<const GgufArray>, uint64_t, int64_t, double>;

/// An array value; `elements` are of one alternative of GgufValue, named by `element_type` (GGUF's number).
struct GgufArray {
  uint32_t element_type = 0;
  std::vector<GgufValue> elements;
};

struct GgufMetadata {
  std::string key;
  GgufValue value;
};

/// One tensor as the file describes it.
struct TensorInfo {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::vector<uint64_t> shape;  ///< ggml's order: shape[0] is the row length (columns)
  uint64_t offset = 0;          ///< of the data, in bytes from the start of the data section
  uint64_t bytes = 0;           ///< of the data, without padding

  uint64_t values() const;  ///< product of the shape
  uint64_t columns() const { return shape.empty() ? 1 : shape[0]; }
  /// How many matrices of shape[0] x shape[1] values it is: the experts of a layer, else 1.
  uint64_t matrices() const;
  bool is_matrix() const;  ///< more than one dimension larger than 1
};

/// A tensor's name taken apart: "blk.7.ffn_down.weight" is layer 7, kind "ffn_down"; "attn_q.bias" keeps its
/// suffix.
struct TensorName {
  std::optional<int> layer;
  std::string kind;
};
TensorName parse_tensor_name(std::string_view name);
/// Whether a kind is that of a normalization's weights: "attn_norm", "attn_q_norm", "attn_norm_2",
/// "ffn_norm_exps".
bool is_norm_kind(std::string_view kind);

/// A GGUF file, checked completely on opening and mapped read-only. Cheap to copy; the map lives as long as
/// any copy.
class GgufFile {
 public:
  /// Errors name the field and the byte offset. v2 and v3, little-endian, not split.
  static Result<GgufFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const;
  std::span<const std::byte> bytes() const;  ///< the whole file
  uint64_t file_bytes() const;
  /// Lets the system take the file's pages out of memory; they are read again when they are needed.
  void forget_pages() const;
  uint32_t version() const;
  uint64_t alignment() const;    ///< of tensor data, from general.alignment, 32 by default
  uint64_t data_offset() const;  ///< of the data section, in bytes from the start of the file

  std::span<const GgufMetadata> metadata() const;              ///< in file order
  const GgufValue* find_metadata(std::string_view key) const;  ///< nullptr where absent
  /// Any integer metadata value as uint64_t; a string value; nullopt where absent or of another type.
  std::optional<uint64_t> metadata_uint(std::string_view key) const;
  std::optional<std::string> metadata_string(std::string_view key) const;
  std::string architecture() const;  ///< general.architecture, "" where absent

  std::span<const TensorInfo> tensors() const;  ///< in file order
  uint64_t parameters() const;                  ///< values of all tensors
  const TensorInfo* find_tensor(std::string_view name) const;
  std::span<const std::byte> data(const TensorInfo& tensor) const;
  /// The tensor's values as float32 (decode() of its data).
  Result<std::vector<float>> read_floats(const TensorInfo& tensor) const;

 private:
  struct State;
  explicit GgufFile(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// What a rewritten file has in place of one tensor of its source.
struct TensorReplacement {
  std::string name;
  GgmlType type = GgmlType::kF32;
  /// Writes the new data, exactly as many bytes as `type` and the tensor's shape need; called once, in file
  /// order.
  std::function<Result<void>(std::span<std::byte> out)> fill;
};

struct GgufRewrite {
  std::vector<TensorReplacement> replacements;
  std::vector<GgufMetadata> set_metadata;  ///< replaced in place, or appended in this order
};

/// Where a rewritten tensor lies, for those who patch it later.
struct GgufLayout {
  uint64_t file_bytes = 0;
  uint64_t data_offset = 0;         ///< of the data section, in bytes from the start of the file
  std::vector<TensorInfo> tensors;  ///< with the new types, offsets and sizes
};

/// The layout that write_gguf() would produce, without writing.
Result<GgufLayout> plan_rewrite(const GgufFile& source, const GgufRewrite& rewrite);

/// Writes `source` with the changes of `rewrite`, through a sink that takes consecutive pieces of the file.
/// With an empty rewrite the pieces add up to the source's bytes.
Result<GgufLayout> write_gguf(const GgufFile& source, const GgufRewrite& rewrite,
                              const std::function<Result<void>(std::span<const std::byte>)>& sink);

/// What write_gguf_file() would refuse before it writes, for those who work long before: an existing `path`
/// unless `overwrite`, a folder that cannot be written to, the source itself.
Result<void> check_gguf_output(const GgufFile& source, const std::filesystem::path& path, bool overwrite);

/// The same as write_gguf() into a file: temporary file, fsync, rename.
Result<GgufLayout> write_gguf_file(const GgufFile& source, const GgufRewrite& rewrite,
                                   const std::filesystem::path& path, bool overwrite);

/// One tensor of a file that has no source.
struct NewTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::vector<uint64_t> shape;      ///< ggml's order: shape[0] is the row length
  std::span<const std::byte> data;  ///< exactly as many bytes as `type` and `shape` need
};

/// A new GGUF file (version 3, data aligned to 32 bytes), written like write_gguf_file()'s. kUsage for names
/// that stand twice or are too long, and for data of another size than their shape's.
Result<GgufLayout> write_new_gguf_file(std::span<const GgufMetadata> metadata,
                                       std::span<const NewTensor> tensors, const std::filesystem::path& path,
                                       bool overwrite);

}  // namespace fqlab
