#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/parked_threads.h"
#include "engine/chunk_context.h"
#include "engine/graph_player.h"
#include "engine/model_graphs.h"
#include "engine/runtime.h"
#include "fqlab/engine.h"

namespace fqlab {
struct Evaluator::State {
  Model model;
  EvaluatorOptions options;
  struct Lane {
    std::unique_ptr<GraphPlayer> player;  // where an option needs it; before the context, which calls it
    ChunkContext chunk;
    // Of the last logits_keeping(): its chunk, how much of it was evaluated, and what entered these layers.
    std::vector<int32_t> kept_tokens;
    int kept_positions = 0;
    std::map<int, std::vector<float>> kept;
  };
  std::vector<Lane> lanes;            // the first always, the others when chunks come in numbers
  std::optional<ModelGraphs> graphs;  // where there are players

  llama_context* context() const { return lanes.front().chunk.context(); }
  bool needs_graphs() const { return options.replay || options.fast_attention; }
  int width() const { return llama_model_n_embd(model.state_->model); }

  Result<void> add_lane() {
    std::unique_ptr<GraphPlayer> player;
    if (options.exact_gelu || needs_graphs())
      player = std::make_unique<GraphPlayer>(model.layers(), width(),
                                             PlayerOptions{options.exact_gelu, options.fast_attention});
    Result<ChunkContext> chunk =
        ChunkContext::create(model, options, player ? GraphPlayer::on_node : nullptr, player.get());
    if (!chunk) return tl::unexpected(chunk.error());
    lanes.push_back({std::move(player), *std::move(chunk), {}, 0, {}});
    return {};
  }

  /// As many lanes, each to compute everything.
  Result<void> prepare_lanes(size_t number) {
    while (lanes.size() < number)
      if (Result<void> added = add_lane(); !added) return added;
    for (Lane& lane : lanes)
      if (lane.player) lane.player->play_all();
    return {};
  }

  /// Looks at a graph without computing anything; without such a node exact_gelu is no longer asked for.
  Result<void> look_at_graphs() {
    Lane& lane = lanes.front();
    if (!lane.player) return {};
    Result<ModelGraphs> found = ModelGraphs::create(model, lane.chunk, *lane.player);
    if (!found) return tl::unexpected(found.error());
    graphs = *std::move(found);
    options.exact_gelu = options.exact_gelu && graphs->smallest().has_table_gelu();
    return {};
  }

  Result<ChunkGraphs*> graphs_of(size_t lane, std::span<const int32_t> tokens, int first, int count) {
    return graphs->of_chunk(lanes[lane].chunk, *lanes[lane].player, tokens, first, count);
  }

