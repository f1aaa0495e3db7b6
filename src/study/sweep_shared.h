// What the processes of a sweep have in common: facts about the model and the text, and one capture of the
// original for each chunk. Filled by children, read by all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/engine.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"
#include "study/chunk_passes.h"
#include "study/corpora.h"
#include "study/shared_memory.h"

namespace fqlab {

/// What only the engine knows, found once by a child.
struct SweepFacts {
  int layers = 0, embedding = 0, vocabulary = 0, trained_context = 0;
  std::vector<int> cut_of_tensor;  ///< parallel to the file's tensors: the best cut for a change of it
  std::vector<double> operations;  ///< [cut], 0 .. layers - 1: of one chunk's matrix products
  std::vector<Chunk> chunks;
  double capture_seconds = 0;  ///< one chunk, whole model, one thread; 0: not timed
};

/// The original on every chunk: residual streams and logits.
class CapturedChunks {
 public:
  /// Bytes of the streams and logits of `chunks` chunks.
  static uint64_t planned_bytes(const SweepFacts& facts, int n_ctx, const ScoredRange& scored, size_t chunks);
  /// In memory, or in a nameless file of `folder`.
  static Result<CapturedChunks> create(const SweepFacts& facts, int n_ctx, const ScoredRange& scored,
                                       const std::optional<std::filesystem::path>& folder);

  /// layers x n_ctx x embedding; [L] is what enters layer L.
  std::span<float> streams(int chunk) const;
  std::span<const float> stream(int chunk, int layer) const;
  /// count x vocabulary.
  std::span<float> logits(int chunk) const;

 private:
  CapturedChunks(SharedMemory streams, SharedMemory logits)
      : streams_(std::move(streams)), logits_(std::move(logits)) {}
  SharedMemory streams_, logits_;
  size_t stream_floats_ = 0, layer_floats_ = 0, logit_floats_ = 0;
};

/// Finds the facts in a child process: loads the model from the image, cuts the text. `timed`: also measures
/// the time of a chunk.
Result<SweepFacts> find_facts(const GgufFile& file, const WeightImage& image, const Corpora& corpora,
                              const EvaluatorOptions& options, const ScoredRange& scored, int wanted_chunks,
                              bool timed);

}  // namespace fqlab
