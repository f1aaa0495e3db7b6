// A made-up verification with plausible numbers: SmolLM2 at five stock sizes, a planned file of the size of
// Q4_K_M, two texts, a plan with its curve.
#pragma once

#include <cmath>
#include <string>

#include "fqlab/verification_report.h"
#include "report/fixture.h"

namespace fqlab::testing {

inline FileOnText file_on_text(double kl, double perplexity) {
  FileOnText file;
  file.kl.mean = kl;
  file.kl.interval = Interval{kl * 0.97, kl * 1.03};
  file.kl.interval90 = Interval{kl * 0.975, kl * 1.025};
  file.kl.median = kl * 0.5, file.kl.p90 = kl * 2, file.kl.p95 = kl * 3, file.kl.p99 = kl * 6,
  file.kl.p999 = kl * 20, file.kl.max = kl * 60;
  file.perplexity.original = perplexity;
  file.perplexity.log_ratio = kl * 0.9;
  file.perplexity.log_ratio_interval = Interval{kl * 0.7, kl * 1.1};
  file.perplexity.variant = perplexity * std::exp(kl * 0.9);
  const double flips = 0.4 * std::sqrt(kl);
  file.same_top = {1 - flips, Interval{1 - flips * 1.1, 1 - flips * 0.9}, {}, {}};
  file.design_effect = 1.4;
  file.verdicts.perplexity = file.verdicts.kl = file.verdicts.same_top = file.verdicts.overall =
      Verdict::kDifferent;
  for (int chunk = 0; chunk < 64; ++chunk)
    file.chunks.push_back({chunk, chunk, 255, 3.0, 3.0 + kl, kl * (1 + 0.3 * std::sin(chunk)), 0.9});
  return file;
}

inline PairOnText pair_on_text(size_t file, double kl, double other, uint64_t bytes, uint64_t other_bytes) {
  PairOnText pair;
  pair.file = file;
  const double difference = kl - other, ratio = kl / other;
  pair.difference = {difference, Interval{difference - 0.03 * other, difference + 0.03 * other}};
  pair.ratio = {ratio, Interval{ratio - 0.03, ratio + 0.03}};
  pair.design_effect = 1.2;
  pair.chunks = 64;
  pair.chunks_lower = kl < other ? 63 : 2;
  pair.standing = difference < 0 ? (bytes <= other_bytes ? Standing::kBetter : Standing::kLowerButLarger)
                                 : (bytes < other_bytes ? Standing::kHigherButSmaller : Standing::kWorse);
  return pair;
}

inline SpeedResult speed_result(double original, double ratio) {
  SpeedResult speed{.original = original,
                    .variant = original * ratio,
                    .ratio = ratio,
                    .interval = Interval{ratio * 0.98, ratio * 1.02},
                    .interval90 = Interval{ratio * 0.985, ratio * 1.015},
                    .aa_interval = Interval{0.985, 1.013},
                    .aa_interval90 = Interval{0.988, 1.01}};
  for (int block = 0; block < 5; ++block) {
    speed.blocks.push_back({false, ratio * (1 + 0.01 * std::sin(block))});
    speed.blocks.push_back({true, 1 + 0.01 * std::cos(block)});
  }
  return speed;
}

inline FileSpeed file_speed(double ratio) {
  return {speed_result(190, 1 / ratio), speed_result(230, 1 / ratio), speed_result(300, ratio),
          speed_result(40, ratio),      Verdict::kDifferent,          Verdict::kDifferent,
          Verdict::kInconclusive};
}

/// Without dialogue, speed and plan.
inline Verification small_verification() {
  const Comparison settings = settings_only();
  Verification v;
  v.engine_version = settings.engine_version;
  v.created = settings.created;
  v.command = {"fqlab", "verify", "smol-f16.gguf", "smol-plan.gguf", "--corpus", "held-out.txt"};
  v.original = {"models/smol-f16.gguf", std::string(64, 'a'), "llama", 134515008, 270884320, 30};
  v.files.push_back(
      {.identity = {"out/smol-plan.gguf", std::string(64, 'c'), "llama", 134515008, 105454368, 30},
       .name = "smol-plan.gguf"});
  VerifiedText text;
  text.name = "wikitext-2-raw.test.txt";
  text.corpus = settings.settings.corpus;
  text.cluster_kind = "chunk";
  text.chunks = text.clusters = 64;
  text.positions = 64 * 255;
  text.perplexity = 23.5;
  text.perplexity_interval = Interval{22, 25};
  text.files.push_back(file_on_text(0.0285, 23.5));
  v.texts.push_back(text);
  v.environment = settings.environment;
  v.notes = {{"dialogue", "switched_off"}, {"speed", "switched_off"}};
  v.total_seconds = 512;
  return v;
}

inline Verification full_verification() {
  Verification v = small_verification();
  v.notes.clear();
  struct Stock {
    const char* name;
    uint64_t bytes;
    double kl, speed;
  };
  const Stock stock[] = {{"smol-Q3_K_M.gguf", 93510432, 0.1445, 1.9},
                         {"smol-Q4_K_S.gguf", 102039840, 0.0679, 2.2},
                         {"smol-Q4_K_M.gguf", 105454368, 0.0529, 2.1},
                         {"smol-Q5_K_M.gguf", 112103712, 0.0250, 1.7},
                         {"smol-Q6_K.gguf", 138383136, 0.0099, 1.5}};
  VerifiedText second = v.texts.front();
  second.name = "even addresses";
  second.corpus = {"texts/even", std::string(64, 'e'), 4'200'000, 115};
  second.cluster_kind = "document";
  second.planned_on = true;
  second.warnings = {"planned_on"};
  second.files = {file_on_text(0.0231, 17.1)};
  v.texts.push_back(second);
  for (const Stock& file : stock) {
    v.files.push_back({.identity = {std::string("stock/") + file.name, std::string(64, 'd'), "llama",
                                    134515008, file.bytes, 30},
                       .name = file.name});
    for (VerifiedText& text : v.texts) {
      const double factor = &text == &v.texts.front() ? 1 : 0.8;
      text.files.push_back(file_on_text(file.kl * factor, text.perplexity));
      text.against.push_back(pair_on_text(v.files.size() - 1, text.files[0].kl.mean, file.kl * factor,
                                          v.files[0].identity.bytes, file.bytes));
    }
  }
  v.texts[0].against[3].standing = Standing::kNotTold;
  const Comparison talked = different();
  for (size_t f = 0; f < v.files.size(); ++f) {
    v.files[f].dialogue = talked.dialogue;
    DialogueSummary summary;
    summary.greedy = {
        96, 3, 0.02 * static_cast<double>(f + 1), Interval{0.01, 0.09}, 0.9, Interval{0.8, 0.96}};
    v.files[f].dialogue_summary = summary;
    const double speed = f == 0 ? 2.0 : stock[f - 1].speed;
    v.files[f].speed = file_speed(speed);
    if (f > 0) v.files[f].first_speed = file_speed(2.0 / speed);
  }
  QuantizationPlan plan;
  plan.model_sha256 = v.original.sha256;
  plan.corpora = {"texts/odd"};
  plan.imatrix = "smol.imatrix.gguf";
  plan.budget = "like:Q4_K_M";
  plan.budget_bytes = plan.file_bytes = 105454368;
  plan.predicted_kl = 0.0256;
  plan.measured_kl = 0.0271;
  plan.measured_interval = Interval{0.0260, 0.0282};
  for (uint64_t bytes = 80'000'000; bytes <= 200'000'000; bytes += 2'000'000)
    plan.frontier.push_back({bytes, 0.0256 * std::exp(-4.2e-8 * (static_cast<double>(bytes) - 105454368.0))});
  v.plan = plan;
  v.plan_path = "smol.plan";
  v.warnings = {"busy_machine"};
  return v;
}

}  // namespace fqlab::testing
