#include "engine/imatrix_values.h"

#include <ggml.h>

#include <algorithm>

#include "fqlab/importance_matrix.h"
#include "fqlab/quantizer.h"

namespace fqlab {
namespace {

/// llama-quantize cuts these texts here. No more than whole characters are kept.
constexpr size_t kLongestText = 127;

/// The last name of a path, for that of a folder too: a file that is passed on says nothing of its maker's
/// disk.
std::string last_name(const std::string& text) {
  const std::filesystem::path path(text);
  std::string name = (path.has_filename() ? path : path.parent_path()).filename().string();
  if (name.size() <= kLongestText) return name;
  size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  return name.substr(0, end);
}

std::string first_dataset(const GgufFile& imatrix) {
  const GgufValue* value = imatrix.find_metadata("imatrix.datasets");
  const auto* array = value == nullptr ? nullptr : std::get_if<std::shared_ptr<const GgufArray>>(value);
  if (array == nullptr || (*array)->elements.empty()) return {};
  const auto* text = std::get_if<std::string>(&(*array)->elements.front());
  return text == nullptr ? std::string() : last_name(*text);
}

}  // namespace

Result<ImatrixValues> read_imatrix(const GgufFile& model, const std::filesystem::path& path) {
  ImatrixValues entries;
  if (path.empty()) return entries;
  const Result<ImportanceMatrix> matrix = ImportanceMatrix::open(path.string());
  if (!matrix) return tl::unexpected(matrix.error());
  for (const TensorInfo& tensor : model.tensors()) {
    Result<std::vector<float>> values = matrix->importance(tensor);
    if (!values) {
      Error error = values.error();
      error.code = ErrorCode::kInput;
      error.where = path.string() + ", " + error.where;
      return tl::unexpected(std::move(error));
    }
    if (!values->empty()) entries.emplace(tensor.name, std::move(*values));
  }
  if (entries.empty())
    return fail(ErrorCode::kInput, "the imatrix is of another model: it knows none of this model's tensors",
                path.string(), "take the imatrix of this model");
  return entries;
}

Result<std::vector<GgufMetadata>> quantization_metadata(const GgufFile& source,
                                                        const std::filesystem::path& imatrix) {
  constexpr uint32_t kAnyFileType = 7;
  std::vector<GgufMetadata> metadata = {
      {"general.quantization_version", static_cast<uint32_t>(GGML_QNT_VERSION)},
      {"general.file_type", kAnyFileType}};
  if (imatrix.empty()) return metadata;
  if (const auto fits = read_imatrix(source, imatrix); !fits) return tl::unexpected(fits.error());
  const Result<GgufFile> file = GgufFile::open(imatrix);
  if (!file) return tl::unexpected(file.error());
  const auto entries = std::ranges::count_if(
      file->tensors(), [](const TensorInfo& tensor) { return tensor.name.ends_with(".in_sum2"); });
  metadata.push_back({"quantize.imatrix.file", last_name(imatrix.string())});
  if (std::string dataset = first_dataset(*file); !dataset.empty())
    metadata.push_back({"quantize.imatrix.dataset", std::move(dataset)});
  metadata.push_back({"quantize.imatrix.entries_count", static_cast<uint32_t>(entries)});
  if (const uint64_t chunks = file->metadata_uint("imatrix.chunk_count").value_or(0); chunks > 0)
    metadata.push_back({"quantize.imatrix.chunks_count", static_cast<uint32_t>(chunks)});
  return metadata;
}

}  // namespace fqlab
