// Reads llama.cpp's imatrix files (general.type = "imatrix"; per tensor NAME.in_sum2 and NAME.counts).
#include <cmath>

#include "fqlab/weight_damage.h"

namespace fqlab {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

}  // namespace

Result<ImportanceMatrix> ImportanceMatrix::open(const std::string& path) {
  Result<GgufFile> file = GgufFile::open(path);
  if (!file) {
    Error error = file.error();
    error.hint =
        "an imatrix is a GGUF file of llama-imatrix; convert older .dat files with llama-imatrix --in-file";
    return tl::unexpected(std::move(error));
  }
  if (file->metadata_string("general.type") != "imatrix")
    return fail(ErrorCode::kInput, "this GGUF file is no imatrix (general.type)", path,
                "make one with llama-imatrix -m MODEL -f TEXT -o FILE.gguf");
  for (const TensorInfo& tensor : file->tensors()) {
    const bool sums = tensor.name.ends_with(kSums);
    if (!sums && !tensor.name.ends_with(kCounts)) continue;
    const std::string base = tensor.name.substr(0, tensor.name.size() - (sums ? kSums : kCounts).size());
    const TensorInfo* other = file->find_tensor(base + std::string(sums ? kCounts : kSums));
    if (other == nullptr || tensor.type != GgmlType::kF32)
      return fail(ErrorCode::kInput, "the imatrix entry is not a pair of F32 tensors in_sum2 and counts",
                  path + ", " + tensor.name, "compute the imatrix again");
  }
  return ImportanceMatrix(std::move(*file));
}

Result<std::vector<float>> ImportanceMatrix::importance(const TensorInfo& tensor) const {
  const TensorInfo* sums_info = file_.find_tensor(tensor.name + std::string(kSums));
  if (sums_info == nullptr) return std::vector<float>();
  const TensorInfo* counts_info = file_.find_tensor(tensor.name + std::string(kCounts));
  Result<std::vector<float>> sums = file_.read_floats(*sums_info);
  if (!sums) return sums;
  const Result<std::vector<float>> counts = file_.read_floats(*counts_info);
  if (!counts) return counts;
  const uint64_t columns = tensor.columns(), matrices = counts->size();
  const uint64_t rows = columns == 0 ? 0 : tensor.values() / columns;
  if (matrices == 0 || rows % matrices != 0 || sums->size() != columns * matrices)
    return fail(ErrorCode::kUsage,
                std::to_string(sums->size()) + " numbers of the imatrix do not fit rows of " +
                    std::to_string(columns) + " values",
                tensor.name, "take the imatrix of this model");
  for (uint64_t i = 0; i < sums->size(); ++i) {
    const float count = std::round((*counts)[i / columns]);  // llama.cpp keeps them as integers
    float& value = (*sums)[i];
    value = count > 0 ? value / count : 1;
    if (!std::isfinite(value) || value < 0)
      return fail(ErrorCode::kInput, "the imatrix holds a number that is no mean square", sums_info->name,
                  "compute the imatrix again");
  }
  return sums;
}

}  // namespace fqlab
