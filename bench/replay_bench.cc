// What an evaluation from a layer on costs a floating-point operation of its matrix products, against the
// whole model: SmolLM2 in float32, one chunk of 512 tokens, 255 positions scored, one thread. `cut:0` is the
// whole model; `plain_evaluation` is Evaluator's, with the engine's own kernel for attention scores.
#include <benchmark/benchmark.h>
#include <llama.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "fqlab/replay.h"

namespace fqlab {
namespace {

constexpr int kTokens = 512, kFirst = 256, kCount = 255;

/// As sweeps evaluate: attention scores by the fast kernel (docs/decisions/0015).
EvaluatorOptions as_in_a_sweep() {
  EvaluatorOptions options{kTokens, kTokens, 1};
  options.exact_gelu = options.fast_attention = true;
  return options;
}

struct Scene {
  Scene()
      : file(GgufFile::open(std::getenv("FQLAB_BENCH_MODEL")).value()),
        image(WeightImage::create(file, [](const TensorInfo&) { return true; }).value()),
        replay(ReplayModel::create(file, image, as_in_a_sweep()).value()),
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

void report(benchmark::State& state, int cut, int first = kFirst, int count = kCount) {
  const double runs = static_cast<double>(state.iterations());
  state.counters["tokens/s"] = benchmark::Counter(runs * kTokens, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] = benchmark::Counter(
      runs * scene().replay.operations(cut, kTokens, first, count).value(), benchmark::Counter::kIsRate);
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

/// llama-bench's prompt test on the F32 expansion: the logits of the last position only. Its KV cache has 16
/// bits, fqlab's 32; state.range(0) says which here.
void prompt(benchmark::State& state) {
  using Model = std::unique_ptr<llama_model, decltype(&llama_model_free)>;
  static const Model model(
      llama_model_load_from_file(std::getenv("FQLAB_BENCH_F32"), llama_model_default_params()),
      llama_model_free);
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = kTokens;
  parameters.n_threads = parameters.n_threads_batch = 1;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  parameters.type_k = parameters.type_v = state.range(0) == 16 ? GGML_TYPE_F16 : GGML_TYPE_F32;
  const std::unique_ptr<llama_context, decltype(&llama_free)> context(
      llama_init_from_model(model.get(), parameters), llama_free);
  std::vector<int32_t> tokens = scene().tokens;
  for (auto _ : state) {
    llama_memory_clear(llama_get_memory(context.get()), /*data=*/false);
    if (llama_decode(context.get(), llama_batch_get_one(tokens.data(), kTokens)) != 0)
      return state.SkipWithError("llama_decode failed");
    llama_synchronize(context.get());
  }
  report(state, 0, kTokens - 1, 1);
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
    benchmark::DoNotOptimize(ReplayModel::create(s.file, s.image, as_in_a_sweep()).value().layers());
}

BENCHMARK(prompt)->ArgName("cache_bits")->Arg(16)->Arg(32)->Unit(benchmark::kMillisecond)->UseRealTime();
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
  if (std::getenv("FQLAB_BENCH_MODEL") == nullptr || std::getenv("FQLAB_BENCH_F32") == nullptr) {
    std::fputs("FQLAB_BENCH_MODEL names the model file, FQLAB_BENCH_F32 its F32 expansion\n", stderr);
    return 2;
  }
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  benchmark::RunSpecifiedBenchmarks();
}
