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

/// The values of one corpus, and the cluster of each.
struct CorpusValues {
  std::vector<double> values;
  std::vector<int> cluster_of;
};

CorpusValues values_in(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                       const PositionValue& value, int corpus) {
  CorpusValues found;
  for (size_t i = 0; i < pass.size(); ++i) {
    if (groups.corpus_of(i) != corpus) continue;
    found.values.push_back(value(pass[i]));
    found.cluster_of.push_back(groups.cluster_of(i));
  }
  return found;
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
  if (groups.corpora() == 1) {
    const CorpusValues all = values_in(groups, pass, value, 0);
    return design_effect(all.values, all.cluster_of);
  }
  double clustered = 0, independent = 0;
  for (int corpus = 0; corpus < groups.corpora(); ++corpus) {
    const ClusteredMean mean = clustered_mean(cluster_sums(groups, pass, value, within(groups, corpus, {})));
    if (!mean.standard_error) return std::nullopt;
    clustered += *mean.standard_error * *mean.standard_error;
    independent += independent_variance(values_in(groups, pass, value, corpus).values).value_or(0);
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
  result.degrees = mean.degrees;
  result.design_effect = effect_of_clusters(groups, pass, zero_or_one);
  const double n = static_cast<double>(mean.n);
  result.effective_n = n;
  if (!mean.standard_error) return result;
  if (*mean.standard_error > 0) {
    const double variance = *mean.standard_error * *mean.standard_error;
    result.effective_n = std::min(n, mean.mean * (1 - mean.mean) / variance);
  }
  result.interval =
      clustered_wilson_interval(result.fraction, n, result.effective_n, result.degrees, confidence);
  return result;
}

double kl_of(const PairedPosition& position) { return position.kl_nats; }
double log_ratio_of(const PairedPosition& position) {
  return position.nll_variant_nats - position.nll_original_nats;
}
double same_top_of(const PairedPosition& position) { return position.same_top ? 1 : 0; }

}  // namespace fqlab
