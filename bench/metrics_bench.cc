// What scoring and comparing cost against a plain read of the same memory. One chunk of 255 scored positions
// by 49,152 logits an arm (SmolLM2), larger than any cache; one core.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "base/random.h"
#include "fqlab/metrics.h"

namespace fqlab {
namespace {

constexpr size_t kVocabulary = 49152;
constexpr size_t kPositions = 255;

struct Chunk {
  explicit Chunk(double noise)
      : original(kPositions * kVocabulary), variant(original.size()), targets(kPositions, 17) {
    Random random(1);
    for (size_t i = 0; i < original.size(); ++i) {
      original[i] = static_cast<float>(3 * random.normal());
      variant[i] = original[i] + static_cast<float>(noise * random.normal());
    }
    scores = score_positions(original, targets, 2);
  }
  std::vector<float> original, variant;
  std::vector<int32_t> targets;
  std::vector<PositionScore> scores;
};

/// Noise of 0.05 (KL 0.001, all differences small), of 0.15 (some are not) and of 1 (KL 0.5, hardly any is).
const Chunk& chunk(size_t noise = 0) {
  static const Chunk values[] = {Chunk(0.05), Chunk(0.15), Chunk(1)};
  return values[noise];
}

uint64_t read_all(const std::vector<float>& from) {
  uint64_t seen[8] = {};
  for (size_t i = 0; i + 16 <= from.size(); i += 16) {
    uint64_t words[8];
    std::memcpy(words, from.data() + i, sizeof words);
    for (size_t j = 0; j < 8; ++j) seen[j] ^= words[j];
  }
  uint64_t all = 0;
  for (const uint64_t word : seen) all ^= word;
  return all;
}

void report(benchmark::State& state, size_t arms) {
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * arms * kPositions * kVocabulary * sizeof(float)));
}

void plain_read_of_one_arm(benchmark::State& state) {
  chunk();
  for (auto _ : state) benchmark::DoNotOptimize(read_all(chunk().original));
  report(state, 1);
}
void score_one_arm(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(score_positions(chunk().original, chunk().targets, 1));
  report(state, 1);
}
void plain_read_of_both_arms(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(read_all(chunk().original));
    benchmark::DoNotOptimize(read_all(chunk().variant));
  }
  report(state, 2);
}
void compare_both_arms(benchmark::State& state) {
  const Chunk& c = chunk(static_cast<size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(compare_positions(c.original, c.scores, c.variant, c.targets, 1));
  report(state, 2);
}

BENCHMARK(plain_read_of_one_arm)->Unit(benchmark::kMillisecond);
BENCHMARK(score_one_arm)->Unit(benchmark::kMillisecond);
BENCHMARK(plain_read_of_both_arms)->Unit(benchmark::kMillisecond);
BENCHMARK(compare_both_arms)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fqlab

BENCHMARK_MAIN();
