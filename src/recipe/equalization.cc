#include "recipe/equalization.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <string_view>

#include "formats/parallel.h"

namespace fqlab {
namespace {

constexpr uint64_t kBlock = 32;           // columns that share a scale in most of ggml's types
constexpr uint64_t kMostRows = 2048;      // of a reader: enough for the mean of its blocks' largest values
constexpr int kMostExponent = 6;          // either way
constexpr int kMostLift = 4;              // of a norm, so that activations stay far from where f16 ends
constexpr double kWorthwhile = 1e-4;      // of a block's error: a smaller gain is no reason to move
constexpr double kWeightSteps = 16;       // between 0 and the largest weight: 5 bits
constexpr double kActivationSteps = 127;  // 8 bits
/// The largest square of a block's activations in one token, over the largest mean square of its columns.
constexpr double kPeak = 2;

struct NormRule {
  std::string_view norm;
  std::vector<std::string_view> readers;
};

const std::vector<NormRule>& norm_rules() {
  static const std::vector<NormRule> rules = {
      {"attn_norm", {"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_q_a", "attn_kv_a_mqa"}},
      {"ffn_norm",
       {"ffn_gate", "ffn_up", "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_gate_up_exps",
        "ffn_gate_shexp", "ffn_up_shexp", "ffn_gate_inp_shexp"}},
  };
  return rules;
}

std::string named(const std::string& layer, std::string_view kind) {
  return layer + std::string(kind) + ".weight";
}

std::vector<uint32_t> straight(uint64_t columns) {
  std::vector<uint32_t> all(columns);
  std::iota(all.begin(), all.end(), 0u);
  return all;
}

class Finder {
 public:
  explicit Finder(const GgufFile& file) : file_(file) {}

  std::vector<SharedInput> find() {
    std::set<int> layers;
    bool more_heads = false;  // which predict further tokens from what output_norm gives
    for (const TensorInfo& tensor : file_.tensors()) {
      if (const auto layer = parse_tensor_name(tensor.name).layer) layers.insert(*layer);
      more_heads = more_heads || tensor.name.find("nextn") != std::string::npos;
    }
    for (const int i : layers) {
      const std::string layer = "blk." + std::to_string(i) + ".";
      for (const NormRule& rule : norm_rules()) add_norm(layer, rule);
      add_attention_output(layer);
      if (matrix(named(layer, "ffn_gate")) != nullptr) add_gated_product(layer);
    }
    if (!more_heads) add_norm("", {"output_norm", {"output"}});
    return std::move(found_);
  }

 private:
  const TensorInfo* matrix(const std::string& name) const {
    const TensorInfo* tensor = file_.find_tensor(name);
    return tensor != nullptr && tensor->shape.size() >= 2 && tensor->columns() % kBlock == 0 ? tensor
                                                                                             : nullptr;
  }

  void add(std::string_view kind, std::string source, std::vector<std::string> readers,
           std::vector<uint32_t> source_of) {
    std::vector<int> none(source_of.size());
    found_.push_back(
        {std::string(kind), std::move(source), std::move(readers), std::move(source_of), std::move(none)});
  }

  void add_norm(const std::string& layer, const NormRule& rule) {
    const TensorInfo* norm = file_.find_tensor(named(layer, rule.norm));
    if (norm == nullptr || norm->values() % kBlock != 0) return;
    std::vector<std::string> readers;
    for (const std::string_view kind : rule.readers) {
      const TensorInfo* reader = file_.find_tensor(named(layer, kind));
      if (reader != nullptr && reader->columns() == norm->values()) readers.push_back(reader->name);
    }
    if (!readers.empty()) add(rule.norm, norm->name, std::move(readers), straight(norm->values()));
  }

  /// Column (head, d) of attn_output reads row (head / heads that share a value head, d) of attn_v.
  void add_attention_output(const std::string& layer) {
    const TensorInfo* values = file_.find_tensor(named(layer, "attn_v"));
    const TensorInfo* output = matrix(named(layer, "attn_output"));
    if (values == nullptr || output == nullptr || values->shape.size() != 2) return;
    const std::string attention = file_.architecture() + ".attention.";
    const auto heads = file_.metadata_uint(attention + "head_count");
    const auto length = file_.metadata_uint(attention + "value_length");
    if (!heads || *heads == 0) return;
    const uint64_t rows = values->shape[1], columns = output->columns();
    const uint64_t size = length ? *length : columns / *heads;
    if (size == 0 || rows == 0 || size * *heads != columns || rows % size != 0 || columns % rows != 0) return;
    const uint64_t sharing = columns / rows;
    std::vector<uint32_t> source_of(columns);
    for (uint64_t c = 0; c < columns; ++c)
      source_of[c] = static_cast<uint32_t>(c / size / sharing * size + c % size);
    add("attn_v", values->name, {output->name}, std::move(source_of));
  }

