// Comparisons with plausible numbers, for tests of the report: SmolLM2-135M, 16 chunks of 512 tokens.
#pragma once

#include <cmath>
#include <string>

#include "fqlab/comparison.h"

namespace fqlab::testing {

inline Comparison settings_only() {
  Comparison c;
  c.fqlab_version = "0.0.1";
  c.engine_version = "llama.cpp v0.5.0";
  c.created = "2026-01-02T03:04:05Z";
  c.original = {"models/SmolLM2-135M-Instruct.Q4_1.gguf",
                std::string(64, 'a'),
                "llama",
                134515008,
                91739552,
                30,
                {"attn_k", "attn_norm", "attn_output", "attn_q", "attn_v", "ffn_down", "ffn_gate", "ffn_norm",
                 "ffn_up"}};
  c.settings.scored_positions = 4080;
  c.settings.corpus = {"wikitext-2-raw.test.txt", std::string(64, 'b'), 1290590, 1};
  c.cluster_kind = "chunk";
  c.clusters = 16;
  c.environment = {"Example CPU", "avx2", 2, 8ull << 30, "Debian GNU/Linux 12", "g++ 12.2.0"};
  c.notes = {{"dialogue", "not_measured_yet"}, {"speed", "not_measured_yet"}};
  c.total_seconds = 61.5;
  return c;
}

/// 0/ffn_norm=fp8_e4m3: 540 of 576 values change, KL 0.0008 nats, floor 1e-12; equivalent and resolved.
inline Comparison fp8_norm() {
  Comparison c = settings_only();
  c.recipe = "0/ffn_norm=fp8_e4m3";
  c.command = {"fqlab", "compare", c.original.path, "--recipe", *c.recipe, "--corpus", c.settings.corpus.path,
               "--out", "out"};
  c.values_total = 576;
  c.values_changed = 540;
  c.tensors = {{"blk.0.ffn_norm.weight", "ffn_norm", 0, "f32", "fp8_e4m3", "f32", 576, 540, 0, 3, 0.00068,
                31.67, 0.0078125}};
  c.storage =
      StorageEffect{4, 24.6533, {0.0113, Interval{0.0108, 0.0118}}, {-0.006341, Interval{-0.0119, -0.0008}}};
  c.perplexity = {24.4974,
                  24.5031,
                  0.0057,
                  std::log(24.5031 / 24.4974),
                  Interval{-0.0011, 0.0016},
                  Interval{-0.0009, 0.0014},
                  Interval{22.81, 26.31},
                  Interval{22.82, 26.31},
                  9.8,
                  9.7};
  c.kl.mean = 0.000803;
  c.kl.interval = Interval{0.000752, 0.000854};
  c.kl.interval90 = Interval{0.000761, 0.000845};
  c.kl.median = 0.00041, c.kl.p90 = 0.0018, c.kl.p95 = 0.0027, c.kl.p99 = 0.0061, c.kl.p999 = 0.014,
  c.kl.max = 0.021;
  c.kl.resolved = true;
  c.kl.noise_floor = Estimate{1.02e-12, Interval{0.81e-12, 1.23e-12}};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    c.kl.controls.push_back(
        {"noise_floor", "ulp", seed, 1e-12 * (0.9 + 0.1 * static_cast<double>(seed)), 1, 4});
    c.kl.controls.push_back(
        {"matched", "matched", seed, 0.00079 + 1e-5 * static_cast<double>(seed), 0.9902, 4});
  }
  c.kl.matched_control = Estimate{0.00081, Interval{0.00069, 0.00093}};
  c.same_top = {0.9902, Interval{0.9866, 0.9928}, Interval{0.9872, 0.9925}, 1.0};
  c.design_effect = 1.31;
  for (int chunk = 0; chunk < 16; ++chunk) {
    const double nll = 3.1 + 0.2 * std::sin(chunk * 1.7);
    c.chunks.push_back({chunk, chunk, 255, nll, nll + 0.00023 + 0.0024 * std::sin(chunk * 2.3),
                        0.0008 + 0.00015 * std::cos(chunk * 1.1), 0.99});
  }
  c.verdicts = {Verdict::kDifferent,
                Verdict::kEquivalent,
                Verdict::kEquivalent,
                Verdict::kInconclusive,
                {},
                {},
                {},
                {},
                Verdict::kInconclusive};
  return c;
}

