#include "study/summarize.h"

#include <algorithm>
#include <cmath>

#include "study/floor_rule.h"
#include "study/views.h"

namespace fqlab {
namespace {

double nll_original_of(const PairedPosition& p) { return p.nll_original_nats; }
double nll_variant_of(const PairedPosition& p) { return p.nll_variant_nats; }
double flipped_of(const PairedPosition& p) { return p.same_top ? 0 : 1; }

std::optional<Interval> exponential(const std::optional<Interval>& interval) {
  if (!interval) return std::nullopt;
  return Interval{std::exp(interval->low), std::exp(interval->high)};
}

void fill_perplexity(const ComparisonPasses& passes, Comparison& c) {
  const auto mean = [&](const PositionValue& value, double confidence = 0.95) {
    return mean_of(passes.groups, *passes.variant, value, confidence);
  };
  const ClusteredMean original = mean(nll_original_of), variant = mean(nll_variant_of),
                      ratio = mean(log_ratio_of);
  c.perplexity.original = std::exp(original.mean);
  c.perplexity.variant = std::exp(variant.mean);
  c.perplexity.difference = c.perplexity.variant - c.perplexity.original;
  c.perplexity.log_ratio = ratio.mean;
  c.perplexity.original_interval = exponential(original.interval);
  c.perplexity.variant_interval = exponential(variant.interval);
  c.perplexity.log_ratio_interval = ratio.interval;
  c.perplexity.log_ratio_interval90 = mean(log_ratio_of, 0.90).interval;
  c.perplexity.design_effect = effect_of_clusters(passes.groups, *passes.variant, log_ratio_of);
}

void fill_storage(const ComparisonPasses& passes, Comparison& c) {
  if (passes.original_is_as_stored) {
    c.storage = StorageEffect{.chunks = c.settings.chunks, .perplexity = c.perplexity.original};
    return;
  }
  if (passes.storage.empty()) return;
  const auto estimate = [&](const PositionValue& value) {
    const ClusteredMean mean = mean_of(passes.groups, passes.storage, value);
    return Estimate{mean.mean, mean.interval};
  };
  c.storage = StorageEffect{.chunks = static_cast<int>(passes.storage.size() / passes.groups.per_chunk),
                            .perplexity = std::exp(estimate(nll_original_of).value),
                            .kl = estimate(kl_of),  // O is the pass's original, C its variant
                            .log_ratio = estimate(log_ratio_of)};
}

/// The floor of one change: its seeds pooled, and each seed's clusters.
struct Floor {
  ClusteredMean kl;
  double same_top = 0;  ///< fraction
  std::vector<std::vector<ClusterSum>> seeds;
};

Floor floor_of(const ComparisonPasses& passes, const std::string& change) {
  Floor floor;
  PairedPass pooled;  // seeds side by side: position i of each counts towards the cluster of position i
  for (const ControlPass& control : passes.controls) {
    if (control.change != change) continue;
    floor.seeds.push_back(cluster_sums(passes.groups, control.positions, kl_of));
    if (pooled.empty()) pooled.resize(control.positions.size());
    for (size_t i = 0; i < pooled.size(); ++i) pooled[i].kl_nats += control.positions[i].kl_nats;
    floor.same_top += mean_of(passes.groups, control.positions, same_top_of).mean;
  }
  const double seeds = static_cast<double>(floor.seeds.size());
  for (PairedPosition& position : pooled) position.kl_nats /= seeds;
  floor.kl = mean_of(passes.groups, pooled, kl_of);
  floor.same_top /= seeds;
  return floor;
}

double total(std::span<const ClusterSum> clusters) {
  double sum = 0;
  for (const ClusterSum& cluster : clusters) sum += cluster.sum;
  return sum;
}

/// The largest noise among the floor's changes, over its seeds.
void fill_noise_floor(const ComparisonPasses& passes, Comparison& c) {
  std::vector<std::string> changes;
  for (const ControlPass& control : passes.controls)
    if (control.kind == "noise_floor" &&
        std::find(changes.begin(), changes.end(), control.change) == changes.end())
      changes.push_back(control.change);
  std::vector<std::vector<ClusterSum>> largest;
  for (const std::string& change : changes) {
    Floor floor = floor_of(passes, change);
    if (c.kl.noise_floor && floor.kl.mean <= c.kl.noise_floor->value) continue;
    c.kl.noise_floor = Estimate{floor.kl.mean, floor.kl.interval};
    c.same_top.noise_floor = floor.same_top;
    largest = std::move(floor.seeds);
  }
  if (largest.empty()) return;
  // The rule compares the same positions of the same clusters: those of the chunks that the controls ran on.
  const auto common = std::span(*passes.variant).first(passes.controls.front().positions.size());
  const std::vector<ClusterSum> effect = cluster_sums(passes.groups, common, kl_of);
  double largest_sum = 0;
  for (const std::vector<ClusterSum>& seed : largest) largest_sum = std::max(largest_sum, total(seed));
  c.kl.resolved = resolve_effect(effect, largest).resolved ||
                  (effect.size() < kReliableClusters && far_above_noise(total(effect), largest_sum));
}

void fill_kl(const ComparisonPasses& passes, Comparison& c) {
  const PairedPass& pass = *passes.variant;
  const ClusteredMean mean = mean_of(passes.groups, pass, kl_of);
  c.kl.mean = mean.mean;
  c.kl.interval = mean.interval;
  c.kl.interval90 = mean_of(passes.groups, pass, kl_of, 0.90).interval;
  c.clusters = mean.clusters;
  c.design_effect = effect_of_clusters(passes.groups, pass, kl_of);
  std::vector<double> values;
  for (const PairedPosition& position : pass) values.push_back(position.kl_nats);
  c.kl.median = quantile(values, 0.5);
  c.kl.p90 = quantile(values, 0.9);
  c.kl.p95 = quantile(values, 0.95);
  c.kl.p99 = quantile(values, 0.99);
  c.kl.p999 = quantile(values, 0.999);
  c.kl.max = quantile(values, 1);
  c.kl.histogram = histogram_of(pass);
  c.kl.by_position = kl_by_position(passes.groups, pass, passes.first_target);
  for (const ControlPass& control : passes.controls) {
    const ClusteredMean divergence = mean_of(passes.groups, control.positions, kl_of);
    c.kl.controls.push_back({control.kind, control.change, control.seed, divergence.mean,
                             mean_of(passes.groups, control.positions, same_top_of).mean,
                             static_cast<int>(control.positions.size() / passes.groups.per_chunk)});
    if (control.kind == "matched") c.kl.matched_control = Estimate{divergence.mean, divergence.interval};
  }
  fill_noise_floor(passes, c);
}

void fill_same_top(const ComparisonPasses& passes, Comparison& c) {
  const Agreement same = agreement_of(passes.groups, *passes.variant, same_top_of);
  c.same_top.fraction = same.fraction;
  c.same_top.interval = same.interval;
  c.same_top.interval90 = agreement_of(passes.groups, *passes.variant, same_top_of, 0.90).interval;
  c.same_top.design_effect = same.design_effect;
  c.same_top.effective_n = same.effective_n;
  const PairedSums sums = sum_up(*passes.variant);
  c.right_wrong = mcnemar(sums.right_to_wrong, sums.wrong_to_right);
}

void fill_chunks(const ComparisonPasses& passes, Comparison& c) {
  const size_t per_chunk = passes.groups.per_chunk;
  const double n = static_cast<double>(per_chunk);
  for (size_t begin = 0, chunk = 0; begin < passes.variant->size(); begin += per_chunk, ++chunk) {
    ChunkResult result;
    result.chunk = static_cast<int>(chunk);
    result.cluster = passes.groups.cluster_of_chunk[chunk];
    result.positions = per_chunk;
    const PairedSums sums = sum_up(std::span(*passes.variant).subspan(begin, per_chunk));
    result.nll_original = sums.nll_original_nats / n;
    result.nll_variant = sums.nll_variant_nats / n;
    result.kl_mean = sums.kl_nats / n;
    result.same_top = static_cast<double>(sums.same_top) / n;
    if (!c.corpora.empty())
      result.corpus = c.corpora[static_cast<size_t>(passes.groups.corpus_of(begin))].name;
    c.chunks.push_back(std::move(result));
  }
}

/// The numbers of each of several corpora by itself.
void fill_corpora(const ComparisonPasses& passes, Comparison& c) {
  const size_t per_chunk = passes.groups.per_chunk;
  for (size_t k = 0; k < c.corpora.size(); ++k) {
    PairedPass pass;
    std::vector<int> clusters;
    for (size_t i = 0; i < passes.variant->size(); ++i) {
      if (passes.groups.corpus_of(i) != static_cast<int>(k)) continue;
      if (i % per_chunk == 0) clusters.push_back(passes.groups.cluster_of(i));
      pass.push_back((*passes.variant)[i]);
    }
    const ChunkGroups groups{clusters, {}, per_chunk};
    const ClusteredMean ratio = mean_of(groups, pass, log_ratio_of), kl = mean_of(groups, pass, kl_of);
    const Agreement same = agreement_of(groups, pass, same_top_of);
    CorpusResult& corpus = c.corpora[k];
    corpus.chunks = static_cast<int>(clusters.size());
    corpus.positions = pass.size();
    corpus.perplexity_original = std::exp(mean_of(groups, pass, nll_original_of).mean);
    corpus.perplexity_variant = std::exp(mean_of(groups, pass, nll_variant_of).mean);
    corpus.log_ratio = ratio.mean;
    corpus.log_ratio_interval = ratio.interval;
    corpus.kl_mean = kl.mean;
    corpus.kl_interval = kl.interval;
    corpus.same_top = same.fraction;
    corpus.same_top_interval = same.interval;
    corpus.clusters = kl.clusters;
    corpus.design_effect = effect_of_clusters(groups, pass, kl_of);
  }
}

Verdict judged(const std::optional<Interval>& interval90, double margin) {
  return interval90 ? judge(*interval90, margin) : Verdict::kInconclusive;
}

void fill_verdicts(Comparison& c) {
  Verdicts& v = c.verdicts;
  v.weights = c.values_changed > 0 ? Verdict::kDifferent
              : c.vacuous          ? Verdict::kVacuous
                                   : Verdict::kIdentical;
  if (c.logits_identical) {
    v.perplexity = v.kl = v.same_top = Verdict::kIdentical;
    v.overall = c.vacuous ? Verdict::kVacuous : Verdict::kIdentical;
    return;
  }
  v.perplexity = judged(c.perplexity.log_ratio_interval90, c.settings.margins.log_perplexity_ratio);
  v.kl = judged(c.kl.interval90, c.settings.margins.kl_nats);
  std::optional<Interval> flips;
  if (c.same_top.interval90)
    flips = Interval{1 - c.same_top.interval90->high, 1 - c.same_top.interval90->low};
  v.same_top = judged(flips, c.settings.margins.top_flips);
  const auto any = [&](Verdict verdict) {
    return v.perplexity == verdict || v.kl == verdict || v.same_top == verdict;
  };
  v.overall = any(Verdict::kDifferent)      ? Verdict::kDifferent
              : any(Verdict::kInconclusive) ? Verdict::kInconclusive
                                            : Verdict::kEquivalent;
}

/// How many chunks more would decide what is open.
void fill_power(const ComparisonPasses& passes, Comparison& c) {
  const double chunks = static_cast<double>(passes.variant->size() / passes.groups.per_chunk);
  const auto more = [&](const PositionValue& value, double margin) {
    return more_clusters_to_decide(mean_of(passes.groups, *passes.variant, value), margin);
  };
  const auto in_chunks = [&](const std::optional<int64_t>& clusters) -> std::optional<int64_t> {
    if (!clusters) return std::nullopt;
    return static_cast<int64_t>(std::ceil(static_cast<double>(*clusters) * chunks / c.clusters));
  };
  const auto open = [](Verdict verdict) { return verdict == Verdict::kInconclusive; };
  const Margins& margins = c.settings.margins;
  if (open(c.verdicts.perplexity))
    c.power.perplexity = in_chunks(more(log_ratio_of, margins.log_perplexity_ratio));
  if (open(c.verdicts.kl)) c.power.kl = in_chunks(more(kl_of, margins.kl_nats));
  if (!open(c.verdicts.same_top)) return;
  // A fraction's verdict comes from Wilson's interval, which may be open where Student's is not.
  const std::optional<int64_t> flips = more(flipped_of, margins.top_flips);
  const std::optional<int64_t> of_fraction = more_clusters_for_fraction(
      agreement_of(passes.groups, *passes.variant, flipped_of, 0.9), margins.top_flips);
  if (flips && of_fraction) c.power.same_top = in_chunks(std::max(*flips, *of_fraction));
}

void fill_notes(Comparison& c) {
  const auto note = [&](bool absent, const char* key, const char* reason) {
    if (absent) c.notes.push_back({key, reason});
  };
  const bool one_cluster = !c.kl.interval;  // also where one of several corpora has one
  const char* no_control = c.logits_identical ? "identical_pair" : "not_perturbable";
  const char* no_effect = one_cluster ? "one_cluster" : "no_variation";
  note(one_cluster, "perplexity.log_ratio_interval", "one_cluster");
  note(one_cluster, "perplexity.original_interval", "one_cluster");
  note(one_cluster, "perplexity.variant_interval", "one_cluster");
  note(one_cluster, "kl.interval", "one_cluster");
  note(!c.design_effect.has_value(), "clusters.design_effect", no_effect);
  note(!c.perplexity.design_effect, "perplexity.design_effect", no_effect);
  note(one_cluster, "same_top.interval", "one_cluster");
  note(!c.same_top.design_effect, "same_top.design_effect", no_effect);
  note(!c.storage, "storage_effect", "switched_off");
  note(!c.kl.noise_floor, "kl.noise_floor", no_control);
  note(!c.kl.noise_floor, "same_top.noise_floor", no_control);
  note(!c.kl.resolved, "kl.resolved", no_control);
  note(!c.kl.matched_control, "kl.matched_control", no_control);
  const auto undecided = [&](Verdict verdict, const std::optional<int64_t>& more, const char* key) {
    const bool open = verdict == Verdict::kInconclusive;
    note(!more, key, !open ? "decided" : one_cluster ? "one_cluster" : "too_close");
  };
  undecided(c.verdicts.perplexity, c.power.perplexity, "power.perplexity");
  undecided(c.verdicts.kl, c.power.kl, "power.kl");
  undecided(c.verdicts.same_top, c.power.same_top, "power.same_top");
}

}  // namespace

void summarize(const ComparisonPasses& passes, Comparison& comparison) {
  fill_perplexity(passes, comparison);
  fill_kl(passes, comparison);
  fill_same_top(passes, comparison);
  fill_chunks(passes, comparison);
  fill_corpora(passes, comparison);
  comparison.kld_table = kld_table(*passes.variant);
  if (!passes.classes.empty())
    comparison.token_classes = kl_by_token_class(passes.groups, *passes.variant, passes.classes);
  fill_storage(passes, comparison);
  fill_verdicts(comparison);
  fill_power(passes, comparison);
  fill_notes(comparison);
  const auto few = [](const CorpusResult& corpus) { return corpus.clusters < kReliableClusters; };
  if (comparison.clusters < kReliableClusters ||
      std::any_of(comparison.corpora.begin(), comparison.corpora.end(), few))
    comparison.warnings.push_back("few_clusters");
}

}  // namespace fqlab