  void add_gated_product(const std::string& layer) {
    const TensorInfo* up = file_.find_tensor(named(layer, "ffn_up"));
    const TensorInfo* down = matrix(named(layer, "ffn_down"));
    if (up == nullptr || down == nullptr || up->shape.size() != 2 || up->shape[1] != down->columns()) return;
    add("ffn_up", up->name, {down->name}, straight(down->columns()));
  }

  const GgufFile& file_;
  std::vector<SharedInput> found_;
};

/// What a choice of exponents costs the readers of one input.
class BlockErrors {
 public:
  static Result<BlockErrors> create(const GgufFile& file, const SharedInput& input,
                                    std::vector<double> squares) {
    BlockErrors errors;
    errors.squares_ = std::move(squares);
    for (const std::string& name : input.readers)
      if (Result<void> added = errors.add(file, *file.find_tensor(name)); !added)
        return tl::unexpected(added.error());
    errors.sums_.assign(errors.squares_.size(), 0);
    for (uint64_t c = 0; c < errors.squares_.size(); ++c)
      for (const auto& columns : errors.weights_) errors.sums_[c] += columns[c];
    return errors;
  }

  /// Of block b.
  double operator()(uint64_t b, std::span<const int> exponents) const {
    std::array<float, kBlock> scale{};
    double peak = 0, inputs = 0, weights = 0, largest = 0;
    for (uint64_t j = 0; j < kBlock; ++j) {
      const uint64_t c = b * kBlock + j;
      scale[j] = std::ldexp(1.0f, 2 * exponents[c]);
      const double square = squares_[c] / scale[j];
      peak = std::max(peak, square);
      inputs += square;
      weights += sums_[c] * scale[j];
    }
    for (const auto& row : weights_) {
      const float* w = row.data() + b * kBlock;
      float most = 0;
      for (uint64_t j = 0; j < kBlock; ++j) most = std::max(most, w[j] * scale[j]);
      largest += most;
    }
    return largest * inputs / (kWeightSteps * kWeightSteps) +
           kPeak * peak * weights / (kActivationSteps * kActivationSteps);
  }

 private:
  /// The squares of evenly spaced rows, over what the whole reader gives.
  Result<void> add(const GgufFile& file, const TensorInfo& reader) {
    const GgmlTypeInfo& type = *ggml_type_info(reader.type);
    const uint64_t columns = reader.columns(), rows = columns == 0 ? 0 : reader.values() / columns;
    const uint64_t step = (rows + kMostRows - 1) / kMostRows;
    const size_t first = weights_.size();
    double sum = 0;
    for (uint64_t r = 0; r < rows; r += step) {
      std::vector<float>& row = weights_.emplace_back(columns);
      const auto bytes = file.data(reader).subspan(type.bytes_of(r * columns), type.bytes_of(columns));
      if (Result<void> decoded = decode(reader.type, bytes, row); !decoded) return decoded;
      for (uint64_t c = 0; c < columns; ++c) {
        row[c] *= row[c];
        sum += row[c] * squares_[c];
      }
    }
    if (!(sum > 0) || !std::isfinite(sum)) {  // nothing to gain, or nothing that can be reckoned with
      weights_.resize(first);
      return {};
    }
    for (size_t i = first; i < weights_.size(); ++i)
      for (float& square : weights_[i]) square = static_cast<float>(square / sum);
    return {};
  }

  std::vector<double> squares_, sums_;
  std::vector<std::vector<float>> weights_;
};

/// Columns that share a source value move together.
void descend(const BlockErrors& errors, SharedInput& input) {
  std::map<uint32_t, std::vector<uint64_t>> columns_of;
  for (uint64_t c = 0; c < input.source_of.size(); ++c) columns_of[input.source_of[c]].push_back(c);
  std::vector<double> error(input.source_of.size() / kBlock);
  for (uint64_t b = 0; b < error.size(); ++b) error[b] = errors(b, input.exponents);
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& [source, columns] : columns_of)
      for (const int step : {1, -1}) {
        if (std::abs(input.exponents[columns[0]] + step) > kMostExponent) continue;
        std::map<uint64_t, double> after;
        for (const uint64_t c : columns) input.exponents[c] += step;
        double was = 0, is = 0;
        for (const uint64_t c : columns)
          if (const uint64_t b = c / kBlock; !after.contains(b)) {
            was += error[b];
            is += after[b] = errors(b, input.exponents);
          }
        if (is < was * (1 - kWorthwhile)) {
          for (const auto& [b, value] : after) error[b] = value;
          moved = true;
        } else {
          for (const uint64_t c : columns) input.exponents[c] -= step;
        }
      }
  }
}

