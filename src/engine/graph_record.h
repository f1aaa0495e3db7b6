// What depends on what in one graph of the engine: which nodes a stream spares, which tensors change it.
#pragma once

#include <ggml.h>

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace fqlab {

/// A float32 product whose right side is a permuted view (attention's queries), by node numbers. The engine
/// has a fast kernel for right sides that lie in memory one row after the other, and takes the slow one for
/// these.
struct ScatteredProduct {
  int product = 0, right = 0;
};

/// The graph of one call of the engine, kept after the engine has forgotten it. Nodes carry their number in
/// the order of evaluation; leaves (weights, inputs, caches) have the numbers after them.
///
///   blk.0 ... l_out-5 | blk.6 ... result_output        cut at 6: given l_out-5, what stands on its left is
///       \____________________^                         needed only where something on the right reads it
class GraphRecord {
 public:
  /// `nodes` in the order of evaluation; `tokens` evaluated by this graph, `width` values a token in a
  /// stream.
  GraphRecord(std::span<ggml_tensor* const> nodes, int layers, int tokens, int width);

  int size() const { return static_cast<int>(nodes_.size()); }
  bool has_table_gelu() const { return has_table_gelu_; }
  const std::vector<ScatteredProduct>& scattered() const { return scattered_; }
  /// True where `tensor` is this graph's node number `node`, as far as one can tell from outside.
  bool is(int node, const ggml_tensor& tensor) const;

  /// The node whose values enter `layer`, or -1; problem() says why.
  int stream(int layer) const { return streams_[static_cast<size_t>(layer)]; }
  std::string problem(int layer) const;

  /// For every node up to `given`, whether evaluation without it gives all later nodes the same values once
  /// those of `given` are filled in.
  std::vector<bool> spared(int given) const;
  /// Floating-point operations of the matrix products, those of `spared` nodes left out.
  double operations(const std::vector<bool>& spared) const;

  /// The weights (leaves in the model's buffers) by name; the pointers are good as long as the model.
  const std::unordered_multimap<std::string, ggml_tensor*>& weights() const { return weights_; }
  /// The first layer whose output depends on a weight (layers without a named output are skipped), `layers`
  /// where none does; 0 for all where no layer's output is named.
  std::unordered_map<std::string, int> first_layers() const;

 private:
  struct Node {
    std::string name;
    ggml_op op;
    bool works;                // has something to compute: not a view, not switched off by the engine
    double operations;         // of a matrix product, else 0
    std::vector<int> sources;  // numbers of what it reads
  };
  void find_scattered(std::span<ggml_tensor* const> nodes);
  void find_streams(std::span<ggml_tensor* const> nodes, int tokens, int width);
  void need(int reader, int given, std::vector<bool>& needed, std::vector<int>& open) const;
  std::vector<bool> needed_for(int node) const;

  std::vector<Node> nodes_;
  bool has_table_gelu_ = false;
  std::vector<ScatteredProduct> scattered_;
  std::vector<int> root_;                              // of each number: whose memory it lies in
  std::unordered_map<int, std::vector<int>> writers_;  // nodes that write into a root's memory, in order
  std::vector<int> outputs_;                           // by layer: its last node, or -1
  std::vector<int> streams_;                           // by layer: the node whose values enter it, or -1
  std::vector<std::string> problems_;
  std::unordered_multimap<std::string, ggml_tensor*> weights_;
  std::unordered_map<std::string, std::vector<int>> weight_numbers_;
};

}  // namespace fqlab
