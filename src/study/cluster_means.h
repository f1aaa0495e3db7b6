// Means over the positions of a pass, with their clusters, and over several corpora with the same weight
// each.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/metrics.h"
#include "fqlab/stats.h"

namespace fqlab {

/// Positions of one pass over chunks 0 .. n-1, `per_chunk` a chunk, against the same original.
using PairedPass = std::vector<PairedPosition>;

/// Which cluster and which corpus each chunk belongs to. Clusters have numbers of their own across corpora.
struct ChunkGroups {
  std::span<const int> cluster_of_chunk;
  std::span<const int> corpus_of_chunk;  ///< empty: one corpus
  size_t per_chunk = 0;                  ///< scored positions a chunk

  int cluster_of(size_t position) const { return cluster_of_chunk[position / per_chunk]; }
  int corpus_of(size_t position) const {
    return corpus_of_chunk.empty() ? 0 : corpus_of_chunk[position / per_chunk];
  }
  int corpora() const;
};

using PositionValue = std::function<double(const PairedPosition&)>;
/// Which positions count, by their index in the pass; absent: all.
using PositionFilter = std::function<bool(size_t)>;

/// Cluster sums of one value, clusters in order of first appearance; those without a position are left out.
std::vector<ClusterSum> cluster_sums(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                     const PositionValue& value, const PositionFilter& counts = {});

/// The clustered mean; of several corpora the macro average of their clustered means (stats.h).
ClusteredMean mean_of(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                      const PositionValue& value, double confidence = 0.95,
                      const PositionFilter& counts = {});

/// Variance of that mean over what it would be with independent positions (design_effect of stats.h); of
/// several corpora the sum of the first over the sum of the second. Absent where the values do not vary or a
/// corpus has one cluster.
std::optional<double> effect_of_clusters(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                         const PositionValue& value);

/// A fraction of positions and its Wilson interval, as agreement() of stats.h; of several corpora with the
/// effective number of positions that the macro average's standard error implies.
Agreement agreement_of(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                       const PositionValue& zero_or_one, double confidence = 0.95);

// The values that a report speaks of.
double kl_of(const PairedPosition& position);         ///< nats
double log_ratio_of(const PairedPosition& position);  ///< nats; its mean is ln(PPL_V / PPL_C)
double same_top_of(const PairedPosition& position);   ///< 1 or 0

}  // namespace fqlab
