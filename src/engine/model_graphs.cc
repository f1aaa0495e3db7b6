#include "engine/model_graphs.h"

#include <algorithm>

namespace fqlab {
namespace {

Result<ChunkGraphs> record(ChunkContext& chunk, GraphPlayer& player, std::span<const int32_t> tokens,
                           int first, int count) {
  ChunkGraphs recorded;
  player.record(recorded);
  const auto passed = chunk.logits(tokens, first, count, {.watcher = &player});
  player.play_all();  // `recorded` moves away
  if (!passed) return tl::unexpected(passed.error());
  return recorded;
}

}  // namespace

Result<ModelGraphs> ModelGraphs::create(const Model& model, ChunkContext& chunk, GraphPlayer& player) {
  const int32_t tokens[2] = {0, 1};
  Result<ChunkGraphs> recorded = record(chunk, player, tokens, 1, 1);
  if (!recorded) return tl::unexpected(recorded.error());
  return ModelGraphs(model.layers(), std::move(recorded->graphs.front()));
}

int ModelGraphs::first_affected_layer(std::string_view tensor) const {
  const auto found = first_layers_.find(std::string(tensor));
  return found == first_layers_.end() ? layers_ : found->second;
}

int ModelGraphs::best_cut(int layer) const {
  int from = std::clamp(layer, 0, std::max(layers_ - 1, 0));
  while (!names_cut(from)) --from;
  return from;
}

Result<ChunkGraphs*> ModelGraphs::of_chunk(ChunkContext& chunk, GraphPlayer& player,
                                           std::span<const int32_t> tokens, int first, int count) {
  const ChunkShape shape = {tokens.size(), first, count};
  if (const auto found = graphs_.find(shape); found != graphs_.end()) return &found->second;
  Result<ChunkGraphs> recorded = record(chunk, player, tokens, first, count);
  if (!recorded) return tl::unexpected(recorded.error());
  return &graphs_.emplace(shape, *std::move(recorded)).first->second;
}

}  // namespace fqlab
