#include "study/cluster_means.h"

#include <algorithm>
#include <map>

namespace fqlab {
namespace {

PositionFilter within(const ChunkGroups& groups, int corpus, const PositionFilter& counts) {
  return [&groups, corpus, &counts](size_t i) {
    return groups.corpus_of(i) == corpus && (!counts || counts(i));
  };
}

std::optional<double> effect_in(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                const PositionValue& value, int corpus) {
  std::vector<double> values;
  std::vector<int> cluster_of;
  for (size_t i = 0; i < pass.size(); ++i) {
    if (groups.corpus_of(i) != corpus) continue;
    values.push_back(value(pass[i]));
    cluster_of.push_back(groups.cluster_of(i));
  }
  return design_effect(values, cluster_of);
}

}  // namespace

int ChunkGroups::corpora() const {
  return corpus_of_chunk.empty() ? 1 : 1 + *std::max_element(corpus_of_chunk.begin(), corpus_of_chunk.end());
}

std::vector<ClusterSum> cluster_sums(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                     const PositionValue& value, const PositionFilter& counts) {
  std::vector<ClusterSum> sums;
  std::map<int, size_t> index;
  // Chunk by chunk: a study keeps sums of chunks, and its numbers are these to the last bit.
  for (size_t begin = 0; begin < pass.size(); begin += groups.per_chunk) {
    ClusterSum chunk;
    for (size_t i = begin; i < std::min(begin + groups.per_chunk, pass.size()); ++i) {
      if (counts && !counts(i)) continue;
      chunk.sum += value(pass[i]);
      ++chunk.n;
    }
    if (chunk.n == 0) continue;
    const auto [found, added] = index.try_emplace(groups.cluster_of(begin), sums.size());
    if (added) sums.emplace_back();
    sums[found->second].sum += chunk.sum;
    sums[found->second].n += chunk.n;
  }
  return sums;
}

ClusteredMean mean_of(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                      const PositionValue& value, double confidence, const PositionFilter& counts) {
  if (groups.corpora() == 1) return clustered_mean(cluster_sums(groups, pass, value, counts), confidence);
  std::vector<ClusteredMean> means;
  for (int corpus = 0; corpus < groups.corpora(); ++corpus) {
    const std::vector<ClusterSum> sums = cluster_sums(groups, pass, value, within(groups, corpus, counts));
    if (!sums.empty()) means.push_back(clustered_mean(sums, confidence));
  }
  return macro_average(means, confidence);
}

std::optional<double> effect_of_clusters(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                         const PositionValue& value) {
  if (groups.corpora() == 1) return effect_in(groups, pass, value, 0);
  double clustered = 0, independent = 0;
  for (int corpus = 0; corpus < groups.corpora(); ++corpus) {
    const ClusteredMean mean = clustered_mean(cluster_sums(groups, pass, value, within(groups, corpus, {})));
    if (!mean.standard_error) return std::nullopt;
    const double variance = *mean.standard_error * *mean.standard_error;
    const std::optional<double> effect = effect_in(groups, pass, value, corpus);
    if (!effect) continue;  // constant there: it adds nothing to either sum
    clustered += variance;
    independent += variance / *effect;
  }
  if (!(independent > 0)) return std::nullopt;
  return clustered / independent;
}

Agreement agreement_of(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                       const PositionValue& zero_or_one, double confidence) {
  if (groups.corpora() == 1) return agreement(cluster_sums(groups, pass, zero_or_one), confidence);
  const ClusteredMean mean = mean_of(groups, pass, zero_or_one, confidence);
  Agreement result;
  result.fraction = mean.mean;
  result.n = mean.n;
  result.clusters = mean.clusters;
  result.design_effect = effect_of_clusters(groups, pass, zero_or_one);
  result.effective_n = static_cast<double>(mean.n);
  if (mean.standard_error && *mean.standard_error > 0) {
    const double variance = *mean.standard_error * *mean.standard_error;
    result.effective_n = std::min(result.effective_n, mean.mean * (1 - mean.mean) / variance);
  }
  result.interval = wilson_interval(result.fraction, result.effective_n, confidence);
  return result;
}

double kl_of(const PairedPosition& position) { return position.kl_nats; }
double log_ratio_of(const PairedPosition& position) {
  return position.nll_variant_nats - position.nll_original_nats;
}
double same_top_of(const PairedPosition& position) { return position.same_top ? 1 : 0; }

}  // namespace fqlab
