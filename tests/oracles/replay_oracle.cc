// Development only: what prefix replay makes of one file, as one line of JSON, for
// check_replay_architectures.py. The engine may abort on a file; the script runs one process a file.
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "fqlab/replay.h"

using namespace fqlab;

namespace {

constexpr int kTokens = 96, kFirst = 48, kCount = 47;  // beyond the generator's sliding window of 32

std::vector<int32_t> tokens_of(uint32_t seed, int vocabulary) {
  std::vector<int32_t> tokens(kTokens);
  for (int32_t& token : tokens) {
    seed = seed * 1664525u + 1013904223u;
    token = static_cast<int32_t>((seed >> 8) % static_cast<uint32_t>(vocabulary));
  }
  return tokens;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

std::vector<float> copy(Result<std::span<const float>> logits) {
  if (!logits) throw std::runtime_error(to_string(logits.error()));
  return {logits->begin(), logits->end()};
}

template <class T>
T value(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Points every float32 tensor of the layer at other values, which `kept` owns.
void change_layer(const GgufFile& file, WeightImage& image, ReplayModel& replay, int layer,
                  std::vector<std::vector<float>>& kept) {
  for (const TensorInfo& tensor : file.tensors()) {
    if (parse_tensor_name(tensor.name).layer != layer) continue;
    const std::span<const float> values = image.floats(tensor.name);
    if (values.empty()) continue;
    std::vector<float>& moved = kept.emplace_back(values.begin(), values.end());
    for (size_t i = 0; i < moved.size(); ++i) moved[i] *= i % 2 == 0 ? 1.05f : 0.97f;
    value(replay.replace(tensor.name, moved));
  }
}

/// Whether a model that evaluated the original before gives the bits of a new one for every changed layer, in
/// chunks of one call of the engine: llama.cpp could take such a call's graph from the one before, with the
/// weights of then.
bool forgets_the_original(const GgufFile& file, WeightImage& image, const std::vector<int32_t>& tokens) {
  EvaluatorOptions options{kTokens, kTokens, 1, /*exact_gelu=*/true};
  options.fast_attention = true;
  ReplayModel used = value(ReplayModel::create(file, image, options));
  for (int layer = 0; layer < used.layers(); ++layer) {
    copy(used.logits_from(0, tokens, {}, kFirst, kCount));
    ReplayModel fresh = value(ReplayModel::create(file, image, options));
    std::vector<std::vector<float>> moved;
    change_layer(file, image, used, layer, moved);
    change_layer(file, image, fresh, layer, moved);
    const bool same = same_bits(copy(used.logits_from(0, tokens, {}, kFirst, kCount)),
                                copy(fresh.logits_from(0, tokens, {}, kFirst, kCount)));
    used.restore();
    if (!same) return false;
  }
  return true;
}

nlohmann::json look_at(const std::string& path) {
  const GgufFile file = value(GgufFile::open(path));
  WeightImage image = value(WeightImage::create(file, [](const TensorInfo&) { return true; }));
  EvaluatorOptions options{kTokens, 64, 1, /*exact_gelu=*/true};  // two calls of the engine a chunk
  options.fast_attention = true;
  ReplayModel replay = value(ReplayModel::create(file, image, options));
  const std::vector<int32_t> tokens = tokens_of(1, replay.vocabulary_size()),
                             others = tokens_of(2, replay.vocabulary_size());
  std::vector<float> streams(static_cast<size_t>(kTokens * replay.layers() * replay.embedding_size()));
  const std::vector<float> captured = copy(replay.capture(tokens, kFirst, kCount, streams));
  const Model model = value(Model::load(file));
  Evaluator plain = value(Evaluator::create(model, options));
  const std::vector<float> stored = copy(plain.logits(tokens, kFirst, kCount));

  nlohmann::json out = {
      {"layers", replay.layers()}, {"whole", same_bits(captured, stored)}, {"cuts", nlohmann::json::array()}};
  out["forgets"] = forgets_the_original(file, image, tokens);
  const double all = value(replay.operations(0, kTokens, kFirst, kCount));
  for (int cut = 1; cut < replay.layers(); ++cut) {
    nlohmann::json row = {{"cut", cut}};
    const std::optional<std::string> problem = value(replay.cut_problem(cut, tokens, streams));
    row["problem"] = problem ? nlohmann::json(*problem) : nlohmann::json();
    if (!problem) {
      row["spared"] = 1 - value(replay.operations(cut, kTokens, kFirst, kCount)) / all;
      std::vector<std::vector<float>> moved;
      change_layer(file, image, replay, cut, moved);
      const std::vector<float> whole = copy(replay.logits_from(0, tokens, {}, kFirst, kCount));
      copy(replay.logits_from(0, others, {}, kFirst, kCount));  // other values in every cache
      const size_t one = static_cast<size_t>(kTokens * replay.embedding_size());
      const std::vector<float> replayed = copy(replay.logits_from(
          cut, tokens, std::span(streams).subspan(static_cast<size_t>(cut) * one, one), kFirst, kCount));
      replay.restore();
      row["changes"] = !same_bits(whole, captured);
      row["exact"] = same_bits(whole, replayed);
    }
    out["cuts"].push_back(row);
  }
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  try {
    std::cout << look_at(arguments[1]).dump() << "\n";
  } catch (const std::exception& error) {
    std::cout << nlohmann::json{{"error", error.what()}}.dump() << "\n";
  }
  return 0;
}
