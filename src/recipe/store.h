// Stores float32 values in the wide types of GGUF files.
#pragma once

#include <cstddef>
#include <span>

#include "fqlab/ggml_type.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// The type in which `tensor` is stored when F32, F16 or BF16 is wanted: norms, biases, and the convolutions,
/// states and small matrices of recurrent layers stay F32, because llama.cpp aborts on others.
GgmlType storage_type(const TensorInfo& tensor, GgmlType wanted);

/// Stores values as F32, F16 or BF16; `out` has exactly their bytes. kUsage where a value would change (NaN
/// stays NaN).
Result<void> store_exactly(GgmlType type, std::span<const float> values, std::span<std::byte> out);

}  // namespace fqlab
