// Resampled clusters: one weight matrix for a whole study, so that trials are comparable with each other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab {

/// The clusters of one trial, the same clusters in the same order for every trial of a study.
using TrialSums = std::vector<ClusterSum>;

/// Multinomial weights W (replicates x clusters): in each replicate as many clusters as there are, drawn with
/// replacement. The same seed gives the same weights on every machine.
class ClusterBootstrap {
 public:
  ClusterBootstrap(int clusters, int replicates, uint64_t seed);
  int clusters() const { return clusters_; }
  int replicates() const { return replicates_; }
  double weight(int replicate, int cluster) const;

  /// (W S) / (W n) of each trial: one vector of `replicates()` means a trial. Replicates of different trials
  /// with the same index belong together: subtract them for the interval of a difference. A replicate that
  /// drew only empty clusters gives the trial's own mean.
  std::vector<std::vector<double>> means(std::span<const TrialSums> trials) const;
  std::vector<double> means(std::span<const ClusterSum> trial) const;

 private:
  int clusters_;
  int replicates_;
  std::vector<double> weights_;  ///< column-major, replicates x clusters
};

/// The middle `confidence` of the replicates. Blind spot: with few clusters it is too narrow (10 clusters:
/// about 90 % instead of 95 %); for a plain mean use clustered_mean.
Interval percentile_interval(std::vector<double> replicates, double confidence = 0.95);

/// Where a trial stands among others; rank 1 has the largest mean, equal means share the mean of their ranks.
struct Rank {
  double rank = 0;
  Interval interval;              ///< of the rank over the replicates
  double probability_in_top = 0;  ///< share of the replicates whose rank is at most `top`
};
std::vector<Rank> rank_trials(const ClusterBootstrap& bootstrap, std::span<const TrialSums> trials, int top,
                              double confidence = 0.95);

/// Do the effects of single changes add up to the effect of all together?
struct Additivity {
  double sum_of_singles = 0;
  double joint = 0;
  std::optional<double>
      ratio;  ///< sum over joint: 1 without interactions; absent where the joint effect is 0
  std::optional<Interval>
      interval;  ///< over the replicates; absent with fewer than 2 clusters or without a ratio
};
Additivity additivity(const ClusterBootstrap& bootstrap, std::span<const TrialSums> singles,
                      const TrialSums& joint, double confidence = 0.95);

}  // namespace fqlab
