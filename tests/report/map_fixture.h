// A made-up sensitivity map with plausible numbers: 30 layers, 7 kinds, 3 formats; some cells cannot be told
// from the noise floor, some failed, some are missing, one format is partly predicted.
#pragma once

#include <cmath>
#include <string>

#include "fqlab/map_report.h"

namespace fqlab::testing {

inline constexpr const char* kMapKinds[] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                            "ffn_gate", "ffn_up", "ffn_down"};

/// A number in [-1, 1] that looks random and is always the same for the same arguments.
inline double wobble(int a, int b, int c) {
  uint32_t x = 2654435761u * static_cast<uint32_t>(a * 7919 + b * 104729 + c * 1299709 + 17);
  x ^= x >> 15, x *= 2246822519u, x ^= x >> 13;
  return static_cast<double>(x % 20001) / 10000 - 1;
}

/// Fills everything that follows from the mean KL of each chunk: `kl` times 1 +- 0.25 of the chunk's own.
inline void measure(MapCell& cell, double kl, int chunks, int seed) {
  cell.state = CellState::kMeasured;
  std::vector<ClusterSum> sums;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const double own = kl * (1 + 0.25 * wobble(chunk, 1, 2) + 0.08 * wobble(seed, chunk, 3));
    cell.chunks.push_back({chunk, chunk, 255, own});
    sums.push_back({own * 255, 255});
  }
  const ClusteredMean mean = clustered_mean(sums);
  cell.kl = mean.mean;
  cell.kl_interval = mean.interval;
  cell.log_ratio = mean.mean * 0.4;
  cell.log_ratio_interval = Interval{mean.mean * 0.1, mean.mean * 0.7};
  const double flips = std::min(0.5, 0.35 * std::sqrt(mean.mean));
  cell.same_top = 1 - flips;
  cell.same_top_interval = Interval{1 - flips * 1.3, 1 - flips * 0.7};
  cell.resolved = kl > 3e-9;
}

inline SensitivityMap small_study() {
  SensitivityMap map;
  MapStudy& study = map.study;
  study.path = "smollm2.study";
  study.model_path = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
  study.model_name = "SmolLM2-135M-Instruct.Q4_1";
  study.model_sha256 = std::string(64, 'a');
  study.architecture = "llama";
  study.layers = 30;
  study.corpus_path = "wikitext-2-raw.test.txt";
  study.corpora = {study.corpus_path};
  study.corpus_sha256 = std::string(64, 'b');
  study.corpus_bytes = 1290590;
  study.corpus_documents = 1;
  study.chunks = 8;
  study.n_ctx = 512;
  study.positions_per_chunk = 255;
  study.score = "second-half";
  study.arithmetic = "reference";
  study.engine = "llama.cpp v0.5.0";
  study.version = FQLAB_VERSION;
  study.created = "2026-01-02T03:04:05Z";
  study.command = {"fqlab",    "sweep",           study.model_path, "--formats", "int4:g32,fp8_e4m3,bf16",
                   "--corpus", study.corpus_path, "--study",        study.path};
  study.commands = {study.command};
  study.floor = MapFloor{"ulp", 3, 1.1e-12, Interval{0.8e-12, 1.4e-12}};
  study.trials = 640;
  study.trials_failed = 2;
  study.tokens = 1'843'200;
  study.seconds = 702;
  study.warnings = {"few_clusters"};
  map.formats = {"int4:g32", "fp8_e4m3", "bf16"};
  return map;
}

inline void add_cumulative(SensitivityMap& map, MapMode mode, const std::vector<double>& layer_kl) {
  const bool front = mode == MapMode::kCumulativeFront;
  double sum = 0;
  for (int step = 0; step < 30; ++step) {
    const int layer = front ? step : 29 - step;
    sum += layer_kl[static_cast<size_t>(layer)];
    const std::string range = front ? "0-" + std::to_string(layer) : std::to_string(layer) + "-29";
    map.groups.push_back({"layers " + range + (front ? "" : " (back)"),
                          "cumulative",
                          layer,
                          std::nullopt,
                          range + "/*",
                          {},
                          3'540'000ull * static_cast<uint64_t>(step + 1)});
    MapCell& cell = map.cells.emplace_back();
    cell.group = map.groups.size() - 1;
    cell.mode = mode;
    cell.values_changed = map.groups.back().values / 2;
    measure(cell, sum * 0.95, 4, 1000 + step);
  }
}

