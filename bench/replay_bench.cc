// What an evaluation from a layer on costs a floating-point operation of its matrix products, against the
// whole model: SmolLM2 in float32, one chunk of 512 tokens, 255 positions scored, one thread. `cut:0` is the
// whole model, `cut:30` Evaluator's plain evaluation of it.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "fqlab/replay.h"

namespace fqlab {
namespace {

constexpr int kTokens = 512, kFirst = 256, kCount = 255;

struct Scene {
  Scene()
      : file(GgufFile::open(std::getenv("FQLAB_BENCH_MODEL")).value()),
        image(WeightImage::create(file, [](const TensorInfo&) { return true; }).value()),
        replay(ReplayModel::create(file, image, {kTokens, kTokens, 1}).value()),
        tokens(kTokens) {
    for (int i = 0; i < kTokens; ++i) tokens[static_cast<size_t>(i)] = (i * 7919) % replay.vocabulary_size();
    streams.resize(static_cast<size_t>(replay.layers() * kTokens * replay.embedding_size()));
    replay.capture(tokens, kFirst, kCount, streams).value();
  }
  GgufFile file;
  WeightImage image;
  ReplayModel replay;
  std::vector<int32_t> tokens;
  std::vector<float> streams;
};

Scene& scene() {
  static Scene the_scene;
  return the_scene;
}

void report(benchmark::State& state, int cut) {
  const double runs = static_cast<double>(state.iterations());
  state.counters["tokens/s"] = benchmark::Counter(runs * kTokens, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] = benchmark::Counter(
      runs * scene().replay.operations(cut, kTokens, kFirst, kCount).value(), benchmark::Counter::kIsRate);
}

void replay(benchmark::State& state) {
  Scene& s = scene();
  const int cut = static_cast<int>(state.range(0));
  const size_t one = static_cast<size_t>(kTokens * s.replay.embedding_size());
  const std::span<const float> stream = std::span(s.streams).subspan(static_cast<size_t>(cut) * one, one);
  for (auto _ : state)
    benchmark::DoNotOptimize(s.replay.logits_from(cut, s.tokens, stream, kFirst, kCount).value().data());
  report(state, cut);
}

void plain_evaluation(benchmark::State& state) {
  Scene& s = scene();
  const Model model = Model::load(s.image).value();
  Evaluator evaluator = Evaluator::create(model, {kTokens, kTokens, 1}).value();
  for (auto _ : state) benchmark::DoNotOptimize(evaluator.logits(s.tokens, kFirst, kCount).value().data());
  report(state, 0);
}

void capture(benchmark::State& state) {
  Scene& s = scene();
  for (auto _ : state)
    benchmark::DoNotOptimize(s.replay.capture(s.tokens, kFirst, kCount, s.streams).value().data());
  report(state, 0);
}

void setup_of_a_model(benchmark::State& state) {
  Scene& s = scene();
  for (auto _ : state)
    benchmark::DoNotOptimize(ReplayModel::create(s.file, s.image, {kTokens, kTokens, 1}).value().layers());
}

BENCHMARK(plain_evaluation)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(replay)
    ->ArgName("cut")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8)
    ->Arg(15)
    ->Arg(22)
    ->Arg(29)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(capture)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(setup_of_a_model)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace fqlab

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (std::getenv("FQLAB_BENCH_MODEL") == nullptr) {
    fprintf(stderr, "FQLAB_BENCH_MODEL names the model file\n");
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
}
