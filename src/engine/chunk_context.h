// A llama.cpp context with reference numerics that evaluates one chunk at a time.
#pragma once

#include <llama.h>

#include <memory>
#include <span>
#include <vector>

#include "engine/model_state.h"
#include "fqlab/engine.h"

namespace fqlab {

/// Tokens of a call of the engine at the most, all of them computed at once.
int tokens_a_call(const EvaluatorOptions& options);

/// Called around every call of the engine that evaluates a part of a chunk.
class DecodeWatcher {
 public:
  virtual ~DecodeWatcher() = default;
  virtual void before_decode(int begin, int end) = 0;  ///< positions begin .. end - 1 are next
  virtual Result<void> after_decode() = 0;             ///< the graph is still there
};

struct ChunkPass {
  DecodeWatcher* watcher = nullptr;
  bool wipe = false;     ///< zero the caches first: changes nothing unless something reads what it should not
  bool discard = false;  ///< give no logits, for a watcher that has seen what it wants
};

class ChunkContext {
 public:
  /// `on_node` and its data become the context's cb_eval; nullptr: none. With one, every call builds its
  /// graph anew.
  static Result<ChunkContext> create(const Model& model, const EvaluatorOptions& options,
                                     ggml_backend_sched_eval_callback on_node = nullptr,
                                     void* on_node_data = nullptr);
  ChunkContext(ChunkContext&&) noexcept = default;
  ChunkContext& operator=(ChunkContext&&) noexcept = default;

  /// As Evaluator::logits().
  Result<std::span<const float>> logits(std::span<const int32_t> tokens, int first, int count,
                                        const ChunkPass& pass = {});

  llama_context* context() const { return context_.get(); }
  const Model::State& model() const { return *model_; }
  int n_batch() const { return n_batch_; }

 private:
  struct FreeContext {
    void operator()(llama_context* context) const { llama_free(context); }
  };
  struct FreeBatch {
    void operator()(llama_batch* batch) const;
  };
  ChunkContext() = default;
  std::shared_ptr<Model::State> model_;  // before context_, which must go first
  std::unique_ptr<llama_context, FreeContext> context_;
  std::unique_ptr<llama_batch, FreeBatch> batch_;
  int n_ctx_ = 0, n_batch_ = 0, vocabulary_ = 0;
  std::vector<float> collected_;  // logits of a chunk that takes several calls
};

}  // namespace fqlab
