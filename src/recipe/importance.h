// The importance of a tensor's columns, as a format names it.
#pragma once

#include <optional>
#include <vector>

#include "fqlab/importance_matrix.h"
#include "fqlab/recipe.h"

namespace fqlab {

/// The imatrix that the format names; none where it names none. Errors are those of ImportanceMatrix, and
/// where it is of `file` before it was equalized.
Result<std::optional<ImportanceMatrix>> imatrix_of(const GgufFile& file, const FormatSpec& format);

/// From that imatrix, one number a column of each matrix; empty where it names none or
/// the imatrix has no entry for the tensor.
Result<std::vector<float>> importance_for(const GgufFile& file, const FormatSpec& format,
                                          const TensorInfo& tensor);

}  // namespace fqlab
