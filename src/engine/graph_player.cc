#include "engine/graph_player.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cstring>

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

void GraphPlayer::play_all(ChunkGraphs& graphs) {
  play_all();
  graphs_ = &graphs;
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
  rights_.clear();
  switched_.clear();  // of a call that failed: its graph may be gone
  moved_.clear();
}

// The engine skips a node that is switched off and still asks for its values, with those of its sources
// intact.
bool GraphPlayer::ask(ggml_tensor& node) {
  const bool wanted = ask_for_values(node);
  computing_ = options_.exact_gelu && mode_ != Mode::kRecord &&
               (node.flags & GGML_TENSOR_FLAG_COMPUTE) != 0 && is_table_gelu(node);
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
  if (graphs_ == nullptr) return false;
  if (mode_ == Mode::kRecord) {
    asked_.push_back(&node);
    switch_off();
    return false;
  }
  if (strange_ || !graph().is(number, node)) {
    strange_ = true;
    return false;
  }
  if (is_spared(number)) switch_off();
  const bool captured =
      mode_ == Mode::kCapture && std::ranges::any_of(streams_, [&](const LayerStream& kept) {
        return graph().stream(kept.layer) == number;
      });
  return comes_before_scattered(number, node) || captured || is_given(number);
}

/// The right side of a product is there when the node before the product is.
bool GraphPlayer::comes_before_scattered(int number, ggml_tensor& node) {
  if (!options_.fast_attention) return false;
  bool next = false;
  for (const ScatteredProduct& scattered : graph().scattered()) {
    if (scattered.right == number) rights_[scattered.product] = &node;
    next = next || (scattered.product == number + 1 && !is_spared(scattered.product));
  }
  return next;
}

void GraphPlayer::computed(ggml_tensor& node) {
  if (computing_) {
    compute_gelu(node);
    node.flags |= GGML_TENSOR_FLAG_COMPUTE;  // the engine may use the graph again
  }
  if (graphs_ == nullptr || strange_) return;
  const int number = next_ - 1;
  const size_t offset = stream_values(0, begin_), values = stream_values(begin_, end_);
  if (is_given(number))
    ggml_backend_tensor_set(&node, stream_.subspan(offset, values).data(), 0, values * sizeof(float));
  if (mode_ == Mode::kCapture)
    for (const LayerStream& kept : streams_)
      if (graph().stream(kept.layer) == number)
        ggml_backend_tensor_get(&node, kept.values.subspan(offset, values).data(), 0, values * sizeof(float));
  if (const auto right = rights_.find(number + 1); right != rights_.end() && !is_spared(number + 1))
    lay_out(*right->second);
}

/// The same values in the same shape, one row after the other; the product sees no difference but that.
void GraphPlayer::lay_out(ggml_tensor& right) {
  moved_.push_back({&right, right});
  laid_out_.resize(static_cast<size_t>(ggml_nelements(&right)));
  const size_t row = static_cast<size_t>(right.ne[0]);
  float* to = laid_out_.data();
  for (int64_t i3 = 0; i3 < right.ne[3]; ++i3)
    for (int64_t i2 = 0; i2 < right.ne[2]; ++i2)
      for (int64_t i1 = 0; i1 < right.ne[1]; ++i1, to += row)
        std::memcpy(to,
                    static_cast<const char*>(right.data) + static_cast<size_t>(i1) * right.nb[1] +
                        static_cast<size_t>(i2) * right.nb[2] + static_cast<size_t>(i3) * right.nb[3],
                    row * sizeof(float));
  right.data = laid_out_.data();
  for (int i = 1; i < GGML_MAX_DIMS; ++i)
    right.nb[i] = right.nb[i - 1] * static_cast<size_t>(right.ne[i - 1]);
}

Result<void> GraphPlayer::after_decode() {
  for (ggml_tensor* node : switched_) node->flags |= GGML_TENSOR_FLAG_COMPUTE;  // the engine may use it again
  switched_.clear();
  for (const Moved& moved : moved_) {
    moved.tensor->data = moved.before.data;
    std::ranges::copy(moved.before.nb, moved.tensor->nb);
  }
  moved_.clear();
  if (mode_ == Mode::kRecord)
    graphs_->graphs.emplace_back(asked_, layers_, end_ - begin_, width_);
  else if (graphs_ != nullptr && (strange_ || next_ != graphs_->graphs[call_].size()))
    return fail(ErrorCode::kCheck, "the engine's graph is not the one that was recorded", "replay",
                "this is a bug of fqlab; whole-model runs are not affected");
  ++call_;
  return {};
}

}  // namespace fqlab
