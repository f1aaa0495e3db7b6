// From the scored positions of a verification to its numbers. Pure functions, tested without a model.
#pragma once

#include <span>
#include <vector>

#include "fqlab/verification.h"
#include "study/cluster_means.h"

namespace fqlab {

/// The passes of all files over the chunks of one text.
struct TextPasses {
  std::vector<int> cluster_of_chunk;
  size_t per_chunk = 0;                        ///< scored positions
  int first_target = 0;                        ///< position in its chunk of the first predicted token
  std::vector<PairedPass> files;               ///< the verified file first
  std::vector<std::vector<bool>> same_logits;  ///< of each file, one a chunk: bitwise those of the original
};

/// Fills everything of `text` but its name, corpus, cluster_kind and planned_on. `bytes` are the files'
/// sizes.
void summarize_text(const TextPasses& passes, const VerificationSettings& settings,
                    std::span<const uint64_t> bytes, VerifiedText& text);

/// `verified` against `other` on the same positions; fills all but `file` and `standing`.
PairOnText compare_on_positions(const ChunkGroups& groups, std::span<const PairedPosition> verified,
                                std::span<const PairedPosition> other);

/// How a file of `bytes` stands to one of `other_bytes`, given the interval of KL(file) - KL(other).
Standing standing_of(const std::optional<Interval>& difference, uint64_t bytes, uint64_t other_bytes);

}  // namespace fqlab
