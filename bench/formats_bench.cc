// Bytes per second of fake quantization, read and written bytes both counted, beside memcpy in the same run.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/kernels.h"
#include "fqlab/format.h"

namespace fqlab {
namespace {

constexpr size_t kLargeBytes = size_t{64} << 20;
constexpr size_t kCachedBytes = size_t{512} << 10;
constexpr uint64_t kColumns = 4096;

/// Page-aligned memory, as tensors have it.
class Buffer {
 public:
  explicit Buffer(size_t bytes)
      : size_(bytes / sizeof(float)), data_(static_cast<float*>(std::aligned_alloc(4096, bytes))) {}
  std::span<float> values() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  size_t size_;
  std::unique_ptr<float, Free> data_;
};

/// Weight-like: normal, standard deviation 0.02.
const Buffer& weights() {
  static const Buffer buffer = [] {
    Buffer filled(kLargeBytes);
    Random random(1);
    std::vector<float> normals(1 << 16);
    for (float& x : normals) x = static_cast<float>(0.02 * random.normal());
    for (size_t i = 0; i < filled.values().size(); ++i)
      filled.values()[i] = normals[(i + i / 65521) % normals.size()];
    return filled;
  }();
  return buffer;
}

const Buffer& output() {
  static const Buffer buffer = [] {
    Buffer filled(kLargeBytes);
    std::memset(filled.values().data(), 1, kLargeBytes);
    return filled;
  }();
  return buffer;
}

void report(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(2 * bytes));
}

void copy(benchmark::State& state, size_t bytes) {
  for (auto _ : state) {
    std::memcpy(output().values().data(), weights().values().data(), bytes);
    benchmark::ClobberMemory();
  }
  report(state, bytes);
}

void quantize(benchmark::State& state, const std::string& spec, size_t bytes, int threads) {
  const FormatSpec format = FormatSpec::parse(spec).value();
  const auto in = weights().values().first(bytes / sizeof(float));
  const auto out = output().values().first(bytes / sizeof(float));
  for (auto _ : state) {
    const auto counts = fake_quantize(format, in, out, kColumns, {threads, {}});
    if (!counts) return state.SkipWithError(to_string(counts.error()).c_str());
    benchmark::ClobberMemory();
  }
  report(state, bytes);
}

void add_all() {
  const std::vector<std::string> specs = {"bf16",           "f16",
                                          "tf32",           "fp8_e4m3",
                                          "fp8_e5m2",       "fp8_e4m3fnuz",
                                          "fp6_e3m2",       "fp4_e2m1",
                                          "e8m0",           "fp8_e4m3:r=stoch@1",
                                          "mxfp8_e4m3",     "mxfp8_e5m2",
                                          "mxfp6_e3m2",     "mxfp6_e2m3",
                                          "mxfp4",          "mxint8",
                                          "nvfp4",          "int4:g32",
                                          "int4:g128",      "int8:channel",
                                          "int4:g128:asym", "fp8_e4m3:channel"};
  // Processor time, so that other programs on the machine disturb less; the best of a few repetitions is
  // shown.
  const auto add = [](const std::string& name, auto function) {
    return benchmark::RegisterBenchmark(name.c_str(), function)
        ->Unit(benchmark::kMillisecond)
        ->ComputeStatistics(
            "best", [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); })
        ->Repetitions(5)
        ->ReportAggregatesOnly();
  };
  add("memcpy/64MiB", [](benchmark::State& state) { copy(state, kLargeBytes); });
  for (const std::string& spec : specs)
    add(spec + "/64MiB", [spec](benchmark::State& state) { quantize(state, spec, kLargeBytes, 1); });
  add("memcpy_again/64MiB", [](benchmark::State& state) { copy(state, kLargeBytes); });
  for (const std::string spec : {"fp8_e4m3", "mxfp4", "nvfp4", "int4:g128"}) {
    add(spec + "/512KiB", [spec](benchmark::State& state) { quantize(state, spec, kCachedBytes, 1); });
    for (const int mib : {4, 16})
      for (const int threads : {1, 2})
        add(fmt::format("{}/{}MiB/threads:{}", spec, mib, threads), [spec, mib,
                                                                     threads](benchmark::State& state) {
          quantize(state, spec, static_cast<size_t>(mib) << 20, threads);
        })->UseRealTime();  // two threads share the elapsed time
  }
}

}  // namespace
}  // namespace fqlab

int main(int argc, char** argv) {
  benchmark::AddCustomContext("instruction_set", fqlab::kernels::target_name());
  fqlab::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
