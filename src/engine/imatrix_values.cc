#include "engine/imatrix_values.h"

#include <ggml.h>

#include "base/text.h"
#include "fqlab/importance_matrix.h"
#include "fqlab/quantizer.h"

namespace fqlab {
namespace {

/// llama-quantize cuts these texts here. No more than whole characters are kept.
constexpr size_t kLongestText = 127;

/// The last name of a path, for that of a folder too: a file that is passed on says nothing of its maker's
/// disk.
std::string last_name(const std::string& text) {
  std::string name = file_name_of(text);
  if (name.size() <= kLongestText) return name;
  size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  return name.substr(0, end);
}

}  // namespace

Result<ImatrixValues> read_imatrix(const GgufFile& model, const std::filesystem::path& path) {
  ImatrixValues entries;
  if (path.empty()) return entries;
  const Result<ImportanceMatrix> matrix = ImportanceMatrix::open(path);
  if (!matrix) return tl::unexpected(matrix.error());
  if (Result<void> goes = matrix->goes_with(model); !goes) return tl::unexpected(goes.error());
  for (const std::string& name : matrix->tensors()) {
    Result<std::vector<float>> values = matrix->importance(*model.find_tensor(name));
    if (!values) return tl::unexpected(values.error());
    entries.emplace(name, std::move(*values));
  }
  return entries;
}

Result<std::vector<GgufMetadata>> quantization_metadata(const GgufFile& source,
                                                        const std::filesystem::path& imatrix) {
  constexpr uint32_t kAnyFileType = 7;
  std::vector<GgufMetadata> metadata = {
      {"general.quantization_version", static_cast<uint32_t>(GGML_QNT_VERSION)},
      {"general.file_type", kAnyFileType}};
  if (imatrix.empty()) return metadata;
  const Result<ImportanceMatrix> matrix = ImportanceMatrix::open(imatrix);
  if (!matrix) return tl::unexpected(matrix.error());
  if (Result<void> goes = matrix->goes_with(source); !goes) return tl::unexpected(goes.error());
  const ImportanceSource computed_on = matrix->source();
  metadata.push_back({"quantize.imatrix.file", last_name(imatrix.string())});
  if (!computed_on.datasets.empty() && !last_name(computed_on.datasets.front()).empty())
    metadata.push_back({"quantize.imatrix.dataset", last_name(computed_on.datasets.front())});
  metadata.push_back({"quantize.imatrix.entries_count", static_cast<uint32_t>(matrix->tensors().size())});
  if (computed_on.chunks > 0)
    metadata.push_back({"quantize.imatrix.chunks_count", static_cast<uint32_t>(computed_on.chunks)});
  return metadata;
}

}  // namespace fqlab
