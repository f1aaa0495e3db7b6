#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "engine/chunk_context.h"
#include "engine/graph_player.h"
#include "engine/runtime.h"
#include "fqlab/engine.h"

namespace fqlab {
struct Evaluator::State {
  Model model;
  EvaluatorOptions options;
  struct Lane {
    std::unique_ptr<GraphPlayer> player;  // where GELU is computed here; before the context, which calls it
    ChunkContext chunk;
  };
  std::vector<Lane> lanes;  // the first always, the others when chunks come in numbers

  llama_context* context() const { return lanes.front().chunk.context(); }

  Result<void> add_lane() {
    std::unique_ptr<GraphPlayer> player;
    if (options.exact_gelu)
      player = std::make_unique<GraphPlayer>(model.layers(), /*width=*/0, /*exact_gelu=*/true);
    Result<ChunkContext> chunk =
        ChunkContext::create(model, options, player ? GraphPlayer::on_node : nullptr, player.get());
    if (!chunk) return tl::unexpected(chunk.error());
    lanes.push_back({std::move(player), *std::move(chunk)});
    return {};
  }

  /// Looks at a graph without computing anything; without such a node exact_gelu is no longer asked for.
  Result<void> look_for_gelu() {
    Lane& lane = lanes.front();
    ChunkGraphs graphs;
    lane.player->record(graphs);
    const int32_t tokens[2] = {0, 1};
    if (auto passed = lane.chunk.logits(tokens, 1, 1, {.watcher = lane.player.get()}); !passed)
      return tl::unexpected(passed.error());
    lane.player->play_all();
    options.exact_gelu = graphs.graphs.front().has_table_gelu();
    return {};
  }
};

Evaluator::Evaluator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::create(const Model& model, const EvaluatorOptions& options) {
  auto state = std::unique_ptr<State>(new State{model, options, {}});
  if (Result<void> added = state->add_lane(); !added) return tl::unexpected(added.error());
  if (options.exact_gelu)
    if (Result<void> looked = state->look_for_gelu(); !looked) return tl::unexpected(looked.error());
  return Evaluator(std::move(state));
}

bool Evaluator::computes_gelu() const { return state_->options.exact_gelu; }

Result<std::span<const float>> Evaluator::logits(std::span<const int32_t> tokens, int first, int count) {
  const Result<std::vector<std::span<const float>>> all = logits(std::span(&tokens, 1), first, count);
  if (!all) return tl::unexpected(all.error());
  return all->front();
}

Result<std::vector<std::span<const float>>> Evaluator::logits(
    std::span<const std::span<const int32_t>> chunks, int first, int count) {
  State& s = *state_;
  while (s.lanes.size() < chunks.size())
    if (Result<void> added = s.add_lane(); !added) return tl::unexpected(added.error());
  const int threads = std::max(1, s.options.threads / std::max(1, static_cast<int>(chunks.size())));
  std::vector<Result<std::span<const float>>> found(chunks.size());
  const auto work = [&](size_t i) {
    State::Lane& lane = s.lanes[i];
    llama_set_n_threads(lane.chunk.context(), threads, threads);
    found[i] = lane.chunk.logits(chunks[i], first, count, {.watcher = lane.player.get()});
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
  const int n_batch = s.lanes.front().chunk.n_batch();
  std::vector<int32_t> chosen, next(prompt.begin(), prompt.end());
  if (prompt.empty() || static_cast<int>(prompt.size()) + most > s.options.n_ctx)
    return fail(ErrorCode::kUsage,
                fmt::format("a prompt of {} tokens and an answer of {} do not fit into {} tokens",
                            prompt.size(), most, s.options.n_ctx));
  llama_set_n_threads(s.context(), s.options.threads, s.options.threads);
  llama_memory_clear(llama_get_memory(s.context()), /*data=*/false);
  while (static_cast<int>(chosen.size()) < most) {
    for (size_t begin = 0; begin < next.size(); begin += static_cast<size_t>(n_batch)) {
      const auto n = static_cast<int32_t>(std::min(next.size() - begin, static_cast<size_t>(n_batch)));
      if (const int status = llama_decode(s.context(), llama_batch_get_one(next.data() + begin, n));
          status != 0)
        return fail(
            ErrorCode::kEngine,
            fmt::format("llama.cpp could not evaluate the tokens (status {})", status) + engine_said(),
            s.lanes.front().chunk.model().shown_name);
    }
    const int32_t token = llama_sampler_sample(chooser.sampler.get(), s.context(), -1);
    if (llama_vocab_is_eog(s.lanes.front().chunk.model().vocabulary(), token)) break;
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