/// What the study may add for the figures: a histogram, KL by position.
inline void add_figure_data(Comparison& c) {
  KlHistogram histogram;
  histogram.counts.resize(72);
  for (int bin = 0; bin < 72; ++bin) {
    const double distance = (bin - 4 * (16 + std::log10(c.kl.median))) / 2.6;
    histogram.counts[static_cast<size_t>(bin)] =
        static_cast<uint64_t>(620 * std::exp(-distance * distance / 2));
  }
  histogram.zeros = 2;
  c.kl.histogram = histogram;
  for (int first = 256; first < 511; first += 32) {
    const double mean = c.kl.mean * (1 + 0.2 * std::sin(first));
    c.kl.by_position.push_back({first, first + 31, mean, Interval{mean * 0.8, mean * 1.25}});
  }
}

/// 0/ffn_norm=bf16: 0 of 576 values change.
inline Comparison vacuous() {
  Comparison c = fp8_norm();
  c.recipe = "0/ffn_norm=bf16";
  c.values_changed = 0;
  c.vacuous = c.logits_identical = true;
  c.tensors = {{"blk.0.ffn_norm.weight", "ffn_norm", 0, "f32", "bf16", "f32", 576, 0, 0, 0, 0, {}, 0}};
  c.perplexity.variant = c.perplexity.original;
  c.perplexity.difference = c.perplexity.log_ratio = 0;
  c.perplexity.log_ratio_interval = c.perplexity.log_ratio_interval90 = Interval{0, 0};
  c.kl = {};
  c.kl.interval = c.kl.interval90 = Interval{0, 0};
  c.same_top = {1, Interval{0.9991, 1}, Interval{0.9994, 1}, {}};
  for (ChunkResult& chunk : c.chunks)
    chunk.nll_variant = chunk.nll_original, chunk.kl_mean = 0, chunk.same_top = 1;
  c.design_effect.reset();
  c.verdicts = {
      Verdict::kVacuous, Verdict::kIdentical, Verdict::kIdentical, Verdict::kIdentical, {}, {}, {}, {},
      Verdict::kVacuous};
  return c;
}

/// A model file against itself: nothing to change, everything equal.
inline Comparison itself() {
  Comparison c = vacuous();
  c.recipe.reset();
  c.variant_file = c.original;
  c.vacuous = false;
  c.values_total = 0;
  c.tensors.clear();
  c.verdicts = {
      Verdict::kIdentical, Verdict::kIdentical, Verdict::kIdentical, Verdict::kIdentical, {}, {}, {}, {},
      Verdict::kIdentical};
  return c;
}

/// Native arithmetic, 14 of 640 values: an effect as large as its floor.
inline Comparison native_unresolved() {
  Comparison c = fp8_norm();
  c.original.path = "models/gemma-3-270m-q4_k_m.gguf";
  c.original.layers = 18;
  c.recipe = "0/ffn_norm=bf16";
  c.settings.arithmetic = Arithmetic::kNative;
  c.settings.chunks = c.clusters = 4;
  c.settings.scored_positions = 1020;
  c.chunks.resize(4);
  c.values_total = 640;
  c.values_changed = 14;
  c.tensors = {{"blk.0.ffn_norm.weight", "ffn_norm", 0, "f32", "bf16", "f32", 640, 14, 0, 0, 1.2e-9, 89.2,
                0.00390625}};
  c.kl.mean = 0.0059;
  c.kl.interval = Interval{0.0041, 0.0077};
  c.kl.interval90 = Interval{0.0046, 0.0072};
  c.kl.resolved = false;
  c.kl.noise_floor = Estimate{0.0059, Interval{0.0045, 0.0073}};
  c.warnings = {"few_clusters", "native_arithmetic"};
  return c;
}

