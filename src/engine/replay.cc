#include "fqlab/replay.h"

#include <fmt/format.h>
#include <ggml-backend.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/hash.h"
#include "engine/chunk_context.h"
#include "engine/graph_player.h"
#include "engine/model_graphs.h"
#include "engine/runtime.h"
#include "engine/weight_image_state.h"

namespace fqlab {
namespace {

uint64_t hash_of(std::span<const float> values) {
  return hash64({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

uint64_t hash_of(std::span<const int32_t> tokens) {
  return hash64({reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes()});
}

}  // namespace

struct ReplayModel::State {
  GgufFile source;
  Model model;
  const WeightImage::State* image;
  int layers, width, vocabulary;
  GraphPlayer player;  // before `chunk`, which calls it
  std::optional<ChunkContext> chunk;
  std::optional<ModelGraphs> graphs;
  std::unordered_map<ggml_tensor*, ggml_tensor> replaced;  // as they are in the image

  std::map<int, std::optional<std::string>> problems;       // of the cuts asked about
  std::unordered_map<uint64_t, uint64_t> whole_model_hash;  // of checked chunks

  State(const GgufFile& file, Model loaded, const WeightImage::State* weights)
      : source(file),
        model(std::move(loaded)),
        image(weights),
        layers(model.layers()),
        width(0),
        vocabulary(model.vocabulary_size()),
        player(0, 0, {}) {}

  Result<ChunkGraphs*> graphs_of(std::span<const int32_t> tokens, int first, int count) {
    return graphs->of_chunk(*chunk, player, tokens, first, count);
  }
  Result<std::span<const float>> play(std::span<const int32_t> tokens, int first, int count,
                                      bool wipe = false) {
    return chunk->logits(tokens, first, count, {.watcher = &player, .wipe = wipe});
  }
  /// The whole model.
  Result<std::span<const float>> play_all(std::span<const int32_t> tokens, int first, int count,
                                          bool wipe = false) {
    Result<ChunkGraphs*> recorded = graphs_of(tokens, first, count);
    if (!recorded) return tl::unexpected(recorded.error());
    player.play_all(**recorded);
    return play(tokens, first, count, wipe);
  }
  Result<std::span<const float>> play_from(int from, std::span<const int32_t> tokens,
                                           std::span<const float> stream, int first, int count, bool wipe);
  Result<std::optional<std::string>> check(int from, std::span<const int32_t> tokens,
                                           std::span<const float> streams);
};

ReplayModel::ReplayModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReplayModel::ReplayModel(ReplayModel&&) noexcept = default;
ReplayModel& ReplayModel::operator=(ReplayModel&&) noexcept = default;
ReplayModel::~ReplayModel() = default;

Result<ReplayModel> ReplayModel::create(const GgufFile& source, const WeightImage& image,
                                        const EvaluatorOptions& options) {
  Result<Model> model = Model::load(image);
  if (!model) return tl::unexpected(model.error());
  auto state = std::make_unique<State>(source, *model, image.state_.get());
  State& s = *state;
  s.width = llama_model_n_embd(model->state_->model);
  s.player = GraphPlayer(s.layers, s.width, {options.exact_gelu, options.fast_attention});
  Result<ChunkContext> chunk = ChunkContext::create(*model, options, GraphPlayer::on_node, &s.player);
  if (!chunk) return tl::unexpected(chunk.error());
  s.chunk = *std::move(chunk);

  Result<ModelGraphs> graphs = ModelGraphs::create(*model, *s.chunk, s.player);
  if (!graphs) return tl::unexpected(graphs.error());
  s.graphs = *std::move(graphs);
  return ReplayModel(std::move(state));
}

int ReplayModel::layers() const { return state_->layers; }
int ReplayModel::embedding_size() const { return state_->width; }
int ReplayModel::vocabulary_size() const { return state_->vocabulary; }

Result<std::span<const float>> ReplayModel::capture(std::span<const int32_t> tokens, int first, int count,
                                                    std::span<float> streams) {
  State& s = *state_;
  const size_t expected = static_cast<size_t>(s.layers) * tokens.size() * static_cast<size_t>(s.width);
  if (!streams.empty() && streams.size() != expected)
    return fail(ErrorCode::kUsage,
                fmt::format("{} values for the streams of {} layers, {} tokens and {} values "
                            "a token",
                            streams.size(), s.layers, tokens.size(), s.width));
  if (streams.empty()) return s.play_all(tokens, first, count);
  Result<ChunkGraphs*> graphs = s.graphs_of(tokens, first, count);
  if (!graphs) return tl::unexpected(graphs.error());
  const size_t one = expected / static_cast<size_t>(s.layers);
  std::vector<LayerStream> kept;
  for (int layer = 1; layer < s.layers; ++layer)
    kept.push_back({layer, streams.subspan(static_cast<size_t>(layer) * one, one)});
  s.player.capture(**graphs, std::move(kept));
  return s.play(tokens, first, count);
}

Result<void> ReplayModel::replace(std::string_view tensor, std::span<const float> values) {
  return replace(tensor, GgmlType::kF32, std::as_bytes(values));
}

Result<void> ReplayModel::replace(std::string_view tensor, GgmlType type, std::span<const std::byte> stored) {
  State& s = *state_;
  const std::string name(tensor);
  const TensorInfo* info = s.source.find_tensor(name);
  if (info == nullptr) return fail(ErrorCode::kUsage, "the model has no such tensor", name);
  if (!s.image->floats.contains(name))
    return fail(ErrorCode::kUsage, "only float32 tensors can be replaced", name,
                "expand the tensor when the image is made");
  const GgmlTypeInfo* stored_as = ggml_type_info(type);
  if (stored_as == nullptr || info->columns() % stored_as->block_elements != 0)
    return fail(ErrorCode::kUsage, "the type does not fit the rows", name);
  const uint64_t bytes = stored_as->bytes_of(info->values());
  if (bytes != stored.size())
    return fail(ErrorCode::kUsage, fmt::format("{} bytes for a tensor of {}", stored.size(), bytes), name);
  const auto [begin, end] = s.graphs->smallest().weights().equal_range(name);
  for (auto at = begin; at != end; ++at) {
    ggml_tensor& weight = *at->second;
    s.replaced.emplace(&weight, weight);  // the first replacement keeps the image's
    weight.type = static_cast<ggml_type>(type);
    weight.nb[0] = stored_as->block_bytes;
    weight.nb[1] = stored_as->bytes_of(info->columns());
    for (int i = 2; i < GGML_MAX_DIMS; ++i)
      weight.nb[i] = weight.nb[i - 1] * static_cast<size_t>(weight.ne[i - 1]);
    weight.data = const_cast<std::byte*>(stored.data());  // weights are only read
  }
  return {};
}

void ReplayModel::restore() {
  for (const auto& [tensor, image] : state_->replaced) {
    tensor->type = image.type;
    std::ranges::copy(image.nb, tensor->nb);
    tensor->data = image.data;
  }
  state_->replaced.clear();
}

int ReplayModel::first_affected_layer(std::string_view tensor) const {
  return state_->graphs->first_affected_layer(tensor);
}

int ReplayModel::best_cut(int layer) const { return state_->graphs->best_cut(layer); }

Result<std::span<const float>> ReplayModel::logits_from(int from, std::span<const int32_t> tokens,
                                                        std::span<const float> stream, int first, int count) {
  State& s = *state_;
  if (from == 0) return s.play_all(tokens, first, count);
  return s.play_from(from, tokens, stream, first, count, /*wipe=*/false);
}

Result<std::span<const float>> ReplayModel::State::play_from(int from, std::span<const int32_t> tokens,
                                                             std::span<const float> stream, int first,
                                                             int count, bool wipe) {
  if (!graphs->names_cut(from))
    return fail(ErrorCode::kUsage, fmt::format("no cut is possible at layer {} of {}", from, layers),
                "replay", "best_cut() names the cuts");
  if (stream.size() != tokens.size() * static_cast<size_t>(width))
    return fail(ErrorCode::kUsage, fmt::format("a stream of {} values for {} tokens of {}", stream.size(),
                                               tokens.size(), width));
  Result<ChunkGraphs*> recorded = graphs_of(tokens, first, count);
  if (!recorded) return tl::unexpected(recorded.error());
  if (const std::string problem = (*recorded)->problem(from); !problem.empty())
    return fail(ErrorCode::kUsage, problem, fmt::format("layer {}", from));
  player.play_from(**recorded, from, stream);
  return play(tokens, first, count, wipe);
}

Result<std::optional<std::string>> ReplayModel::cut_problem(int from, std::span<const int32_t> tokens,
                                                            std::span<const float> streams) {
  State& s = *state_;
  if (from == 0) return std::optional<std::string>();
  if (const auto known = s.problems.find(from); known != s.problems.end()) return known->second;
  Result<std::optional<std::string>> found = s.check(from, tokens, streams);
  if (found) s.problems.emplace(from, *found);
  return found;
}

Result<std::optional<std::string>> ReplayModel::State::check(int from, std::span<const int32_t> tokens,
                                                             std::span<const float> streams) {
  const int n = static_cast<int>(tokens.size()), first = n / 2, count = n - 1 - first;
  const size_t one = tokens.size() * static_cast<size_t>(width);
  if (!replaced.empty()) return fail(ErrorCode::kUsage, "a cut is checked with the original's weights");
  if (count < 1 || streams.size() != one * static_cast<size_t>(layers))
    return fail(ErrorCode::kUsage, "the check needs all streams of a chunk of 3 or more tokens");
  if (from < 0 || from >= layers)
    return std::optional(fmt::format("the model has no cut at layer {}, only 0 to {}", from, layers - 1));
  Result<ChunkGraphs*> recorded = graphs_of(tokens, first, count);
  if (!recorded) return tl::unexpected(recorded.error());
  if (std::string problem = (*recorded)->problem(from); !problem.empty())
    return std::optional(std::move(problem));

  uint64_t& expected = whole_model_hash[hash_of(tokens)];
  if (expected == 0) {
    Result<std::span<const float>> whole = play_all(tokens, first, count, /*wipe=*/true);
    if (!whole) return tl::unexpected(whole.error());
    expected = hash_of(*whole);
  }
  Result<std::span<const float>> cut = play_from(
      from, tokens, streams.subspan(static_cast<size_t>(from) * one, one), first, count, /*wipe=*/true);
  if (!cut) return tl::unexpected(cut.error());
  if (hash_of(*cut) == expected) return std::optional<std::string>();
  return std::optional<std::string>("the logits differ from the whole model's");
}

Result<double> ReplayModel::operations(int from, int tokens, int first, int count) {
  State& s = *state_;
  const std::vector<int32_t> some(static_cast<size_t>(std::max(tokens, 0)), 0);
  Result<ChunkGraphs*> recorded = s.graphs_of(some, first, count);
  if (!recorded) return tl::unexpected(recorded.error());
  if (!s.graphs->names_cut(from) || (from > 0 && !(*recorded)->problem(from).empty()))
    return fail(ErrorCode::kUsage, fmt::format("no cut is possible at layer {} of {}", from, s.layers));
  double sum = 0;
  for (size_t i = 0; i < (*recorded)->graphs.size(); ++i)
    sum += (*recorded)->graphs[i].operations(from == 0 ? std::vector<bool>()
                                                       : (*recorded)->spared_before(from)[i]);
  return sum;
}

uint64_t ReplayModel::planned_bytes(const GgufFile& file, const EvaluatorOptions& options, int scored) {
  return Evaluator::planned_bytes(file, options, scored);
}

}  // namespace fqlab