  /// A chunk a lane, whose players know what to do.
  Result<std::vector<std::span<const float>>> evaluate(std::span<const std::span<const int32_t>> chunks,
                                                       int first, int count, bool wipe);
};

Evaluator::Evaluator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::create(const Model& model, const EvaluatorOptions& options) {
  auto state = std::unique_ptr<State>(new State{model, options, {}, {}});
  if (Result<void> added = state->add_lane(); !added) return tl::unexpected(added.error());
  if (Result<void> looked = state->look_at_graphs(); !looked) return tl::unexpected(looked.error());
  return Evaluator(std::move(state));
}

bool Evaluator::computes_gelu() const { return state_->options.exact_gelu; }

Result<std::span<const float>> Evaluator::logits(std::span<const int32_t> tokens, int first, int count) {
  const Result<std::vector<std::span<const float>>> all = logits(std::span(&tokens, 1), first, count);
  if (!all) return tl::unexpected(all.error());
  return all->front();
}

Result<std::vector<std::span<const float>>> Evaluator::State::evaluate(
    std::span<const std::span<const int32_t>> chunks, int first, int count, bool wipe) {
  const int threads = std::max(1, options.threads / std::max(1, static_cast<int>(chunks.size())));
  std::vector<Result<std::span<const float>>> found(chunks.size());
  const auto work = [&](int index) {
    const auto i = static_cast<size_t>(index);
    Lane& lane = lanes[i];
    llama_set_n_threads(lane.chunk.context(), threads, threads);
    found[i] = lane.chunk.logits(chunks[i], first, count, {.watcher = lane.player.get(), .wipe = wipe});
  };
  run_on_threads(static_cast<int>(chunks.size()), work);
  std::vector<std::span<const float>> logits;
  for (const Result<std::span<const float>>& one : found) {
    if (!one) return tl::unexpected(one.error());
    logits.push_back(*one);
  }
  return logits;
}

Result<std::vector<std::span<const float>>> Evaluator::logits(
    std::span<const std::span<const int32_t>> chunks, int first, int count) {
  State& s = *state_;
  if (Result<void> ready = s.prepare_lanes(chunks.size()); !ready) return tl::unexpected(ready.error());
  if (s.options.fast_attention)
    for (size_t i = 0; i < chunks.size(); ++i) {
      Result<ChunkGraphs*> graphs = s.graphs_of(i, chunks[i], first, count);
      if (!graphs) return tl::unexpected(graphs.error());
      s.lanes[i].player->play_all(**graphs);
    }
  return s.evaluate(chunks, first, count, /*wipe=*/false);
}

int Evaluator::replay_cut(std::span<const std::string> tensors) const {
  const State& s = *state_;
  if (!s.options.replay) return 0;
  int first = s.graphs->layers();
  for (const std::string& tensor : tensors) first = std::min(first, s.graphs->first_affected_layer(tensor));
  return s.graphs->best_cut(first);
}

Result<std::vector<std::span<const float>>> Evaluator::logits_keeping(
    std::span<const std::span<const int32_t>> chunks, int first, int count, std::span<const int> cuts) {
  State& s = *state_;
  if (Result<void> ready = s.prepare_lanes(chunks.size()); !ready) return tl::unexpected(ready.error());
  for (State::Lane& lane : s.lanes) lane.kept_tokens.clear(), lane.kept.clear();
  if (cuts.empty()) return logits(chunks, first, count);
  if (!s.options.replay) return fail(ErrorCode::kUsage, "the evaluator was made without replay");
  for (size_t i = 0; i < chunks.size(); ++i) {
    State::Lane& lane = s.lanes[i];
    Result<ChunkGraphs*> graphs = s.graphs_of(i, chunks[i], first, count);
    if (!graphs) return tl::unexpected(graphs.error());
    lane.kept_tokens.assign(chunks[i].begin(), chunks[i].end());
    lane.kept_positions = first + count;
    std::vector<LayerStream> streams;
    for (const int cut : cuts) {
      if (cut < 1 || cut >= s.graphs->layers() || !(*graphs)->problem(cut).empty()) continue;
      lane.kept[cut].resize(chunks[i].size() * static_cast<size_t>(s.width()));
      streams.push_back({cut, lane.kept[cut]});
    }
    lane.player->capture(**graphs, std::move(streams));
  }
  return s.evaluate(chunks, first, count, /*wipe=*/false);
}

Result<std::vector<std::span<const float>>> Evaluator::logits_from(
    int cut, std::span<const std::span<const int32_t>> chunks, int first, int count, bool wipe) {
  State& s = *state_;
  if (Result<void> ready = s.prepare_lanes(chunks.size()); !ready) return tl::unexpected(ready.error());
  for (size_t i = 0; i < chunks.size(); ++i) {
    State::Lane& lane = s.lanes[i];
    if (!lane.kept.contains(cut) || !std::ranges::equal(lane.kept_tokens, chunks[i]) ||
        first + count > lane.kept_positions)
      return fail(ErrorCode::kUsage, fmt::format("nothing was kept of chunk {} for layer {}", i, cut));
    Result<ChunkGraphs*> graphs = s.graphs_of(i, chunks[i], first, count);
    if (!graphs) return tl::unexpected(graphs.error());
    lane.player->play_from(**graphs, cut, lane.kept.at(cut));
  }
  return s.evaluate(chunks, first, count, wipe);
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
  if (Result<void> ready = s.prepare_lanes(1); !ready) return tl::unexpected(ready.error());
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

uint64_t Evaluator::planned_bytes(const GgufFile& file, const EvaluatorOptions& options, int scored) {
  const std::string arch = file.architecture();
  const auto number = [&](const char* key, uint64_t otherwise) {
    return file.metadata_uint(arch + key).value_or(otherwise);
  };
  const uint64_t width = number(".embedding_length", 0), layers = number(".block_count", 0);
  const uint64_t heads = std::max<uint64_t>(number(".attention.head_count", 1), 1);
  const uint64_t kv_heads = number(".attention.head_count_kv", heads);
  const uint64_t head = number(".attention.key_length", width / heads);
  const uint64_t n_ctx = static_cast<uint64_t>(options.n_ctx);
  const uint64_t ubatch = static_cast<uint64_t>(tokens_a_call(options));
  const TensorInfo* embedding = file.find_tensor("token_embd.weight");
  const uint64_t vocabulary = embedding != nullptr && embedding->shape.size() > 1 ? embedding->shape[1] : 0;
  const uint64_t kv = 2 * layers * n_ctx * kv_heads * head;
  const auto rows = static_cast<uint64_t>(scored);
  const uint64_t collected = rows > ubatch ? rows : 0;            // of several calls
  const uint64_t logits = (2 * ubatch + collected) * vocabulary;  // computed, and copied out
  const uint64_t scratch =
      ubatch * (8 * width + 4 * number(".feed_forward_length", 4 * width)) + 2 * heads * ubatch * n_ctx;
  return sizeof(float) * (kv + logits + scratch);
}

}  // namespace fqlab
