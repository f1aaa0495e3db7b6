#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "engine/model_state.h"
#include "engine/runtime.h"
#include "fqlab/engine.h"

namespace fqlab {
namespace {

constexpr int kUbatch = 512;  // tokens the engine computes at once; results do not depend on it

llama_context_params context_parameters(const EvaluatorOptions& options) {
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = static_cast<uint32_t>(options.n_ctx);
  parameters.n_batch = static_cast<uint32_t>(std::min(options.n_batch, options.n_ctx));
  parameters.n_ubatch = std::min<uint32_t>(parameters.n_batch, kUbatch);
  parameters.n_seq_max = 1;
  parameters.n_threads = parameters.n_threads_batch = options.threads;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  parameters.swa_full = false;
  parameters.no_perf = true;
  return parameters;
}

/// One context, for one chunk at a time.
struct Lane {
  llama_context* context = nullptr;
  llama_batch batch{};
  std::vector<float> collected;  // logits of a chunk that takes several calls

  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() {
    llama_batch_free(batch);
    if (context != nullptr) llama_free(context);
  }
};

// The engine multiplies fewer rows than this with other kernels, which round differently.
constexpr int kFewestRows = 8;

}  // namespace

struct Evaluator::State {
  std::shared_ptr<Model::State> model;
  std::vector<std::unique_ptr<Lane>> lanes;  // the first always, the others when chunks come in numbers
  EvaluatorOptions options;
  int n_batch = 0, vocabulary = 0;

  llama_context* context() const { return lanes.front()->context; }

  Result<void> add_lane() {
    auto lane = std::make_unique<Lane>();
    lane->context = llama_init_from_model(model->model, context_parameters(options));
    if (lane->context == nullptr)
      return fail(ErrorCode::kEngine, "llama.cpp cannot evaluate the model" + engine_said(),
                  model->shown_name, fmt::format("a smaller --ctx than {} needs less memory", options.n_ctx));
    lane->batch = llama_batch_init(n_batch, 0, 1);
    lanes.push_back(std::move(lane));
    return {};
  }

  Result<std::span<const float>> evaluate(Lane& lane, std::span<const int32_t> tokens, int first,
                                          int count) const;
};

Evaluator::Evaluator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::create(const Model& model, const EvaluatorOptions& options) {
  clear_engine_messages();
  auto state = std::make_unique<State>();
  state->model = model.state_;
  state->options = options;
  state->n_batch = std::min(options.n_batch, options.n_ctx);
  state->vocabulary = model.vocabulary_size();
  if (Result<void> added = state->add_lane(); !added) return tl::unexpected(added.error());
  return Evaluator(std::move(state));
}

Result<std::span<const float>> Evaluator::State::evaluate(Lane& lane, std::span<const int32_t> tokens,
                                                          int first, int count) const {
  const int n = static_cast<int>(tokens.size());
  if (n > options.n_ctx || first < 0 || count < 1 || first + count > n)
    return fail(ErrorCode::kUsage, fmt::format("positions {}..{} are not in a chunk of {} tokens (n_ctx {})",
                                               first, first + count - 1, n, options.n_ctx));
  llama_memory_clear(llama_get_memory(lane.context), /*data=*/false);
  lane.collected.clear();
  const size_t row = static_cast<size_t>(vocabulary);
  // Calls of nearly equal length, so that none is so short that other kernels run.
  const int total = first + count, calls = (total + n_batch - 1) / n_batch;
  for (int call = 0, begin = 0; call < calls; ++call) {
    const int end = total * (call + 1) / calls;
    // A call with outputs has enough of them; those before `first` are left out again.
    const int first_output = end <= first ? end : std::max(begin, std::min(first, end - kFewestRows));
    lane.batch.n_tokens = end - begin;
    for (int i = begin; i < end; ++i) {
      const int k = i - begin;
      lane.batch.token[k] = tokens[static_cast<size_t>(i)];
      lane.batch.pos[k] = i;
      lane.batch.n_seq_id[k] = 1;
      lane.batch.seq_id[k][0] = 0;
      lane.batch.logits[k] = i >= first_output;
    }
    if (const int status = llama_decode(lane.context, lane.batch); status != 0)
      return fail(ErrorCode::kEngine,
                  fmt::format("llama.cpp could not evaluate the tokens (status {})", status) + engine_said(),
                  model->shown_name);
    const int wanted_from = std::max(begin, first);
    begin = end;
    if (end <= first) continue;
    llama_synchronize(lane.context);
    const float* rows =
        llama_get_logits(lane.context) + row * static_cast<size_t>(wanted_from - first_output);
    const size_t values = row * static_cast<size_t>(end - wanted_from);
    if (end - wanted_from == count) return std::span<const float>(rows, values);
    lane.collected.insert(lane.collected.end(), rows, rows + values);
  }
  return std::span<const float>(lane.collected);
}

Result<std::span<const float>> Evaluator::logits(std::span<const int32_t> tokens, int first, int count) {
  llama_set_n_threads(state_->context(), state_->options.threads, state_->options.threads);
  return state_->evaluate(*state_->lanes.front(), tokens, first, count);
}

Result<std::vector<std::span<const float>>> Evaluator::logits(
    std::span<const std::span<const int32_t>> chunks, int first, int count) {
  State& s = *state_;
  while (s.lanes.size() < chunks.size())
    if (Result<void> added = s.add_lane(); !added) return tl::unexpected(added.error());
  const int threads = std::max(1, s.options.threads / std::max(1, static_cast<int>(chunks.size())));
  std::vector<Result<std::span<const float>>> found(chunks.size());
  const auto work = [&](size_t i) {
    llama_set_n_threads(s.lanes[i]->context, threads, threads);
    found[i] = s.evaluate(*s.lanes[i], chunks[i], first, count);
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < chunks.size(); ++i) others.emplace_back(work, i);
    if (!chunks.empty()) work(0);
  }
  std::vector<std::span<const float>> logits;
  for (const Result<std::span<const float>>& one : found) {
    if (!one) return tl::unexpected(one.error());
    logits.push_back(*one);
  }
  return logits;
}

