#include "engine/graph_record.h"

#include <fmt/format.h>
#include <ggml-backend.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <string_view>

#include "engine/gelu.h"

namespace fqlab {
namespace {

bool is_view(ggml_op op) {
  return op == GGML_OP_NONE || op == GGML_OP_RESHAPE || op == GGML_OP_VIEW || op == GGML_OP_PERMUTE ||
         op == GGML_OP_TRANSPOSE;
}

double product_operations(const ggml_tensor& tensor) {
  if (tensor.op != GGML_OP_MUL_MAT && tensor.op != GGML_OP_MUL_MAT_ID) return 0;
  return 2.0 * static_cast<double>(tensor.src[0]->ne[0]) * static_cast<double>(ggml_nelements(&tensor));
}

bool is_weight(const ggml_tensor& leaf) {
  return leaf.buffer != nullptr &&
         ggml_backend_buffer_get_usage(leaf.buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
}

// How the engine's architectures name the last node of a layer, the most telling name first.
constexpr const char* kLayerOutputs[] = {"nemotron_h_block_out-", "l_out-", "ffn_residual-"};

struct LayerOutput {
  int layer = -1;
  size_t rank = 0;  // in kLayerOutputs
};

LayerOutput parse_layer_output(std::string_view name) {
  for (size_t rank = 0; rank < std::size(kLayerOutputs); ++rank) {
    if (!name.starts_with(kLayerOutputs[rank])) continue;
    const std::string_view digits = name.substr(std::strlen(kLayerOutputs[rank]));
    int layer = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
    if (error == std::errc() && end == digits.data() + digits.size()) return {layer, rank};
  }
  return {};
}

}  // namespace

GraphRecord::GraphRecord(std::span<ggml_tensor* const> nodes, int layers, int tokens, int width)
    : outputs_(static_cast<size_t>(layers), -1),
      streams_(static_cast<size_t>(layers), -1),
      problems_(static_cast<size_t>(layers), "the engine's graph names no stream that enters the layer") {
  std::unordered_map<const ggml_tensor*, int> numbers;
  for (size_t i = 0; i < nodes.size(); ++i) numbers.emplace(nodes[i], static_cast<int>(i));
  root_.resize(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) root_[i] = static_cast<int>(i);
  const auto number = [&](ggml_tensor* tensor) {
    const auto [found, leaf] = numbers.emplace(tensor, static_cast<int>(root_.size()));
    if (leaf) {
      root_.push_back(found->second);
      if (is_weight(*tensor)) {
        weights_.emplace(tensor->name, tensor);
        weight_numbers_[tensor->name].push_back(found->second);
      }
    }
    return found->second;
  };
  nodes_.reserve(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    ggml_tensor& tensor = *nodes[i];
    has_table_gelu_ = has_table_gelu_ || is_table_gelu(tensor);
    Node node{tensor.name,
              tensor.op,
              !is_view(tensor.op) && (tensor.flags & GGML_TENSOR_FLAG_COMPUTE) != 0,
              product_operations(tensor),
              {}};
    for (ggml_tensor* source : tensor.src)
      if (source != nullptr) node.sources.push_back(number(source));
    if (tensor.view_src != nullptr) {
      node.sources.push_back(number(tensor.view_src));
      ggml_tensor* base = tensor.view_src;
      while (base->view_src != nullptr) base = base->view_src;
      root_[i] = number(base);
    }
    if (node.works) writers_[root_[i]].push_back(static_cast<int>(i));
    nodes_.push_back(std::move(node));
  }
  find_scattered(nodes);
  find_streams(nodes, tokens, width);
}

void GraphRecord::find_scattered(std::span<ggml_tensor* const> nodes) {
  std::vector<int> readers(root_.size());
  for (const Node& node : nodes_)
    for (const int source : node.sources) ++readers[static_cast<size_t>(source)];
  for (size_t i = 0; i < nodes.size(); ++i) {
    const ggml_tensor *right = nodes[i]->src[1], *left = nodes[i]->src[0];
    if (nodes[i]->op != GGML_OP_MUL_MAT || !nodes_[i].works || right->op != GGML_OP_PERMUTE) continue;
    if (left->type != GGML_TYPE_F32 || right->type != GGML_TYPE_F32) continue;
    const int number = nodes_[i].sources[1];
    if (ggml_is_contiguous(right) || right->nb[0] != sizeof(float)) continue;
    if (readers[static_cast<size_t>(number)] != 1) continue;
    scattered_.push_back({static_cast<int>(i), number});
  }
}

void GraphRecord::find_streams(std::span<ggml_tensor* const> nodes, int tokens, int width) {
  const int layers = static_cast<int>(outputs_.size());
  problems_[0].clear();
  std::vector<size_t> rank(outputs_.size(), std::size(kLayerOutputs));
  for (size_t i = 0; i < nodes.size(); ++i) {
    const LayerOutput found = parse_layer_output(nodes[i]->name);
    if (found.layer < 0 || found.layer >= layers) continue;
    const size_t before = static_cast<size_t>(found.layer), layer = before + 1;
    if (found.rank > rank[before]) continue;
    const bool again = found.rank == rank[before];
    rank[before] = found.rank;
    outputs_[before] = static_cast<int>(i);
    if (found.layer + 1 == layers) continue;  // only the rows that are scored leave the last layer
    const ggml_tensor& tensor = *nodes[i];
    streams_[layer] = -1;
    if (again)
      problems_[layer] = "the engine's graph names more than one stream that enters the layer";
    else if (tensor.type != GGML_TYPE_F32 || !ggml_is_contiguous(&tensor) || tensor.ne[0] != width ||
             ggml_nelements(&tensor) != static_cast<int64_t>(width) * tokens)
      problems_[layer] = fmt::format("what enters the layer is not one vector of {} values a token", width);
    else
      streams_[layer] = static_cast<int>(i), problems_[layer].clear();
  }
}

bool GraphRecord::is(int node, const ggml_tensor& tensor) const {
  if (node >= size()) return false;
  const Node& recorded = nodes_[static_cast<size_t>(node)];
  return recorded.op == tensor.op && recorded.name == tensor.name;
}

std::string GraphRecord::problem(int layer) const { return problems_[static_cast<size_t>(layer)]; }

// Marks what `reader` reads. Reading a place in memory (a cache, a state) needs whatever was written there
// before, though no edge of the graph says so. The values of `given` are known, and with them its memory.
void GraphRecord::need(int reader, int given, std::vector<bool>& needed, std::vector<int>& open) const {
  const auto mark = [&](int number) {
    if (number == given || needed[static_cast<size_t>(number)]) return;
    needed[static_cast<size_t>(number)] = true;
    if (number < size()) open.push_back(number);
  };
  for (const int source : nodes_[static_cast<size_t>(reader)].sources) {
    const int root = root_[static_cast<size_t>(source)];
    const bool in_given_memory = given >= 0 && reader > given && root == root_[static_cast<size_t>(given)];
    if (in_given_memory && source <= given) continue;
    mark(source);
    const auto writers = writers_.find(root);
    if (writers == writers_.end()) continue;
    for (const int writer : writers->second)
      if (writer < reader && !(in_given_memory && writer <= given)) mark(writer);
  }
}

std::vector<bool> GraphRecord::spared(int given) const {
  std::vector<bool> needed(root_.size(), false);
  std::vector<int> open;
  for (int i = given + 1; i < size(); ++i)
    if (nodes_[static_cast<size_t>(i)].works) need(i, given, needed, open);
  while (!open.empty()) {
    const int reader = open.back();
    open.pop_back();
    need(reader, given, needed, open);
  }
  std::vector<bool> spared(static_cast<size_t>(given) + 1);
  for (size_t i = 0; i < spared.size(); ++i) spared[i] = !needed[i];
  return spared;
}

std::vector<bool> GraphRecord::needed_for(int node) const {
  std::vector<bool> needed(root_.size(), false);
  std::vector<int> open = {node};
  needed[static_cast<size_t>(node)] = true;
  while (!open.empty()) {
    const int reader = open.back();
    open.pop_back();
    need(reader, -1, needed, open);
  }
  return needed;
}

double GraphRecord::operations(const std::vector<bool>& spared) const {
  double sum = 0;
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].works && (i >= spared.size() || !spared[i])) sum += nodes_[i].operations;
  return sum;
}

std::unordered_map<std::string, int> GraphRecord::first_layers() const {
  const int layers = static_cast<int>(streams_.size());
  std::unordered_map<std::string, int> first;
  const bool named = std::ranges::any_of(outputs_, [](int node) { return node >= 0; });
  for (const auto& [name, numbers] : weight_numbers_) first[name] = named ? layers : 0;
  for (int layer = layers - 1; layer >= 0; --layer) {
    const int output = outputs_[static_cast<size_t>(layer)];
    if (output < 0) continue;
    const std::vector<bool> needed = needed_for(output);
    for (const auto& [name, numbers] : weight_numbers_)
      for (const int number : numbers)
        if (needed[static_cast<size_t>(number)]) first[name] = layer;
  }
  return first;
}

}  // namespace fqlab
