// The importance of a tensor's columns, as a format names it.
#pragma once

#include <vector>

#include "fqlab/recipe.h"

namespace fqlab {

/// From the imatrix that the format names, one number a column of each matrix; empty where it names none or
/// the imatrix has no entry for the tensor. Errors are those of ImportanceMatrix, and where
/// the imatrix is of `file` before it was equalized.
Result<std::vector<float>> importance_for(const GgufFile& file, const FormatSpec& format,
                                          const TensorInfo& tensor);

}  // namespace fqlab
