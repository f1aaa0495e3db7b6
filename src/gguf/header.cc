#include "gguf/header.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "gguf/cursor.h"
#include "gguf/names.h"
#include "gguf/value.h"

namespace fqlab {
namespace {

constexpr uint64_t kMetadataMemory = uint64_t{256} << 20;
constexpr char kTruncated[] = "the file is truncated or damaged: compare its size with the download page";

// What people give instead of a GGUF file, by its first bytes.
std::string what_it_is_instead(std::string_view start) {
  const auto begins = [&](std::string_view with) { return start.substr(0, with.size()) == with; };
  if (start.empty()) return "the file is empty";
  if (begins("version https://git-lfs"))
    return "this is a Git LFS pointer, not the model: fetch it with git lfs pull";
  if (begins("PK\x03\x04"))
    return "this is a zip or PyTorch file: convert it with llama.cpp's convert_hf_to_gguf.py";
  if (begins("lmgg") || begins("fmgg") || begins("tjgg") || begins("algg"))
    return "this is a model of llama.cpp's time before GGUF: convert the original model again";
  if (start.size() > 9 && start.substr(8, 2) == "{\"")
    return "this looks like a safetensors file: convert it with llama.cpp's convert_hf_to_gguf.py";
  const auto is_text = [](char c) {
    return static_cast<unsigned char>(c) >= 32 || c == '\n' || c == '\r' || c == '\t';
  };
  if (std::ranges::all_of(start, is_text)) return "this is a text file: give the path of a .gguf model";
  return "give the path of a .gguf model";
}

class Parser {
 public:
  explicit Parser(std::span<const std::byte> bytes)
      : bytes_(bytes), cursor_(bytes), memory_(kMetadataMemory) {}

  Result<GgufHeader> parse() {
    uint64_t tensor_count = 0, metadata_count = 0;
    read_start(tensor_count, metadata_count);
    for (uint64_t i = 0; i < metadata_count && cursor_.ok(); ++i) read_metadata(i);
    if (cursor_.ok()) read_alignment();
    if (cursor_.ok()) refuse_split();
    for (uint64_t i = 0; i < tensor_count && cursor_.ok(); ++i) read_tensor(i);
    if (cursor_.ok()) check_data();
    if (!cursor_.ok()) return tl::unexpected(cursor_.error());
    return std::move(header_);
  }

 private:
  void read_start(uint64_t& tensor_count, uint64_t& metadata_count) {
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()),
                                std::min<size_t>(bytes_.size(), 64));
    if (text.substr(0, 4) != "GGUF")
      return cursor_.fail("not a GGUF file", "magic", 0, what_it_is_instead(text));
    cursor_.read<uint32_t>("magic");
    header_.version = cursor_.read<uint32_t>("version");
    if (cursor_.ok() && (header_.version & 0xffff) == 0 && header_.version != 0)
      cursor_.fail("the file is big-endian", "version", 4,
                   "convert it: gguf-py's gguf_convert_endian.py MODEL little");
    if (cursor_.ok() && header_.version == 1)
      cursor_.fail("GGUF version 1 is not supported", "version", 4,
                   "convert the original model again with a current llama.cpp");
    if (cursor_.ok() && header_.version != 2 && header_.version != 3)
      cursor_.fail("GGUF version " + std::to_string(header_.version) + " is not supported; 2 and 3 are",
                   "version", 4);
    tensor_count = read_count("tensor count", kLeastTensorBytes);
    metadata_count = read_count("metadata count", kLeastMetadataBytes);
  }

  uint64_t read_count(std::string_view field, uint64_t least_bytes) {
    const uint64_t at = cursor_.offset();
    const auto count = cursor_.read<uint64_t>(field);
    if (count > bytes_.size() / least_bytes)
      cursor_.fail(std::to_string(count) + " entries do not fit into the file", field, at, kTruncated);
    return count;
  }

  std::string read_name(std::string_view field, size_t longest, std::unordered_set<std::string>& seen) {
    const uint64_t at = cursor_.offset();
    std::string name = cursor_.string(field);
    if (!cursor_.ok()) return name;
    if (std::string problem = name_problem(name, longest); !problem.empty()) cursor_.fail(problem, field, at);
    if (!seen.insert(name).second) cursor_.fail("the name " + in_quotes(name) + " stands twice", field, at);
    return name;
  }

  void charge(uint64_t bytes, std::string_view field) {
    if (bytes > memory_)
      return cursor_.fail("the header needs more memory than the file has bytes", field, cursor_.offset());
    memory_ -= bytes;
  }

  void read_metadata(uint64_t index) {
    std::string key = read_name("key of metadata entry " + std::to_string(index), kLongestKey, keys_);
    const uint64_t at = cursor_.offset();
    const std::string field = "metadata " + in_quotes(key);
    const auto type = cursor_.read<uint32_t>(field + "'s type");
    if (type >= kGgufTypes) cursor_.fail("unknown metadata type " + std::to_string(type), field, at);
    if (!cursor_.ok()) return;
    charge(sizeof(GgufMetadata) + sizeof(std::string), field);
    value_offsets_.push_back(cursor_.offset());
    header_.metadata.push_back({std::move(key), read_value(cursor_, type, field, memory_)});
  }

  // Index of a metadata entry, or their number where there is none.
  size_t find(std::string_view key) const {
    return static_cast<size_t>(std::ranges::find(header_.metadata, key, &GgufMetadata::key) -
                               header_.metadata.begin());
  }

