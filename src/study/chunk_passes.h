// What passes over a text's chunks share: chunks evaluated side by side, and the original's logits, with
// which those of everything else are compared.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fqlab/engine.h"
#include "fqlab/metrics.h"
#include "study/cluster_means.h"
#include "study/corpus.h"

namespace fqlab {

inline constexpr int kMostChunksAtOnce = 4;  ///< more threads than that share a chunk

/// Chunks begin .. end - 1, evaluated at once.
struct ChunkGroup {
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};

/// The positions of a chunk that are scored.
struct ScoredRange {
  int first = 0, count = 0;
};
/// llama-perplexity's rule: the second half, but the last position.
ScoredRange second_half(int n_ctx);

/// Refuses (kUsage) what no pass over a text can be made with.
Result<void> check_passes(int n_ctx, int n_batch, int chunks, int threads);

/// The tokens of each chunk of the group.
std::vector<std::span<const int32_t>> group_tokens(std::span<const Chunk> chunks, ChunkGroup group);

/// Logits of the scored positions, one span a chunk of the group; valid until the evaluator's next call.
Result<std::vector<std::span<const float>>> group_logits(Evaluator& evaluator, std::span<const Chunk> chunks,
                                                         ChunkGroup group, ScoredRange scored);

/// A chunk's logits of the original, kept while the evaluator goes on to something else.
struct OriginalLogits {
  std::vector<int32_t> targets;
  std::vector<float> logits;
  std::vector<PositionScore> scores;

  std::vector<PairedPosition> compare(std::span<const float> other, int threads) const {
    return compare_positions(logits, scores, other, targets, threads);
  }
};
OriginalLogits keep_original(const Chunk& chunk, std::span<const float> logits, ScoredRange scored,
                             int threads);

void append(PairedPass& pass, std::vector<PairedPosition>&& positions);

/// repeats_exactly() of `again`, the original evaluated once more; else kCheck. `when` is "before the work"
/// or "after the work".
Result<void> check_repeat(const OriginalLogits& original, std::span<const float> again, int threads,
                          const char* when, const std::string& model);

}  // namespace fqlab
