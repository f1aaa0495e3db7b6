// An imatrix as llama-quantize reads it, for one model.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// Tensor name -> one mean square for each column of each of its matrices.
using ImatrixValues = std::map<std::string, std::vector<float>>;

/// The entries; none for an empty path. kInput for an imatrix of another model
/// (ImportanceMatrix::goes_with()).
Result<ImatrixValues> read_imatrix(const GgufFile& model, const std::filesystem::path& path);

}  // namespace fqlab
