// Writes a GGUF file that has no source.
#include <algorithm>
#include <unordered_set>

#include "base/atomic_file.h"
#include "fqlab/gguf.h"
#include "gguf/header.h"
#include "gguf/names.h"
#include "gguf/new_header.h"

namespace fqlab {
namespace {

constexpr uint32_t kVersion = 3;
constexpr uint64_t kAlignment = 32;  // what readers take where no metadata says otherwise

/// A name that stands in the file once.
Result<void> take_name(const std::string& name, size_t longest, const char* of,
                       std::unordered_set<std::string_view>& taken) {
  if (std::string problem = name_problem(name, longest); !problem.empty())
    return fail(ErrorCode::kUsage, std::string(of) + " cannot have " + problem, in_quotes(name));
  if (!taken.insert(name).second)
    return fail(ErrorCode::kUsage, std::string(of) + " stands twice", in_quotes(name));
  return {};
}

Result<std::vector<TensorInfo>> lay_out(std::span<const NewTensor> tensors) {
  std::vector<TensorInfo> placed;
  std::unordered_set<std::string_view> names;
  uint64_t offset = 0;
  for (const NewTensor& tensor : tensors) {
    if (Result<void> taken = take_name(tensor.name, kLongestTensorName, "a tensor", names); !taken)
      return tl::unexpected(taken.error());
    TensorInfo info{tensor.name, tensor.type, tensor.shape, offset, 0};
    if (info.shape.empty() || info.shape.size() > kMostDimensions || std::ranges::count(info.shape, 0u) > 0)
      return fail(ErrorCode::kUsage, "a tensor has 1 to 4 dimensions, none of size 0", tensor.name);
    const Result<uint64_t> bytes = stored_bytes(info, info.type);
    if (!bytes) return tl::unexpected(bytes.error());
    if (tensor.data.size() != *bytes)
      return fail(ErrorCode::kUsage,
                  std::to_string(tensor.data.size()) + " bytes for a tensor of " + std::to_string(*bytes),
                  tensor.name);
    info.bytes = *bytes;
    offset += align_up(*bytes, kAlignment);
    placed.push_back(std::move(info));
  }
  return placed;
}

}  // namespace

Result<GgufLayout> write_new_gguf_file(std::span<const GgufMetadata> metadata,
                                       std::span<const NewTensor> tensors, const std::filesystem::path& path,
                                       bool overwrite) {
  std::unordered_set<std::string_view> keys;
  for (const GgufMetadata& entry : metadata) {
    if (Result<void> taken = take_name(entry.key, kLongestKey, "a metadata key", keys); !taken)
      return tl::unexpected(taken.error());
    if (entry.key == "general.alignment")
      return fail(ErrorCode::kUsage, "a new file has the usual alignment", entry.key);
  }
  Result<std::vector<TensorInfo>> placed = lay_out(tensors);
  if (!placed) return tl::unexpected(placed.error());
  Result<std::string> header = header_text(kVersion, metadata, *placed);
  if (!header) return tl::unexpected(header.error());
  header->resize(align_up(header->size(), kAlignment), '\0');

  Result<AtomicFile> file = AtomicFile::create(path, overwrite ? Existing::kReplace : Existing::kRefuse);
  if (!file) return tl::unexpected(file.error());
  const GgufSink sink = [&](std::span<const std::byte> piece) { return file->write(piece); };
  GgufLayout layout{header->size(), header->size(), std::move(*placed)};
  if (Result<void> written = sink(std::as_bytes(std::span(*header))); !written)
    return tl::unexpected(written.error());
  for (const NewTensor& tensor : tensors) {
    const uint64_t padded = align_up(tensor.data.size(), kAlignment);
    Result<void> written = sink(tensor.data);
    if (written) written = write_zeros(padded - tensor.data.size(), sink);
    if (!written) return tl::unexpected(written.error());
    layout.file_bytes += padded;
  }
  if (Result<void> committed = file->commit(); !committed) return tl::unexpected(committed.error());
  return layout;
}

}  // namespace fqlab
