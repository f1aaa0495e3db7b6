// From the scored positions of a comparison to its numbers and verdicts. Pure functions, tested without a
// model.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/metrics.h"
#include "study/cluster_means.h"

namespace fqlab {

struct ControlPass {
  std::string kind, change;
  uint64_t seed = 0;
  PairedPass positions;  ///< of the first chunks only
};

struct ComparisonPasses {
  ChunkGroups groups;
  const PairedPass* variant = nullptr;           ///< V against C, all chunks
  std::span<const ControlPass> controls;         ///< empty for a variant without a changed value
  std::span<const PairedPosition> storage = {};  ///< C against O, of the first chunks only
  bool original_is_as_stored = false;            ///< O is C
  int first_target = 0;                 ///< position in its chunk of the first token that is predicted
  std::span<const TokenClass> classes;  ///< of every target, parallel to `variant`; empty: not asked
};

/// Fills perplexity, kl, same_top, storage effect, power, the KLD table, chunks, token classes, clusters,
/// verdicts and their notes. `comparison` has its settings, values_changed, vacuous and logits_identical set,
/// and in `corpora` the identity of each of several corpora, whose numbers are filled too.
void summarize(const ComparisonPasses& passes, Comparison& comparison);

}  // namespace fqlab