/// A coarse format over the whole model, with dialogue and speed: different.
inline Comparison different() {
  Comparison c = fp8_norm();
  c.recipe = "*=mxfp4";
  c.tensors = {{"blk.0.ffn_down.weight", "ffn_down", 0, "q4_1", "mxfp4", "f32", 884736, 880001, 12, 4211,
                0.0132, 18.79, 0.21},
               {"blk.29.attn_q.weight", "attn_q", 29, "q4_1", "mxfp4", "f32", 331776, 330102, 0, 999, 0.0121,
                19.17, 0.17}};
  c.values_total = 1216512;
  c.values_changed = 1210103;
  c.perplexity.variant = 31.2210;
  c.perplexity.difference = 31.2210 - 24.4974;
  c.perplexity.log_ratio = std::log(31.2210 / 24.4974);
  c.perplexity.log_ratio_interval = Interval{0.21, 0.275};
  c.perplexity.log_ratio_interval90 = Interval{0.215, 0.27};
  c.perplexity.variant_interval = Interval{29.0, 33.6};
  c.kl.mean = 0.31, c.kl.interval = Interval{0.28, 0.34}, c.kl.interval90 = Interval{0.285, 0.335};
  c.kl.median = 0.18, c.kl.p90 = 0.72, c.kl.p95 = 1.01, c.kl.p99 = 2.2, c.kl.p999 = 4.1, c.kl.max = 6.3;
  c.kl.matched_control = Estimate{0.24, Interval{0.21, 0.27}};
  c.same_top = {0.781, Interval{0.765, 0.796}, Interval{0.768, 0.794}, 1.0};
  for (ChunkResult& chunk : c.chunks) chunk.nll_variant += 0.24, chunk.kl_mean *= 380, chunk.same_top = 0.78;
  c.notes.clear();
  c.dialogue = {{"What is 2+2?", "2 + 2 = 4.", "2 + 2 = 4.", true, {}, 1.0, true},
                {"Write a short story about a robot.",
                 "In a small town lived a robot named Zeta, who loved <gears> & \"music\".",
                 "In a small town lived a robot called Max | who loved `oil`.", false, 9, 0.71, true}};
  c.load_ms = SpeedResult{.original = 212.4,
                          .variant = 498.1,
                          .ratio = 498.1 / 212.4,
                          .interval = Interval{2.29, 2.40},
                          .aa_interval = Interval{0.98, 1.03}};
  c.prompt_tps = SpeedResult{.original = 311.2,
                             .variant = 148.8,
                             .ratio = 148.8 / 311.2,
                             .interval = Interval{0.471, 0.486},
                             .aa_interval = Interval{0.985, 1.012}};
  c.generation_tps = SpeedResult{.original = 61.3,
                                 .variant = 24.1,
                                 .ratio = 24.1 / 61.3,
                                 .interval = Interval{0.388, 0.399},
                                 .aa_interval = Interval{0.979, 1.022}};
  add_figure_data(c);
  int block = 0;
  for (auto* speed : {&c.load_ms, &c.prompt_tps, &c.generation_tps}) {
    for (int i = 0; i < 8; ++i) {
      const double noise = 0.012 * std::sin(++block * 2.1);
      (*speed)->blocks.push_back({i % 4 == 3, i % 4 == 3 ? 1 + noise : (*speed)->ratio * (1 + noise)});
    }
  }
  c.verdicts = {Verdict::kDifferent, Verdict::kDifferent, Verdict::kDifferent,
                Verdict::kDifferent, Verdict::kDifferent, Verdict::kDifferent,
                Verdict::kDifferent, Verdict::kDifferent, Verdict::kDifferent};
  return c;
}

}  // namespace fqlab::testing
