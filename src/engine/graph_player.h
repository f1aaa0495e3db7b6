// Runs the engine's graphs whole or in part: the cb_eval of a context.
#pragma once

#include <ggml.h>

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/chunk_context.h"
#include "engine/graph_record.h"

namespace fqlab {

/// The graphs of one chunk, one for each call of the engine.
struct ChunkGraphs {
  std::vector<GraphRecord> graphs;
  std::map<int, std::vector<std::vector<bool>>>
      spared;  ///< by cut: for each graph, see GraphRecord::spared()

  /// Why there is no cut at `from`, or "".
  std::string problem(int from) const;
  const std::vector<std::vector<bool>>& spared_before(int from);
};

/// Where what enters `layer` is copied: one row of the model's width a token.
struct LayerStream {
  int layer = 0;
  std::span<float> values;
};

struct PlayerOptions {
  bool exact_gelu = false;      ///< the nodes of is_table_gelu() are computed here
  bool fast_attention = false;  ///< the right sides of scattered products are laid out before the product
};

/// Told by the engine about every node before and after it is computed. The engine asks about the nodes of a
/// graph in order, up to one of interest (a GELU that is computed here, a stream, what comes before a
/// scattered product), before it computes these.
class GraphPlayer final : public DecodeWatcher {
 public:
  GraphPlayer(int layers, int width, PlayerOptions options)
      : layers_(layers), width_(width), options_(options) {}

  /// What the next pass over a chunk does. Without its graphs nothing can be laid out.
  void play_all();
  void play_all(ChunkGraphs& graphs);
  /// Computes nothing and keeps what the graphs look like.
  void record(ChunkGraphs& into);
  /// Computes all and copies the streams; those that the graphs do not name are left as they were.
  void capture(ChunkGraphs& graphs, std::vector<LayerStream> streams);
  /// Computes what `stream` (tokens x width, entering layer `from`) does not spare.
  void play_from(ChunkGraphs& graphs, int from, std::span<const float> stream);

  static bool on_node(ggml_tensor* node, bool ask, void* player);
  void before_decode(int begin, int end) override;
  Result<void> after_decode() override;

 private:
  enum class Mode { kAll, kRecord, kCapture, kFrom };
  bool ask(ggml_tensor& node);
  bool ask_for_values(ggml_tensor& node);
  bool comes_before_scattered(int number, ggml_tensor& node);
  void computed(ggml_tensor& node);
  void lay_out(ggml_tensor& right);
  const GraphRecord& graph() const { return graphs_->graphs[call_]; }
  bool is_given(int number) const {
    return mode_ == Mode::kFrom && static_cast<size_t>(number) + 1 == (*spared_)[call_].size();
  }
  bool is_spared(int number) const {
    return mode_ == Mode::kFrom && static_cast<size_t>(number) < (*spared_)[call_].size() &&
           (*spared_)[call_][static_cast<size_t>(number)];
  }
  size_t stream_values(int begin, int end) const {
    return static_cast<size_t>(end - begin) * static_cast<size_t>(width_);
  }

  int layers_, width_;
  PlayerOptions options_;
  Mode mode_ = Mode::kAll;
  ChunkGraphs* graphs_ = nullptr;
  const std::vector<std::vector<bool>>* spared_ = nullptr;
  int from_ = 0;
  std::vector<LayerStream> streams_;
  std::span<const float> stream_;
  size_t call_ = 0;                     // calls of the engine in this pass
  int begin_ = 0, end_ = 0;             // positions of this call
  int next_ = 0;                        // node that is asked about next
  bool computing_ = false;              // GELU: the node asked about last is ours to compute
  bool strange_ = false;                // a node was not the recorded one
  std::vector<ggml_tensor*> asked_;     // kRecord: all nodes, in order
  std::vector<ggml_tensor*> switched_;  // not to be computed in this call, to be switched on again after it
  std::map<int, ggml_tensor*> rights_;  // of this call's scattered products, by the product's number
  std::vector<float> laid_out_;         // the right side of the product that comes next
  struct Moved {
    ggml_tensor* tensor;
    ggml_tensor before;
  };
  std::vector<Moved> moved_;  // tensors whose values were laid out, to be put back after this call
};

}  // namespace fqlab
