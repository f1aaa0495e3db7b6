// What enters the weight matrices of a running model: the sums that importance matrices are made of.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "fqlab/engine.h"
#include "fqlab/importance_matrix.h"
#include "fqlab/result.h"

namespace fqlab {

struct ActivationOptions {
  int n_ctx = 512;  ///< tokens a chunk, at least 16
  int threads = 2;
  bool output = false;  ///< also of an untied output.weight (llama-imatrix: --process-output)
  /// Also of token_embd.weight where the output product uses it; llama-imatrix never has it.
  bool tied_embedding = true;
};

/// Evaluates chunks, each on its own, and adds up the squares of what enters every matrix of the layers, as
/// llama-imatrix does with one chunk a batch: float32 sums in the order of the tokens, products of fewer than
/// 16 rows left out, the chosen experts' inputs told apart. Every token of every chunk counts. The output
/// product itself is not computed. Sorted by name. `progress`, which may be empty, is called after every
/// chunk.
/// Errors: kEngine where an activation is NaN or infinite, with the weight's name.
Result<std::vector<ActivationSquares>> collect_activation_squares(
    const Model& model, std::span<const std::span<const int32_t>> chunks, const ActivationOptions& options,
    const std::function<void(size_t done, size_t all)>& progress);

}  // namespace fqlab
