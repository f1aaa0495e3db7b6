// Reads and writes llama.cpp's imatrix files.
#include "fqlab/importance_matrix.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "gguf/value.h"

namespace fqlab {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr const char *kDatasets = "imatrix.datasets", *kChunkCount = "imatrix.chunk_count",
                     *kChunkSize = "imatrix.chunk_size";

/// How many matrices of a tensor `sums` numbers are for, one for all or each, `counts` of which are told
/// apart; 0: they do not fit.
uint64_t matrices_of(const TensorInfo& tensor, uint64_t sums, uint64_t counts) {
  const uint64_t columns = tensor.columns();
  for (const uint64_t matrices : {uint64_t{1}, tensor.matrices()})
    if (columns > 0 && sums == matrices * columns && (counts == 1 || counts == matrices)) return matrices;
  return 0;
}

std::string base_name(std::string_view name) {
  return std::string(name.substr(0, name.size() - (name.ends_with(kSums) ? kSums : kCounts).size()));
}

Error of_another_model(std::string what, const std::filesystem::path& path) {
  return {ErrorCode::kInput, "the imatrix is of another model: " + std::move(what), path.string(),
          "take the imatrix of this model, or make one: fqlab imatrix MODEL --corpus TEXT -o FILE"};
}

std::set<int> layers_of(std::span<const std::string> names) {
  std::set<int> layers;
  for (const std::string& name : names)
    if (const std::optional<int> layer = parse_tensor_name(name).layer) layers.insert(*layer);
  return layers;
}

/// As ggml writes shapes: without a last dimension of size 1.
std::vector<uint64_t> shape_of(uint64_t columns, uint64_t rows) {
  return rows == 1 ? std::vector<uint64_t>{columns} : std::vector<uint64_t>{columns, rows};
}

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

Result<ImportanceMatrix> ImportanceMatrix::open(const std::filesystem::path& path) {
  Result<GgufFile> file = GgufFile::open(path);
  if (!file) {
    Error error = file.error();
    if (error.code == ErrorCode::kInput)
      error.hint =
          "an imatrix is a GGUF file of llama-imatrix; convert older .dat files with llama-imatrix --in-file";
    return tl::unexpected(std::move(error));
  }
  if (file->metadata_string("general.type") != "imatrix")
    return fail(ErrorCode::kInput, "this GGUF file is no imatrix (general.type)", path.string(),
                "make one: fqlab imatrix MODEL --corpus TEXT -o FILE");
  for (const TensorInfo& tensor : file->tensors()) {
    const bool sums = tensor.name.ends_with(kSums);
    if (!sums && !tensor.name.ends_with(kCounts)) continue;
    const TensorInfo* other = file->find_tensor(base_name(tensor.name) + std::string(sums ? kCounts : kSums));
    if (other == nullptr || tensor.type != GgmlType::kF32)
      return fail(ErrorCode::kInput, "the imatrix entry is not a pair of F32 tensors in_sum2 and counts",
                  path.string() + ", " + tensor.name, "compute the imatrix again");
  }
  return ImportanceMatrix(std::move(*file));
}

ImportanceSource ImportanceMatrix::source() const {
  ImportanceSource source;
  source.chunks = file_.metadata_uint(kChunkCount).value_or(0);
  source.tokens_per_chunk = file_.metadata_uint(kChunkSize).value_or(0);
  const GgufValue* value = file_.find_metadata(kDatasets);
  const auto* array = value == nullptr ? nullptr : std::get_if<std::shared_ptr<const GgufArray>>(value);
  if (array == nullptr) return source;
  for (const GgufValue& element : (*array)->elements)
    if (const auto* name = std::get_if<std::string>(&element)) source.datasets.push_back(*name);
  return source;
}

std::vector<std::string> ImportanceMatrix::tensors() const {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : file_.tensors())
    if (tensor.name.ends_with(kSums)) names.push_back(base_name(tensor.name));
  return names;
}

bool ImportanceMatrix::has(std::string_view tensor) const {
  return file_.find_tensor(std::string(tensor) + std::string(kSums)) != nullptr;
}

