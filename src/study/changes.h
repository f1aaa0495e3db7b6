// What makes a variant: the tensors that differ from the original, with both sets of values.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/recipe.h"

namespace fqlab {

struct VariantChange {
  std::vector<ChangedTensor> tensors;  ///< named by the recipe, or different in the variant's file
  std::vector<TensorReport> reports;   ///< one a tensor, same order
  uint64_t values_total() const;
  uint64_t values_changed() const;
};

/// The tensors of a recipe, fake-quantized.
Result<VariantChange> change_by_recipe(const GgufFile& original, const Recipe& recipe, int threads);

/// kUsage where the files are not of one model: other architecture, tokenizer, tensor names or shapes.
Result<void> check_same_model(const GgufFile& original, const GgufFile& variant);

/// The tensors whose dequantized values differ between two files of one model (check_same_model).
Result<VariantChange> change_by_file(const GgufFile& original, const GgufFile& variant);

/// The original's file with the changed tensors' new values stored as F32, everything else as it is.
Result<void> write_variant_file(const GgufFile& original, const VariantChange& change,
                                const std::filesystem::path& path, bool overwrite);

}  // namespace fqlab