/// The mean squares of an input's values, from the first reader that has an entry, best from one that sees
/// every token: experts that saw none have ones.
Result<std::vector<double>> squares_of(const GgufFile& file, const ImportanceMatrix& imatrix,
                                       const SharedInput& input) {
  const uint64_t columns = input.source_of.size();
  std::vector<double> squares;
  for (const bool of_experts : {false, true})
    for (const std::string& name : input.readers) {
      const TensorInfo& reader = *file.find_tensor(name);
      if (!squares.empty() || !imatrix.has(name) || (reader.matrices() > 1) != of_experts) continue;
      const Result<std::vector<float>> all = imatrix.importance(reader);
      if (!all) return tl::unexpected(all.error());
      squares.assign(columns, 0);
      for (size_t i = 0; i < all->size(); ++i) squares[i % columns] += (*all)[i];
    }
  // An input that is always 0 could be scaled without end.
  const double sum = std::accumulate(squares.begin(), squares.end(), 0.0);
  for (double& square : squares) square = std::max(square, 1e-9 * sum / static_cast<double>(columns));
  return squares;
}

Result<void> equalize_input(const GgufFile& file, const ImportanceMatrix& imatrix, SharedInput& input) {
  Result<std::vector<double>> squares = squares_of(file, imatrix, input);
  if (!squares) return tl::unexpected(squares.error());
  if (squares->empty()) return {};
  const Result<BlockErrors> errors = BlockErrors::create(file, input, std::move(*squares));
  if (!errors) return tl::unexpected(errors.error());
  descend(*errors, input);
  return {};
}

}  // namespace

std::vector<SharedInput> find_shared_inputs(const GgufFile& file) { return Finder(file).find(); }

Result<void> equalize(const GgufFile& file, const ImportanceMatrix& imatrix, std::vector<SharedInput>& inputs,
                      int threads, const std::function<void(size_t done, size_t all)>& progress) {
  std::vector<Result<void>> results(inputs.size());
  std::mutex telling;
  size_t done = 0;
  share_out(inputs.size(), 1, threads, [&](int, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i) {
      results[i] = equalize_input(file, imatrix, inputs[i]);
      const std::scoped_lock lock(telling);
      progress(++done, inputs.size());
    }
  });
  for (Result<void>& result : results)
    if (!result) return std::move(result);
  return {};
}

void avoid_underflow(const GgufFile& file, std::vector<SharedInput>& inputs) {
  const auto is_f16 = [&](const std::string& name) { return file.find_tensor(name)->type == GgmlType::kF16; };
  const auto lift = [](SharedInput& input, int least) {
    const int by = least - *std::ranges::min_element(input.exponents);
    for (int& exponent : input.exponents) exponent += by;
  };
  std::map<std::string, int> rows_fall_by;  // of matrices that are sources
  for (SharedInput& input : inputs) {
    if (!is_f16(input.source) && !is_f16(input.readers.front())) continue;
    if (input.kind != "attn_v" && input.kind != "ffn_up") continue;
    lift(input, 0);
    rows_fall_by[input.source] = *std::ranges::max_element(input.exponents);
  }
  for (SharedInput& input : inputs) {
    if (rows_fall_by.contains(input.source) || std::ranges::none_of(input.readers, is_f16)) continue;
    int least = 0;
    for (const std::string& reader : input.readers)
      if (const auto falls = rows_fall_by.find(reader); falls != rows_fall_by.end())
        least = std::max(least, falls->second);
    lift(input, std::min(least, kMostLift));
  }
}

TensorScale scale_of(const TensorInfo& tensor, std::span<const SharedInput> inputs) {
  TensorScale scale;
  const auto idle = [](const std::vector<int>& exponents) {
    return std::ranges::all_of(exponents, [](int exponent) { return exponent == 0; });
  };
  const auto bias_of = [](std::string source) {
    return source.replace(source.size() - std::string_view("weight").size(), std::string::npos, "bias");
  };
  for (const SharedInput& input : inputs) {
    if (idle(input.exponents)) continue;
    if (std::ranges::find(input.readers, tensor.name) != input.readers.end()) scale.columns = input.exponents;
    if (tensor.name != input.source && tensor.name != bias_of(input.source)) continue;
    const uint64_t rows = *std::ranges::max_element(input.source_of) + 1;
    if (tensor.values() % rows != 0) continue;
    scale.rows.resize(rows);
    for (size_t c = 0; c < input.source_of.size(); ++c) scale.rows[input.source_of[c]] = -input.exponents[c];
  }
  return scale;
}

void apply_scale(const TensorScale& scale, std::span<float> values, int sign) {
  const auto powers = [sign](const std::vector<int>& exponents) {
    std::vector<float> all;
    all.reserve(exponents.size());
    for (const int exponent : exponents) all.push_back(std::ldexp(1.0f, sign * exponent));
    return all;
  };
  const std::vector<float> by_column = powers(scale.columns), by_row = powers(scale.rows);
  const size_t columns = by_column.size(), rows = std::max<size_t>(by_row.size(), 1);
  const size_t per_row = std::max<size_t>(values.size() / rows, 1);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] *= (columns == 0 ? 1 : by_column[i % columns]) * (by_row.empty() ? 1 : by_row[i / per_row]);
}

}  // namespace fqlab
