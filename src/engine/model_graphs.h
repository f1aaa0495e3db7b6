// The graphs that the engine makes of one model: where they can be cut, and what a cut spares.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "engine/chunk_context.h"
#include "engine/graph_player.h"
#include "engine/graph_record.h"

namespace fqlab {

/// Recorded once for the smallest chunk, which tells the cuts, and once for each shape of a chunk that comes.
class ModelGraphs {
 public:
  /// Records the graph of two tokens. `player` must be what `chunk` calls.
  static Result<ModelGraphs> create(const Model& model, ChunkContext& chunk, GraphPlayer& player);

  int layers() const { return layers_; }
  const GraphRecord& smallest() const { return smallest_; }

  /// As ReplayModel's functions of these names.
  int first_affected_layer(std::string_view tensor) const;
  int best_cut(int layer) const;
  bool names_cut(int from) const {
    return from == 0 || (from > 0 && from < layers_ && smallest_.stream(from) >= 0);
  }

  /// The graphs of a chunk of this shape; a pass in which nothing is computed finds them where they are not
  /// known yet: a few milliseconds. Valid as long as this object.
  Result<ChunkGraphs*> of_chunk(ChunkContext& chunk, GraphPlayer& player, std::span<const int32_t> tokens,
                                int first, int count);

 private:
  ModelGraphs(int layers, GraphRecord smallest)
      : layers_(layers), smallest_(std::move(smallest)), first_layers_(smallest_.first_layers()) {}

  using ChunkShape = std::tuple<size_t, int, int>;  // tokens, first, count
  int layers_;
  GraphRecord smallest_;
  std::unordered_map<std::string, int> first_layers_;
  std::map<ChunkShape, ChunkGraphs> graphs_;
};

}  // namespace fqlab