struct Evaluator::Chooser {
  std::unique_ptr<llama_sampler, decltype(&llama_sampler_free)> sampler{nullptr, &llama_sampler_free};
};

Result<std::vector<int32_t>> Evaluator::generate(std::span<const int32_t> prompt, int most) {
  Chooser greedy;
  greedy.sampler.reset(llama_sampler_init_greedy());
  return answer(prompt, most, greedy);
}

Result<std::vector<int32_t>> Evaluator::sample(std::span<const int32_t> prompt, int most, double temperature,
                                               uint64_t seed) {
  if (!(temperature > 0))
    return fail(ErrorCode::kUsage, "a temperature is above 0", fmt::format("{}", temperature));
  Chooser chain;
  chain.sampler.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  llama_sampler_chain_add(chain.sampler.get(), llama_sampler_init_temp(static_cast<float>(temperature)));
  llama_sampler_chain_add(chain.sampler.get(),
                          llama_sampler_init_dist(static_cast<uint32_t>(seed ^ (seed >> 32))));
  return answer(prompt, most, chain);
}

Result<std::vector<int32_t>> Evaluator::answer(std::span<const int32_t> prompt, int most, Chooser& chooser) {
  State& s = *state_;
  std::vector<int32_t> chosen, next(prompt.begin(), prompt.end());
  if (prompt.empty() || static_cast<int>(prompt.size()) + most > s.options.n_ctx)
    return fail(ErrorCode::kUsage,
                fmt::format("a prompt of {} tokens and an answer of {} do not fit into {} tokens",
                            prompt.size(), most, s.options.n_ctx));
  llama_set_n_threads(s.context(), s.options.threads, s.options.threads);
  llama_memory_clear(llama_get_memory(s.context()), /*data=*/false);
  while (static_cast<int>(chosen.size()) < most) {
    for (size_t begin = 0; begin < next.size(); begin += static_cast<size_t>(s.n_batch)) {
      const auto n = static_cast<int32_t>(std::min(next.size() - begin, static_cast<size_t>(s.n_batch)));
      if (const int status = llama_decode(s.context(), llama_batch_get_one(next.data() + begin, n));
          status != 0)
        return fail(
            ErrorCode::kEngine,
            fmt::format("llama.cpp could not evaluate the tokens (status {})", status) + engine_said(),
            s.model->shown_name);
    }
    const int32_t token = llama_sampler_sample(chooser.sampler.get(), s.context(), -1);
    if (llama_vocab_is_eog(s.model->vocabulary(), token)) break;
    chosen.push_back(token);
    next.assign(1, token);
  }
  return chosen;
}

uint64_t Evaluator::planned_bytes(const GgufFile& file, const EvaluatorOptions& options) {
  const std::string arch = file.architecture();
  const auto number = [&](const char* key, uint64_t otherwise) {
    return file.metadata_uint(arch + key).value_or(otherwise);
  };
  const uint64_t width = number(".embedding_length", 0), layers = number(".block_count", 0);
  const uint64_t heads = std::max<uint64_t>(number(".attention.head_count", 1), 1);
  const uint64_t kv_heads = number(".attention.head_count_kv", heads);
  const uint64_t head = number(".attention.key_length", width / heads);
  const uint64_t n_ctx = static_cast<uint64_t>(options.n_ctx);
  const uint64_t ubatch =
      std::min<uint64_t>(static_cast<uint64_t>(std::min(options.n_batch, options.n_ctx)), kUbatch);
  const TensorInfo* embedding = file.find_tensor("token_embd.weight");
  const uint64_t vocabulary = embedding != nullptr && embedding->shape.size() > 1 ? embedding->shape[1] : 0;
  const uint64_t kv = 2 * layers * n_ctx * kv_heads * head;
  const uint64_t logits = 2 * ubatch * vocabulary;  // computed, and copied out
  const uint64_t scratch =
      ubatch * (8 * width + 4 * number(".feed_forward_length", 4 * width)) + 2 * heads * ubatch * n_ctx;
  return sizeof(float) * (kv + logits + scratch);
}

}  // namespace fqlab
