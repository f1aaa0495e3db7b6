// Fake-quantizes one tensor of a file and says how far the values moved.
#include <algorithm>

#include "formats/format_details.h"
#include "fqlab/recipe.h"
#include "fqlab/weight_damage.h"
#include "recipe/importance.h"
#include "recipe/tensor_stream.h"

namespace fqlab {

Result<std::optional<ImportanceMatrix>> imatrix_of(const GgufFile& file, const FormatSpec& format) {
  const std::string& path = format.details().imatrix_file;
  if (path.empty()) return std::nullopt;
  Result<ImportanceMatrix> matrix = ImportanceMatrix::open(path);
  if (!matrix) return tl::unexpected(matrix.error());
  if (Result<void> fits = matrix->fits_equalized(file); !fits) return tl::unexpected(fits.error());
  return std::move(*matrix);
}

Result<std::vector<float>> importance_for(const GgufFile& file, const FormatSpec& format,
                                          const TensorInfo& tensor) {
  const Result<std::optional<ImportanceMatrix>> matrix = imatrix_of(file, format);
  if (!matrix) return tl::unexpected(matrix.error());
  return *matrix ? (*matrix)->importance(tensor) : std::vector<float>();
}

Result<ChangedTensor> apply(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                            int threads) {
  Result<std::vector<float>> original = file.read_floats(tensor);
  if (!original) return tl::unexpected(original.error());
  const Result<std::vector<float>> importance = importance_for(file, format, tensor);
  if (!importance) return tl::unexpected(importance.error());
  std::vector<float> values(original->size());
  const Result<QuantizeCounts> counts =
      fake_quantize_tensor(format, tensor, *original, values, *importance, threads);
  if (!counts) return tl::unexpected(naming(tensor, counts.error()));
  const Distortion distance = distortion(*original, values);
  return ChangedTensor{tensor, format, *counts, distance, std::move(*original), std::move(values)};
}

}  // namespace fqlab