Result<std::vector<float>> ImportanceMatrix::importance(const TensorInfo& tensor) const {
  const TensorInfo* sums_info = file_.find_tensor(tensor.name + std::string(kSums));
  if (sums_info == nullptr) return std::vector<float>();
  Result<std::vector<float>> sums = file_.read_floats(*sums_info);
  if (!sums) return sums;
  Result<std::vector<float>> counts =
      file_.read_floats(*file_.find_tensor(tensor.name + std::string(kCounts)));
  if (!counts) return counts;
  const uint64_t matrices = matrices_of(tensor, sums->size(), counts->size());
  if (matrices == 0)
    return fail(ErrorCode::kUsage,
                std::to_string(sums->size()) + " numbers of the imatrix do not fit rows of " +
                    std::to_string(tensor.columns()) + " values",
                tensor.name, "take the imatrix of this model");
  const uint64_t numbers_a_count = sums->size() / counts->size();
  for (uint64_t i = 0; i < sums->size(); ++i) {
    const float count = std::round((*counts)[i / numbers_a_count]);  // llama.cpp keeps them as integers
    float& value = (*sums)[i];
    value = count > 0 ? value / count : 1;
    if (!std::isfinite(value) || value < 0)
      return fail(ErrorCode::kInput, "the imatrix holds a number that is no mean square", sums_info->name,
                  "compute the imatrix again");
  }
  return sums;
}

Result<void> ImportanceMatrix::fits_equalized(const GgufFile& model) const {
  const std::optional<std::string> before = model.metadata_string(kEqualizedFrom);
  if (!before || before != file_.metadata_string(kImatrixSource)) return {};
  return fail(ErrorCode::kInput, "the imatrix is of the model before it was equalized", path().string(),
              "make one of the equalized model: fqlab imatrix EQUALIZED.gguf --corpus TEXT -o FILE");
}

Result<void> ImportanceMatrix::goes_with(const GgufFile& model) const {
  if (Result<void> fits = fits_equalized(model); !fits) return fits;
  const std::vector<std::string> known = tensors();
  for (const std::string& name : known) {
    const TensorInfo* tensor = model.find_tensor(name);
    if (tensor == nullptr) return tl::unexpected(of_another_model("the model has no tensor " + name, path()));
    const uint64_t sums = file_.find_tensor(name + std::string(kSums))->values();
    const uint64_t counts = file_.find_tensor(name + std::string(kCounts))->values();
    if (matrices_of(*tensor, sums, counts) == 0)
      return tl::unexpected(of_another_model(std::to_string(sums) + " numbers for " + name +
                                                 ", whose rows have " + std::to_string(tensor->columns()) +
                                                 " values",
                                             path()));
  }
  std::vector<std::string> matrices;
  for (const TensorInfo& tensor : model.tensors())
    if (tensor.is_matrix()) matrices.push_back(tensor.name);
  const std::set<int> of_model = layers_of(matrices), of_imatrix = layers_of(known);
  // Layers that only guess further tokens are never computed.
  const uint64_t never_computed =
      model.metadata_uint(model.architecture() + ".nextn_predict_layers").value_or(0);
  if (known.empty() || of_imatrix.size() + never_computed < of_model.size())
    return tl::unexpected(of_another_model("it has entries for " + std::to_string(of_imatrix.size()) +
                                               " of " + std::to_string(of_model.size()) + " layers",
                                           path()));
  return {};
}

Result<GgufLayout> write_importance_matrix(std::vector<ActivationSquares> entries,
                                           const ImportanceSource& source, std::span<const GgufMetadata> more,
                                           const std::filesystem::path& path, bool overwrite) {
  std::ranges::sort(entries, {}, &ActivationSquares::tensor);
  std::vector<std::vector<float>> counts;  // as the file has them
  counts.reserve(entries.size());
  for (const ActivationSquares& entry : entries)
    counts.emplace_back(entry.counts.begin(), entry.counts.end());
  std::vector<NewTensor> tensors;
  for (size_t i = 0; i < entries.size(); ++i) {
    const ActivationSquares& entry = entries[i];
    const uint64_t matrices = entry.counts.size();
    if (matrices == 0 || entry.sums.empty() || entry.sums.size() % matrices != 0)
      return fail(
          ErrorCode::kUsage,
          std::to_string(entry.sums.size()) + " sums cannot have " + std::to_string(matrices) + " counts",
          entry.tensor);
    tensors.push_back({entry.tensor + std::string(kSums), GgmlType::kF32,
                       shape_of(entry.sums.size() / matrices, matrices), bytes_of(entry.sums)});
    tensors.push_back(
        {entry.tensor + std::string(kCounts), GgmlType::kF32, shape_of(1, matrices), bytes_of(counts[i])});
  }
  GgufArray datasets{static_cast<uint32_t>(GgufType::kString), {}};
  for (const std::string& name : source.datasets) datasets.elements.emplace_back(name);
  std::vector<GgufMetadata> metadata = {{"general.type", std::string("imatrix")},
                                        {kDatasets, std::make_shared<const GgufArray>(std::move(datasets))},
                                        {kChunkCount, static_cast<uint32_t>(source.chunks)},
                                        {kChunkSize, static_cast<uint32_t>(source.tokens_per_chunk)}};
  metadata.insert(metadata.end(), more.begin(), more.end());
  return write_new_gguf_file(metadata, tensors, path, overwrite);
}

}  // namespace fqlab
