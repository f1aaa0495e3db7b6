#include "study/summarize.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

namespace fqlab {
namespace {

using Value = std::function<double(const PairedPosition&)>;

/// Cluster sums of one value over a pass, clusters in order of first appearance.
std::vector<ClusterSum> cluster_sums(const ComparisonPasses& passes, const PairedPass& pass, const Value& value) {
  std::vector<ClusterSum> sums;
  std::map<int, size_t> index;
  for (size_t i = 0; i < pass.size(); ++i) {
    const int cluster = passes.cluster_of_chunk[i / passes.per_chunk];
    const auto [found, added] = index.try_emplace(cluster, sums.size());
    if (added) sums.emplace_back();
    sums[found->second].sum += value(pass[i]);
    ++sums[found->second].n;
  }
  return sums;
}

double kl(const PairedPosition& p) { return p.kl_nats; }
double nll_original(const PairedPosition& p) { return p.nll_original_nats; }
double nll_variant(const PairedPosition& p) { return p.nll_variant_nats; }
double log_ratio(const PairedPosition& p) { return p.nll_variant_nats - p.nll_original_nats; }
double same_top(const PairedPosition& p) { return p.same_top ? 1 : 0; }

std::optional<Interval> exponential(const std::optional<Interval>& interval) {
  if (!interval) return std::nullopt;
  return Interval{std::exp(interval->low), std::exp(interval->high)};
}

void fill_perplexity(const ComparisonPasses& passes, Comparison& c) {
  const auto mean = [&](const Value& value, double confidence = 0.95) {
    return clustered_mean(cluster_sums(passes, *passes.variant, value), confidence);
  };
  const ClusteredMean original = mean(nll_original), variant = mean(nll_variant), ratio = mean(log_ratio);
  c.perplexity.original = std::exp(original.mean);
  c.perplexity.variant = std::exp(variant.mean);
  c.perplexity.difference = c.perplexity.variant - c.perplexity.original;
  c.perplexity.log_ratio = ratio.mean;
  c.perplexity.original_interval = exponential(original.interval);
  c.perplexity.variant_interval = exponential(variant.interval);
  c.perplexity.log_ratio_interval = ratio.interval;
  c.perplexity.log_ratio_interval90 = mean(log_ratio, 0.90).interval;
}

/// The largest noise among the floor's changes, over its seeds: the pooled mean and its interval.
void fill_noise_floor(const ComparisonPasses& passes, Comparison& c) {
  std::vector<std::string> changes;
  for (const ControlPass& control : passes.controls)
    if (control.kind == "noise_floor" && std::find(changes.begin(), changes.end(), control.change) == changes.end())
      changes.push_back(control.change);
  std::vector<std::vector<ClusterSum>> largest;
  for (const std::string& change : changes) {
    std::vector<std::vector<ClusterSum>> seeds;
    std::vector<ClusterSum> pooled;
    double top = 0;
    for (const ControlPass& control : passes.controls) {
      if (control.change != change) continue;
      seeds.push_back(cluster_sums(passes, control.positions, kl));
      pooled.resize(seeds.back().size());
      for (size_t g = 0; g < pooled.size(); ++g) {
        pooled[g].sum += seeds.back()[g].sum;
        pooled[g].n += seeds.back()[g].n;
      }
      top += clustered_mean(cluster_sums(passes, control.positions, same_top)).mean;
    }
    const ClusteredMean mean = clustered_mean(pooled);
    if (c.kl.noise_floor && mean.mean <= c.kl.noise_floor->value) continue;
    c.kl.noise_floor = Estimate{mean.mean, mean.interval};
    c.same_top.noise_floor = top / static_cast<double>(seeds.size());
    largest = std::move(seeds);
  }
  if (largest.empty()) return;
  // The rule compares the same positions of the same clusters: those of the chunks that the controls ran on.
  const PairedPass common(passes.variant->begin(),
                          passes.variant->begin() + static_cast<std::ptrdiff_t>(passes.controls.front().positions.size()));
  c.kl.resolved = resolve_effect(cluster_sums(passes, common, kl), largest).resolved;
}

void fill_kl(const ComparisonPasses& passes, Comparison& c) {
  const std::vector<ClusterSum> sums = cluster_sums(passes, *passes.variant, kl);
  const ClusteredMean mean = clustered_mean(sums);
  c.kl.mean = mean.mean;
  c.kl.interval = mean.interval;
  c.kl.interval90 = clustered_mean(sums, 0.90).interval;
  c.clusters = mean.clusters;
  std::vector<double> values;
  std::vector<int> cluster_of;
  for (size_t i = 0; i < passes.variant->size(); ++i) {
    values.push_back((*passes.variant)[i].kl_nats);
    cluster_of.push_back(passes.cluster_of_chunk[i / passes.per_chunk]);
  }
  c.design_effect = design_effect(values, cluster_of);
  c.kl.median = quantile(values, 0.5);
  c.kl.p90 = quantile(values, 0.9);
  c.kl.p95 = quantile(values, 0.95);
  c.kl.p99 = quantile(values, 0.99);
  c.kl.p999 = quantile(values, 0.999);
  c.kl.max = quantile(values, 1);
  for (const ControlPass& control : passes.controls) {
    const ClusteredMean divergence = clustered_mean(cluster_sums(passes, control.positions, kl));
    c.kl.controls.push_back({control.kind, control.change, control.seed, divergence.mean,
                             clustered_mean(cluster_sums(passes, control.positions, same_top)).mean,
                             static_cast<int>(control.positions.size() / passes.per_chunk)});
    if (control.kind == "matched") c.kl.matched_control = Estimate{divergence.mean, divergence.interval};
  }
  fill_noise_floor(passes, c);
}

void fill_same_top(const ComparisonPasses& passes, Comparison& c) {
  const PairedPass& pass = *passes.variant;
  std::vector<double> values;
  std::vector<int> cluster_of;
  for (size_t i = 0; i < pass.size(); ++i) {
    values.push_back(same_top(pass[i]));
    cluster_of.push_back(passes.cluster_of_chunk[i / passes.per_chunk]);
  }
  c.same_top.fraction = clustered_mean(cluster_sums(passes, pass, same_top)).mean;
  const double effect = std::max(1.0, design_effect(values, cluster_of).value_or(1));
  const double n = static_cast<double>(pass.size()) / effect;
  c.same_top.interval = wilson_interval(c.same_top.fraction, n);
  c.same_top.interval90 = wilson_interval(c.same_top.fraction, n, 0.90);
}

void fill_chunks(const ComparisonPasses& passes, Comparison& c) {
  const double n = static_cast<double>(passes.per_chunk);
  for (size_t begin = 0, chunk = 0; begin < passes.variant->size(); begin += passes.per_chunk, ++chunk) {
    ChunkResult result;
    result.chunk = static_cast<int>(chunk);
    result.cluster = passes.cluster_of_chunk[chunk];
    result.positions = passes.per_chunk;
    for (size_t i = begin; i < begin + passes.per_chunk; ++i) {
      const PairedPosition& p = (*passes.variant)[i];
      result.nll_original += p.nll_original_nats / n;
      result.nll_variant += p.nll_variant_nats / n;
      result.kl_mean += p.kl_nats / n;
      result.same_top += same_top(p) / n;
    }
    c.chunks.push_back(result);
  }
}

Verdict judged(const std::optional<Interval>& interval90, double margin) {
  return interval90 ? judge(*interval90, margin) : Verdict::kInconclusive;
}

void fill_verdicts(Comparison& c) {
  Verdicts& v = c.verdicts;
  v.weights = c.values_changed > 0 ? Verdict::kDifferent : c.vacuous ? Verdict::kVacuous : Verdict::kIdentical;
  if (c.logits_identical) {
    v.perplexity = v.kl = v.same_top = Verdict::kIdentical;
    v.overall = c.vacuous ? Verdict::kVacuous : Verdict::kIdentical;
    return;
  }
  v.perplexity = judged(c.perplexity.log_ratio_interval90, c.settings.margins.log_perplexity_ratio);
  v.kl = judged(c.kl.interval90, c.settings.margins.kl_nats);
  std::optional<Interval> flips;
  if (c.same_top.interval90) flips = Interval{1 - c.same_top.interval90->high, 1 - c.same_top.interval90->low};
  v.same_top = judged(flips, c.settings.margins.top_flips);
  const auto any = [&](Verdict verdict) { return v.perplexity == verdict || v.kl == verdict || v.same_top == verdict; };
  v.overall = any(Verdict::kDifferent)      ? Verdict::kDifferent
              : any(Verdict::kInconclusive) ? Verdict::kInconclusive
                                            : Verdict::kEquivalent;
}

void fill_notes(Comparison& c) {
  const auto note = [&](bool absent, const char* key, const char* reason) {
    if (absent) c.notes.push_back({key, reason});
  };
  const bool one_cluster = c.clusters < 2;
  note(one_cluster, "perplexity.log_ratio_interval", "one_cluster");
  note(one_cluster, "perplexity.original_interval", "one_cluster");
  note(one_cluster, "perplexity.variant_interval", "one_cluster");
  note(one_cluster, "kl.interval", "one_cluster");
  note(!c.design_effect.has_value(), "clusters.design_effect", one_cluster ? "one_cluster" : "no_variation");
  note(!c.kl.noise_floor, "kl.noise_floor", c.logits_identical ? "identical_pair" : "not_perturbable");
  note(!c.kl.noise_floor, "same_top.noise_floor", c.logits_identical ? "identical_pair" : "not_perturbable");
  note(!c.kl.resolved, "kl.resolved", c.logits_identical ? "identical_pair" : "not_perturbable");
  note(!c.kl.matched_control, "kl.matched_control", c.logits_identical ? "identical_pair" : "not_perturbable");
}

}  // namespace

void summarize(const ComparisonPasses& passes, Comparison& comparison) {
  fill_perplexity(passes, comparison);
  fill_kl(passes, comparison);
  fill_same_top(passes, comparison);
  fill_chunks(passes, comparison);
  if (passes.storage != nullptr) {  // O is the pass's original, C its variant
    comparison.as_stored_perplexity = std::exp(clustered_mean(cluster_sums(passes, *passes.storage, nll_original)).mean);
    comparison.storage_effect_kl = clustered_mean(cluster_sums(passes, *passes.storage, kl)).mean;
    comparison.storage_effect_log_ratio = clustered_mean(cluster_sums(passes, *passes.storage, log_ratio)).mean;
  } else {
    comparison.as_stored_perplexity = comparison.perplexity.original;
    comparison.storage_effect_kl = comparison.storage_effect_log_ratio = 0;
  }
  fill_verdicts(comparison);
  fill_notes(comparison);
  if (comparison.clusters < 10) comparison.warnings.push_back("few_clusters");
}

}  // namespace fqlab
