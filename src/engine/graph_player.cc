#include "engine/graph_player.h"

#include <ggml-backend.h>

#include <algorithm>

#include "engine/gelu.h"

namespace fqlab {

std::string ChunkGraphs::problem(int from) const {
  for (const GraphRecord& graph : graphs)
    if (graph.stream(from) < 0) return graph.problem(from);
  return "";
}

const std::vector<std::vector<bool>>& ChunkGraphs::spared_before(int from) {
  std::vector<std::vector<bool>>& each = spared[from];
  if (each.empty())
    for (const GraphRecord& graph : graphs) each.push_back(graph.spared(graph.stream(from)));
  return each;
}

void GraphPlayer::play_all() {
  mode_ = Mode::kAll;
  graphs_ = nullptr;
  call_ = 0;
}

void GraphPlayer::record(ChunkGraphs& into) {
  play_all();
  mode_ = Mode::kRecord;
  graphs_ = &into;
}

void GraphPlayer::capture(ChunkGraphs& graphs, std::vector<LayerStream> streams) {
  play_all();
  mode_ = Mode::kCapture;
  graphs_ = &graphs;
  streams_ = std::move(streams);
}

void GraphPlayer::play_from(ChunkGraphs& graphs, int from, std::span<const float> stream) {
  play_all();
  mode_ = Mode::kFrom;
  graphs_ = &graphs;
  spared_ = &graphs.spared_before(from);
  from_ = from;
  stream_ = stream;
}

bool GraphPlayer::on_node(ggml_tensor* node, bool ask, void* player) {
  GraphPlayer& self = *static_cast<GraphPlayer*>(player);
  if (ask) return self.ask(*node);
  self.computed(*node);
  return true;  // go on
}

void GraphPlayer::before_decode(int begin, int end) {
  begin_ = begin;
  end_ = end;
  next_ = 0;
  strange_ = graphs_ != nullptr && mode_ != Mode::kRecord && call_ >= graphs_->graphs.size();
  asked_.clear();
}

// The engine skips a node that is switched off and still asks for its values, with those of its sources
// intact.
bool GraphPlayer::ask(ggml_tensor& node) {
  const bool wanted = ask_for_values(node);
  computing_ = exact_gelu_ && mode_ != Mode::kRecord && (node.flags & GGML_TENSOR_FLAG_COMPUTE) != 0 &&
               is_table_gelu(node);
  if (computing_) node.flags &= ~GGML_TENSOR_FLAG_COMPUTE;
  return wanted || computing_;
}

bool GraphPlayer::ask_for_values(ggml_tensor& node) {
  const int number = next_++;
  const auto switch_off = [&] {
    if ((node.flags & GGML_TENSOR_FLAG_COMPUTE) == 0) return;
    node.flags &= ~GGML_TENSOR_FLAG_COMPUTE;
    switched_.push_back(&node);
  };
  if (mode_ == Mode::kAll) return false;
  if (mode_ == Mode::kRecord) {
    asked_.push_back(&node);
    switch_off();
    return false;
  }
  if (strange_ || !graphs_->graphs[call_].is(number, node)) {
    strange_ = true;
    return false;
  }
  if (mode_ == Mode::kCapture)
    return std::ranges::any_of(streams_, [&](const LayerStream& kept) {
      return graphs_->graphs[call_].stream(kept.layer) == number;
    });
  const std::vector<bool>& spared = (*spared_)[call_];
  if (static_cast<size_t>(number) < spared.size() && spared[static_cast<size_t>(number)]) switch_off();
  return static_cast<size_t>(number) + 1 == spared.size();
}

void GraphPlayer::computed(ggml_tensor& node) {
  if (computing_) {
    compute_gelu(node);
    node.flags |= GGML_TENSOR_FLAG_COMPUTE;  // the engine may use the graph again
    return;
  }
  const size_t offset = stream_values(0, begin_), values = stream_values(begin_, end_);
  if (mode_ == Mode::kFrom)
    ggml_backend_tensor_set(&node, stream_.subspan(offset, values).data(), 0, values * sizeof(float));
  if (mode_ != Mode::kCapture) return;
  for (const LayerStream& kept : streams_)
    if (graphs_->graphs[call_].stream(kept.layer) == next_ - 1)
      ggml_backend_tensor_get(&node, kept.values.subspan(offset, values).data(), 0, values * sizeof(float));
}

Result<void> GraphPlayer::after_decode() {
  for (ggml_tensor* node : switched_) node->flags |= GGML_TENSOR_FLAG_COMPUTE;  // the engine may use it again
  switched_.clear();
  if (mode_ == Mode::kRecord)
    graphs_->graphs.emplace_back(asked_, layers_, end_ - begin_, width_);
  else if (graphs_ != nullptr && (strange_ || next_ != graphs_->graphs[call_].size()))
    return fail(ErrorCode::kCheck, "the engine's graph is not the one that was recorded", "replay",
                "this is a bug of fqlab; whole-model runs are not affected");
  ++call_;
  return {};
}

}  // namespace fqlab
