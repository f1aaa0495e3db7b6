#include "engine/square_collector.h"

#include <ggml-backend.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>

namespace fqlab {
namespace {

constexpr int64_t kFewestRowsOfImatrix = 16;  // llama-imatrix leaves smaller products out
constexpr std::string_view kOutput = "output.weight", kEmbedding = "token_embd.weight";

bool is_output_product(const ggml_tensor& node) {
  const std::string_view weight = node.op == GGML_OP_MUL_MAT ? node.src[0]->name : "";
  return weight == kOutput || weight == kEmbedding;
}

/// A tensor's bytes, gaps between rows included, wherever the engine keeps them.
const std::byte* read(const ggml_tensor& tensor, std::vector<std::byte>& into) {
  into.resize(ggml_nbytes(&tensor));
  ggml_backend_tensor_get(&tensor, into.data(), 0, into.size());
  return into.data();
}

/// The bytes at which an index of a tensor starts within `data`, its first byte.
const std::byte* at(const std::byte* data, const ggml_tensor& tensor, std::array<int64_t, 4> index) {
  for (size_t i = 0; i < index.size(); ++i) data += static_cast<size_t>(index[i]) * tensor.nb[i];
  return data;
}

void add_squares(const std::byte* row, float* sums, int64_t columns) {
  const auto* x = reinterpret_cast<const float*>(row);
  for (int64_t j = 0; j < columns; ++j) sums[j] += x[j] * x[j];
}

bool all_finite(const float* values, int64_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

}  // namespace

bool SquareCollector::on_node(ggml_tensor* node, bool ask, void* collector) {
  SquareCollector& self = *static_cast<SquareCollector*>(collector);
  if (ask) return self.ask(*node);
  self.computed(*node);
  return true;  // go on
}

bool SquareCollector::ask(ggml_tensor& node) {
  if (node.op != GGML_OP_MUL_MAT && node.op != GGML_OP_MUL_MAT_ID) return false;
  const ggml_tensor& input = *node.src[1];
  if (input.type != GGML_TYPE_F32 || input.nb[0] != sizeof(float)) return false;
  if (node.op == GGML_OP_MUL_MAT_ID) return true;
  const std::string_view weight = node.src[0]->name;
  if (is_output_product(node)) {
    // Nobody reads the logits, and they are much of a small model's work.
    if ((node.flags & GGML_TENSOR_FLAG_COMPUTE) != 0) {
      node.flags &= ~GGML_TENSOR_FLAG_COMPUTE;
      switched_.push_back(&node);
    }
    return input.ne[1] >= kFewestRowsOfImatrix &&
           (weight == kOutput ? options_.output : options_.tied_embedding);
  }
  return input.ne[1] >= kFewestRowsOfImatrix && weight.starts_with("blk.");
}

void SquareCollector::computed(const ggml_tensor& node) {
  if (!problem_.empty()) return;
  if (node.op == GGML_OP_MUL_MAT_ID)
    add_expert_product(*node.src[0], *node.src[1], *node.src[2]);
  else
    add_product(*node.src[0], *node.src[1]);
}

void SquareCollector::note_problem(const ggml_tensor& weight, std::string what) {
  if (!problem_.empty()) return;
  problem_ = std::move(what);
  problem_tensor_ = weight.name;
}

ActivationSquares* SquareCollector::entry(const ggml_tensor& weight, size_t sums, size_t counts) {
  ActivationSquares& found = entries_[weight.name];
  if (found.sums.empty()) found = {weight.name, std::vector<float>(sums), std::vector<uint64_t>(counts)};
  if (found.sums.size() == sums && (counts == 1 || found.counts.size() == counts)) return &found;
  note_problem(weight, "the engine multiplies a weight in two ways that no imatrix can tell apart");
  return nullptr;
}

void SquareCollector::add_product(const ggml_tensor& weight, const ggml_tensor& input) {
  const int64_t columns = input.ne[0], matrices = weight.ne[2] * weight.ne[3];
  ActivationSquares* found = entry(weight, static_cast<size_t>(columns * matrices), 1);
  if (found == nullptr) return;
  const std::byte* data = read(input, input_);
  for (int64_t i3 = 0; i3 < input.ne[3]; ++i3)
    for (int64_t i2 = 0; i2 < input.ne[2]; ++i2) {
      const int64_t matrix = (i3 % weight.ne[3]) * weight.ne[2] + i2 % weight.ne[2];
      float* sums = found->sums.data() + matrix * columns;
      for (int64_t i1 = 0; i1 < input.ne[1]; ++i1)
        add_squares(at(data, input, {0, i1, i2, i3}), sums, columns);
    }
  for (uint64_t& count : found->counts) count += static_cast<uint64_t>(ggml_nrows(&input) / matrices);
  if (!all_finite(found->sums.data(), columns * matrices))
    note_problem(weight, "what enters the weight is not finite");
}

// input: columns x (1 or the experts of a token) x tokens; chosen: experts of a token x tokens.
void SquareCollector::add_expert_product(const ggml_tensor& weight, const ggml_tensor& input,
                                         const ggml_tensor& chosen) {
  const int64_t columns = input.ne[0], experts = weight.ne[2];
  if (input.ne[3] != 1 || chosen.ne[1] != input.ne[2])
    return note_problem(weight, "the engine's product of experts has an unknown shape");
  ActivationSquares* found =
      entry(weight, static_cast<size_t>(columns * experts), static_cast<size_t>(experts));
  if (found == nullptr) return;
  const std::byte *data = read(input, input_), *numbers = read(chosen, chosen_);
  std::vector<bool> touched(static_cast<size_t>(experts));
  for (int64_t choice = 0; choice < chosen.ne[0]; ++choice)
    for (int64_t token = 0; token < input.ne[2]; ++token) {
      int32_t expert = 0;
      std::memcpy(&expert, at(numbers, chosen, {choice, token, 0, 0}), sizeof expert);
      if (expert < 0 || expert >= experts)
        return note_problem(weight, "the engine chose an expert that the model does not have");
      add_squares(at(data, input, {0, choice % input.ne[1], token, 0}), found->sums.data() + expert * columns,
                  columns);
      ++found->counts[static_cast<size_t>(expert)];
      touched[static_cast<size_t>(expert)] = true;
    }
  for (int64_t expert = 0; expert < experts; ++expert)
    if (touched[static_cast<size_t>(expert)] && !all_finite(found->sums.data() + expert * columns, columns))
      note_problem(weight, "what enters the weight is not finite");
}

Result<void> SquareCollector::after_decode() {
  for (ggml_tensor* node : switched_) node->flags |= GGML_TENSOR_FLAG_COMPUTE;  // the engine may use it again
  switched_.clear();
  if (problem_.empty()) return {};
  return fail(ErrorCode::kEngine, problem_, problem_tensor_,
              "look for NaN and Inf in the weights: fqlab inspect MODEL; or try --arithmetic reference");
}

std::vector<ActivationSquares> SquareCollector::take() {
  std::vector<ActivationSquares> all;
  for (auto& [name, squares] : entries_) all.push_back(std::move(squares));
  entries_.clear();
  return all;
}

}  // namespace fqlab
