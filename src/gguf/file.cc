// Opening a GGUF file and looking things up in it.
#include <limits>
#include <unordered_map>

#include "base/file_map.h"
#include "fqlab/gguf.h"
#include "gguf/header.h"

namespace fqlab {

struct GgufFile::State {
  std::filesystem::path path;
  FileMap map;
  GgufHeader header;
  std::unordered_map<std::string_view, const GgufValue*> values;
  std::unordered_map<std::string_view, const TensorInfo*> tensors;
};

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  Result<FileMap> map = FileMap::open(path);
  if (!map) return tl::unexpected(map.error());
  Result<GgufHeader> header = parse_header(map->bytes());
  if (!header) {
    Error error = header.error();
    error.where = path.string() + ", " + error.where;
    return tl::unexpected(std::move(error));
  }
  auto state = std::make_shared<State>(State{path, std::move(*map), std::move(*header), {}, {}});
  for (const GgufMetadata& entry : state->header.metadata) state->values.emplace(entry.key, &entry.value);
  for (const TensorInfo& tensor : state->header.tensors) state->tensors.emplace(tensor.name, &tensor);
  return GgufFile(std::move(state));
}

const std::filesystem::path& GgufFile::path() const { return state_->path; }
std::span<const std::byte> GgufFile::bytes() const { return state_->map.bytes(); }
void GgufFile::forget_pages() const { state_->map.forget_pages(); }
uint64_t GgufFile::file_bytes() const { return bytes().size(); }
uint64_t GgufFile::parameters() const {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : tensors()) sum += tensor.values();
  return sum;
}
uint32_t GgufFile::version() const { return state_->header.version; }
uint64_t GgufFile::alignment() const { return state_->header.alignment; }
uint64_t GgufFile::data_offset() const { return state_->header.data_offset; }
std::span<const GgufMetadata> GgufFile::metadata() const { return state_->header.metadata; }
std::span<const TensorInfo> GgufFile::tensors() const { return state_->header.tensors; }

const GgufValue* GgufFile::find_metadata(std::string_view key) const {
  const auto found = state_->values.find(key);
  return found == state_->values.end() ? nullptr : found->second;
}

const TensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto found = state_->tensors.find(name);
  return found == state_->tensors.end() ? nullptr : found->second;
}

std::optional<uint64_t> GgufFile::metadata_uint(std::string_view key) const {
  const GgufValue* value = find_metadata(key);
  if (value == nullptr) return std::nullopt;
  return std::visit(
      [](const auto& number) -> std::optional<uint64_t> {
        using T = std::decay_t<decltype(number)>;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
          if (number >= 0) return static_cast<uint64_t>(number);
        }
        return std::nullopt;
      },
      *value);
}

std::optional<std::string> GgufFile::metadata_string(std::string_view key) const {
  const GgufValue* value = find_metadata(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::nullopt : std::optional(*text);
}

std::string GgufFile::architecture() const { return metadata_string("general.architecture").value_or(""); }

std::span<const std::byte> GgufFile::data(const TensorInfo& tensor) const {
  return bytes().subspan(data_offset() + tensor.offset, tensor.bytes);
}

Result<std::vector<float>> GgufFile::read_floats(const TensorInfo& tensor) const {
  std::vector<float> values(tensor.values());
  if (Result<void> decoded = decode(tensor.type, data(tensor), values); !decoded) {
    Error error = decoded.error();
    error.where = tensor.name;
    return tl::unexpected(std::move(error));
  }
  return values;
}

}  // namespace fqlab
