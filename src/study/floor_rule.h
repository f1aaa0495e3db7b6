// Can a cell's effect be told from round-off? The rule of docs/statistics.md on what a study keeps.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/stats.h"
#include "study/measured.h"

namespace fqlab {

/// What one trial gave, by chunk.
using MeasuredChunks = std::map<int, MeasuredChunk>;

/// Sums of one value by cluster, clusters in order of first appearance, over the chunks of `counted`.
/// `value(PairedSums)` is a sum over the positions of a chunk.
template <class Value>
std::vector<ClusterSum> sums_by_cluster(const MeasuredChunks& measured, std::span<const int> cluster_of_chunk,
                                        std::span<const int> counted, const Value& value) {
  std::vector<ClusterSum> sums;
  std::map<int, size_t> index;
  for (const int chunk : counted) {
    const auto [found, added] = index.try_emplace(cluster_of_chunk[static_cast<size_t>(chunk)], sums.size());
    if (added) sums.emplace_back();
    const PairedSums& part = measured.at(chunk).sums;
    sums[found->second].sum += value(part);
    sums[found->second].n += part.n;
  }
  return sums;
}
/// The same of the KL divergence.
std::vector<ClusterSum> kl_by_cluster(const MeasuredChunks& measured, std::span<const int> cluster_of_chunk,
                                      std::span<const int> counted);

/// Chunks that all of them have, ascending.
std::vector<int> common_chunks(const MeasuredChunks& effect, std::span<const MeasuredChunks> floors);

/// Whether an effect is so far above the largest draw of the noise that little text is enough to say so.
inline bool far_above_noise(double effect, double largest_noise) { return effect > 10 * largest_noise; }

/// Over the common chunks: with kReliableClusters or more resolve_effect(). With fewer, whose scatter is
/// hardly known, the question is about this text alone: does the effect lie above the 95 % prediction
/// interval of one more draw of the noise (log scale, Student t of the seeds)? Absent without common chunks
/// or without a floor.
std::optional<bool> effect_is_resolved(const MeasuredChunks& effect, std::span<const MeasuredChunks> floors,
                                       std::span<const int> cluster_of_chunk);

}  // namespace fqlab
