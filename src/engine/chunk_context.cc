#include "engine/chunk_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "engine/runtime.h"

namespace fqlab {
namespace {

// The engine multiplies fewer rows than this with other kernels, which round differently.
constexpr int kFewestRows = 8;

llama_context_params context_parameters(const EvaluatorOptions& options) {
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = static_cast<uint32_t>(options.n_ctx);
  parameters.n_batch = parameters.n_ubatch = static_cast<uint32_t>(tokens_a_call(options));
  parameters.n_seq_max = 1;
  parameters.n_threads = parameters.n_threads_batch = options.threads;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  parameters.swa_full = false;
  parameters.no_perf = true;
  return parameters;
}

/// While it lives, contexts are made that build a graph for every call. llama.cpp keeps one from call to call
/// where the shapes agree; its views of a weight then keep the address that the weight had when the graph was
/// made, so that a weight which is replaced afterwards is read where it was before.
class NoGraphReuse {
 public:
  explicit NoGraphReuse(bool wanted) : wanted_(wanted) {
    if (!wanted_) return;
    if (const char* before = std::getenv(kName)) before_ = before;
    setenv(kName, "1", /*overwrite=*/1);
  }
  ~NoGraphReuse() {
    if (!wanted_) return;
    if (before_)
      setenv(kName, before_->c_str(), /*overwrite=*/1);
    else
      unsetenv(kName);
  }
  NoGraphReuse(const NoGraphReuse&) = delete;
  NoGraphReuse& operator=(const NoGraphReuse&) = delete;

 private:
  static constexpr const char* kName = "LLAMA_GRAPH_REUSE_DISABLE";
  bool wanted_;
  std::optional<std::string> before_;
};

}  // namespace

int tokens_a_call(const EvaluatorOptions& options) {
  // Half of a usual chunk: the attention of the first half then leaves the second half's cells out, 4 % of
  // the time. A longer call would be cut by the engine: into several graphs, and the last piece might be too
  // short.
  constexpr int kMost = 256;
  return std::min({options.n_batch, options.n_ctx, kMost});
}

void ChunkContext::FreeBatch::operator()(llama_batch* batch) const {
  llama_batch_free(*batch);
  delete batch;
}

Result<ChunkContext> ChunkContext::create(const Model& model, const EvaluatorOptions& options,
                                          ggml_backend_sched_eval_callback on_node, void* on_node_data) {
  clear_engine_messages();
  llama_context_params parameters = context_parameters(options);
  parameters.cb_eval = on_node;
  parameters.cb_eval_user_data = on_node_data;
  ChunkContext chunk;
  chunk.model_ = model.state_;
  {
    const NoGraphReuse fresh(on_node != nullptr);
    chunk.context_.reset(llama_init_from_model(model.state_->model, parameters));
  }
  if (chunk.context_ == nullptr)
    return fail(ErrorCode::kEngine, "llama.cpp cannot evaluate the model" + engine_said(),
                model.state_->shown_name,
                fmt::format("a smaller --ctx than {} needs less memory", options.n_ctx));
  // An encoder's logits are not those of a next token, and a diffusion model's belong to other positions.
  if (llama_get_memory(chunk.context_.get()) == nullptr || llama_model_has_encoder(model.state_->model))
    return fail(ErrorCode::kInput, "the model does not predict a next token: it has an encoder, or no memory",
                model.state_->shown_name, "fqlab measures causal language models");
  chunk.n_ctx_ = options.n_ctx;
  chunk.n_batch_ = static_cast<int>(parameters.n_batch);
  chunk.vocabulary_ = model.vocabulary_size();
  chunk.batch_.reset(new llama_batch(llama_batch_init(chunk.n_batch_, 0, 1)));
  return chunk;
}

Result<std::span<const float>> ChunkContext::logits(std::span<const int32_t> tokens, int first, int count,
                                                    const ChunkPass& pass) {
  const int n = static_cast<int>(tokens.size());
  if (n > n_ctx_ || first < 0 || count < 1 || first + count > n)
    return fail(ErrorCode::kUsage, fmt::format("positions {}..{} are not in a chunk of {} tokens (n_ctx {})",
                                               first, first + count - 1, n, n_ctx_));
  llama_memory_clear(llama_get_memory(context_.get()), /*data=*/pass.wipe);
  collected_.clear();
  const size_t row = static_cast<size_t>(vocabulary_);
  // Calls of nearly equal length, so that none is so short that other kernels run.
  const int total = first + count, calls = (total + n_batch_ - 1) / n_batch_;
  for (int call = 0, begin = 0; call < calls; ++call) {
    const int end = static_cast<int>(int64_t{total} * (call + 1) / calls);
    // A call with outputs has enough of them; those before `first` are left out again.
    const int first_output = end <= first ? end : std::max(begin, std::min(first, end - kFewestRows));
    batch_->n_tokens = end - begin;
    for (int i = begin; i < end; ++i) {
      const int k = i - begin;
      batch_->token[k] = tokens[static_cast<size_t>(i)];
      batch_->pos[k] = i;
      batch_->n_seq_id[k] = 1;
      batch_->seq_id[k][0] = 0;
      batch_->logits[k] = i >= first_output;
    }
    if (pass.watcher != nullptr) pass.watcher->before_decode(begin, end);
    if (const int status = llama_decode(context_.get(), *batch_); status != 0)
      return fail(ErrorCode::kEngine,
                  fmt::format("llama.cpp could not evaluate the tokens (status {})", status) + engine_said(),
                  model_->shown_name);
    llama_synchronize(context_.get());
    if (pass.watcher != nullptr)
      if (Result<void> seen = pass.watcher->after_decode(); !seen) return tl::unexpected(seen.error());
    const int wanted_from = std::max(begin, first);
    begin = end;
    if (end <= first || pass.discard) continue;
    const float* rows =
        llama_get_logits(context_.get()) + row * static_cast<size_t>(wanted_from - first_output);
    const size_t values = row * static_cast<size_t>(end - wanted_from);
    if (end - wanted_from == count) return std::span<const float>(rows, values);
    collected_.insert(collected_.end(), rows, rows + values);
  }
  return std::span<const float>(collected_);
}

}  // namespace fqlab
