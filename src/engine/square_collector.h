// Adds up the squares of what enters the matrix products of llama.cpp's graphs: the cb_eval of
// collect_activation_squares().
#pragma once

#include <ggml.h>

#include <map>
#include <string>
#include <vector>

#include "engine/chunk_context.h"
#include "fqlab/activations.h"

namespace fqlab {

class SquareCollector final : public DecodeWatcher {
 public:
  explicit SquareCollector(const ActivationOptions& options) : options_(options) {}

  static bool on_node(ggml_tensor* node, bool ask, void* collector);
  void before_decode(int, int) override {}
  /// What was wrong with the activations of this call, if anything.
  Result<void> after_decode() override;

  /// Sorted by name; the collector is empty then.
  std::vector<ActivationSquares> take();

 private:
  bool ask(ggml_tensor& node);
  void computed(const ggml_tensor& node);
  void add_product(const ggml_tensor& weight, const ggml_tensor& input);
  void add_expert_product(const ggml_tensor& weight, const ggml_tensor& input, const ggml_tensor& chosen);
  /// The sums of a weight, made on its first use; nullptr, and a problem, where its sizes have changed.
  ActivationSquares* entry(const ggml_tensor& weight, size_t sums, size_t counts);
  void note_problem(const ggml_tensor& weight, std::string what);

  ActivationOptions options_;
  std::map<std::string, ActivationSquares> entries_;
  std::vector<ggml_tensor*> switched_;  // not to be computed in this call, to be switched on again after it
  std::vector<std::byte> input_, chosen_;
  std::string problem_, problem_tensor_;  // the first of this call
};

}  // namespace fqlab
