// From the scored positions of a comparison to its numbers and verdicts. Pure functions, tested without a model.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/metrics.h"

namespace fqlab {

/// Positions of one pass over chunks 0 .. n-1, `per_chunk` a chunk, against the same original.
using PairedPass = std::vector<PairedPosition>;

struct ControlPass {
  std::string kind, change;
  uint64_t seed = 0;
  PairedPass positions;  ///< of the first chunks only
};

struct ComparisonPasses {
  std::span<const int> cluster_of_chunk;
  size_t per_chunk = 0;             ///< scored positions a chunk
  const PairedPass* variant = nullptr;       ///< V against C, all chunks
  std::span<const ControlPass> controls;     ///< empty for a variant without a changed value
  const PairedPass* storage = nullptr;       ///< C against O; null where O is C
};

/// Fills perplexity, kl, same_top, storage effect, chunks, clusters, verdicts and their notes. `comparison` has its
/// settings, values_changed, vacuous and logits_identical set.
void summarize(const ComparisonPasses& passes, Comparison& comparison);

}  // namespace fqlab