  void read_alignment() {
    const size_t index = find("general.alignment");
    if (index == header_.metadata.size()) return;
    const auto* alignment = std::get_if<uint32_t>(&header_.metadata[index].value);
    const uint64_t at = value_offsets_[index];
    if (alignment == nullptr)
      return cursor_.fail("the alignment must be a 32-bit unsigned integer", "general.alignment", at);
    if (!std::has_single_bit(*alignment))
      return cursor_.fail("the alignment must be a power of two, not " + std::to_string(*alignment),
                          "general.alignment", at);
    header_.alignment = *alignment;
  }

  void refuse_split() {
    const size_t index = find("split.count");
    if (index == header_.metadata.size()) return;
    const auto* count = std::get_if<uint16_t>(&header_.metadata[index].value);
    if (count != nullptr && *count > 1)
      cursor_.fail("the model is split into " + std::to_string(*count) + " files", "split.count",
                   value_offsets_[index],
                   "join them first: llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf");
  }

  void read_tensor(uint64_t index) {
    TensorInfo tensor;
    tensor.name = read_name("name of tensor " + std::to_string(index), kLongestTensorName, names_);
    const std::string field = "tensor " + in_quotes(tensor.name);
    uint64_t at = cursor_.offset();
    const auto dimensions = cursor_.read<uint32_t>(field + "'s dimension count");
    if (dimensions > kMostDimensions)
      cursor_.fail(std::to_string(dimensions) + " dimensions; at most 4 are allowed", field, at);
    uint64_t values = 1;
    for (uint32_t i = 0; i < dimensions && cursor_.ok(); ++i) {
      at = cursor_.offset();
      tensor.shape.push_back(cursor_.read<uint64_t>(field + "'s dimension"));
      if (cursor_.ok() && tensor.shape.back() == 0) cursor_.fail("a dimension of size 0", field, at);
      if (cursor_.ok() &&
          (tensor.shape.back() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / values))
        cursor_.fail("the shape has more values than 64 bits can count", field, at);
      if (cursor_.ok()) values *= tensor.shape.back();
    }
    at = cursor_.offset();
    tensor.type = static_cast<GgmlType>(cursor_.read<uint32_t>(field + "'s type"));
    if (cursor_.ok()) check_type(tensor, values, field, at);
    offset_fields_.push_back(cursor_.offset());
    tensor.offset = cursor_.read<uint64_t>(field + "'s data offset");
    charge(sizeof(TensorInfo) + sizeof(std::string), field);
    header_.tensors.push_back(std::move(tensor));
  }

  void check_type(TensorInfo& tensor, uint64_t values, const std::string& field, uint64_t at) {
    const GgmlTypeInfo* info = ggml_type_info(tensor.type);
    if (info == nullptr)
      return cursor_.fail("unknown tensor type " + std::to_string(static_cast<uint32_t>(tensor.type)), field,
                          at, "the file may be newer than this version of fqlab, or damaged");
    if (tensor.columns() % info->block_elements != 0)
      return cursor_.fail("a row of " + std::to_string(tensor.columns()) + " values is no multiple of " +
                              std::string(info->name) + "'s block of " + std::to_string(info->block_elements),
                          field, at);
    const uint64_t blocks = values / info->block_elements;
    if (blocks > bytes_.size() / info->block_bytes)
      return cursor_.fail("the tensor is larger than the file", field, at, kTruncated);
    tensor.bytes = blocks * info->block_bytes;
  }

  // ggml lays tensors out in the order of their entries, each padded to the alignment. All sums stay below
  // 2^64: each size is at most the file's, and the loop stops at the file's end.
  void check_data() {
    const uint64_t header_end = cursor_.offset();
    header_.data_offset = header_.tensors.empty() ? header_end : align_up(header_end, header_.alignment);
    uint64_t expected = 0, end = header_end;
    for (size_t i = 0; i < header_.tensors.size(); ++i) {
      const TensorInfo& tensor = header_.tensors[i];
      const std::string field = "offset of tensor " + in_quotes(tensor.name);
      if (tensor.offset % header_.alignment != 0)
        return cursor_.fail("data offset " + std::to_string(tensor.offset) +
                                " is no multiple of the alignment " + std::to_string(header_.alignment),
                            field, offset_fields_[i]);
      if (tensor.offset != expected)
        return cursor_.fail(
            "data offset " + std::to_string(tensor.offset) +
                (tensor.offset < expected ? " overlaps the tensor before it; " : " leaves a gap; ") +
                std::to_string(expected) + " is expected",
            field, offset_fields_[i]);
      end = header_.data_offset + tensor.offset + tensor.bytes;
      if (end > bytes_.size())
        return cursor_.fail("the tensor's data end at byte " + std::to_string(end) + ", the file at byte " +
                                std::to_string(bytes_.size()),
                            field, offset_fields_[i], kTruncated);
      expected = tensor.offset + align_up(tensor.bytes, header_.alignment);
    }
    const uint64_t padded_end =
        header_.tensors.empty() ? align_up(end, header_.alignment) : header_.data_offset + expected;
    if (bytes_.size() != end && bytes_.size() != padded_end)
      cursor_.fail("the data end at byte " + std::to_string(padded_end) + ", the file at byte " +
                       std::to_string(bytes_.size()),
                   "end of file", std::min<uint64_t>(bytes_.size(), padded_end),
                   "the file is damaged, or something was appended to it");
  }

  std::span<const std::byte> bytes_;
  Cursor cursor_;
  uint64_t memory_;
  GgufHeader header_;
  std::unordered_set<std::string> keys_, names_;
  std::vector<uint64_t> value_offsets_;  // where each metadata value stands
  std::vector<uint64_t> offset_fields_;  // where each tensor's data offset stands
};

}  // namespace

Result<GgufHeader> parse_header(std::span<const std::byte> bytes) { return Parser(bytes).parse(); }

}  // namespace fqlab
