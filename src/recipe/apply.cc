// Fake-quantizes one tensor of a file and says how far the values moved.
#include <algorithm>

#include "formats/format_details.h"
#include "fqlab/recipe.h"
#include "fqlab/weight_damage.h"
#include "recipe/importance.h"
#include "recipe/tensor_stream.h"

namespace fqlab {
namespace {

// Each matrix of a tensor of experts has an importance of its own.
Result<QuantizeCounts> quantize_matrices(const FormatSpec& format, std::span<const float> in,
                                         std::span<float> out, uint64_t columns,
                                         std::span<const float> importance, int threads) {
  if (importance.empty() || columns == 0) return fake_quantize(format, in, out, columns, {threads, {}});
  const uint64_t matrices = importance.size() / columns, size = in.size() / matrices;
  QuantizeCounts sum;
  for (uint64_t i = 0; i < matrices; ++i) {
    auto counts = fake_quantize(format, in.subspan(i * size, size), out.subspan(i * size, size), columns,
                                {threads, importance_of(importance, i, columns)});
    if (!counts) return counts;
    sum += *counts;
  }
  return sum;
}

}  // namespace

Result<std::vector<float>> importance_for(const FormatSpec& format, const TensorInfo& tensor) {
  const std::string& path = format.details().imatrix_file;
  if (path.empty()) return std::vector<float>();
  const Result<ImportanceMatrix> matrix = ImportanceMatrix::open(path);
  if (!matrix) return tl::unexpected(matrix.error());
  return matrix->importance(tensor);
}

Result<ChangedTensor> apply(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                            int threads) {
  Result<std::vector<float>> original = file.read_floats(tensor);
  if (!original) return tl::unexpected(original.error());
  const Result<std::vector<float>> importance = importance_for(format, tensor);
  if (!importance) return tl::unexpected(importance.error());
  std::vector<float> values(original->size());
  const Result<QuantizeCounts> counts =
      quantize_matrices(format, *original, values, tensor.columns(), *importance, threads);
  if (!counts) {
    Error error = counts.error();
    error.where = tensor.name + (error.where.empty() ? "" : ", " + error.where);
    return tl::unexpected(std::move(error));
  }
  const Distortion distance = distortion(*original, values);
  return ChangedTensor{tensor, format, *counts, distance, std::move(*original), std::move(values)};
}

}  // namespace fqlab