/// 210 tensors, 3 formats, cumulative curves of the first format; completed().
inline SensitivityMap sweep_map() {
  SensitivityMap map = small_study();
  const double kind_weight[] = {0.4, 0.25, 2.2, 1.0, 0.8, 1.1, 1.9};
  const double format_scale[] = {1.4e-3, 9e-5, 2e-9};
  for (int layer = 0; layer < 30; ++layer)
    for (int kind = 0; kind < 7; ++kind) {
      const std::string name = kMapKinds[kind], prefix = std::to_string(layer);
      map.groups.push_back({"blk." + prefix + "." + name + ".weight",
                            "tensor",
                            layer,
                            name,
                            prefix + "/" + name,
                            {"blk." + prefix + "." + name + ".weight"},
                            kind < 4 ? 331'776ull : 884'736ull});
    }
  std::vector<double> layer_kl(30, 0);
  for (size_t format = 0; format < 3; ++format)
    for (size_t group = 0; group < 210; ++group) {
      const int layer = static_cast<int>(group / 7), kind = static_cast<int>(group % 7);
      MapCell& cell = map.cells.emplace_back();
      cell.format = format;
      cell.group = group;
      const double depth = std::exp(-layer / 9.0) + 0.35 * std::exp((layer - 29) / 3.0) + 0.12;
      const double kl = format_scale[format] * kind_weight[kind] * depth *
                        std::exp(0.5 * wobble(layer, kind, static_cast<int>(format)));
      if (format == 0) layer_kl[static_cast<size_t>(layer)] += kl;
      if (format == 2 && layer % 6 == 5) continue;  // not measured
      if (format == 1 && (group == 40 || group == 41)) {
        cell.state = CellState::kFailed;
        cell.reason = "the worker was killed by signal 9 (out of memory?)";
        continue;
      }
      if (format == 1 || format == 2) {
        cell.predicted_kl = kl * std::exp(0.6 * wobble(layer, kind, 7));
        cell.predicted_interval = Interval{*cell.predicted_kl / 2, *cell.predicted_kl * 2};
      }
      if (format == 1 && layer > 24) {
        cell.state = CellState::kPredicted;
        continue;
      }
      cell.values_changed = format == 2 && kind == 1 ? 0 : map.groups[group].values * 9 / 10;
      measure(cell, cell.values_changed == 0 ? 0 : kl, format == 0 ? 8 : 2 + layer % 3,
              static_cast<int>(group));
    }
  add_cumulative(map, MapMode::kCumulativeFront, layer_kl);
  add_cumulative(map, MapMode::kCumulativeBack, layer_kl);
  map.groups.push_back({"all", "all", std::nullopt, std::nullopt, "", {}, 106'168'320});
  double joint = 0;
  for (const double kl : layer_kl) joint += kl;
  MapCell& all = map.cells.emplace_back();
  all.group = map.groups.size() - 1;
  all.mode = MapMode::kAll;
  all.values_changed = 100'000'000;
  measure(all, joint * 0.95, 8, 5000);
  return completed(std::move(map));
}

/// One kind of cell only: a sweep by kinds whose every trial failed or is missing.
inline SensitivityMap empty_map() {
  SensitivityMap map = small_study();
  map.formats = {"mxfp4"};
  map.study.floor.reset();
  map.study.warnings.clear();
  for (const char* kind : kMapKinds) {
    map.groups.push_back({kind, "kind", std::nullopt, kind, kind, {}, 1000});
    MapCell& cell = map.cells.emplace_back();
    cell.group = map.groups.size() - 1;
    if (map.groups.size() % 2 == 0) cell.state = CellState::kFailed;
  }
  return completed(std::move(map));
}

}  // namespace fqlab::testing
