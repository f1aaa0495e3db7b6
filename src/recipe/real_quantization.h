// Real quantization of one tensor: what a file would hold, and how far its values moved.
#pragma once

#include <cstddef>
#include <vector>

#include "fqlab/recipe.h"

namespace fqlab {

struct StoredTensor {
  TensorInfo source;
  GgmlType type = GgmlType::kF32;
  std::vector<std::byte> bytes;
  QuantizeCounts counts;
  double relative_mse = 0;  ///< sum (q-x)^2 / sum x^2
  double energy = 0;        ///< sum x^2
};

/// Stores a tensor in the ggml type of a `gguf:` format, as llama-quantize does: the same bytes. Errors are
/// those of apply(); kUsage for a format that is no ggml type.
Result<StoredTensor> quantize(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                              int threads);

}  // namespace fqlab
