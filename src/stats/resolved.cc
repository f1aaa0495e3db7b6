// Whether an effect stands out from the noise floor.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "fqlab/stats.h"
#include "stats/square.h"

namespace fqlab {

ResolvedRule resolve_effect(std::span<const ClusterSum> effect,
                            std::span<const std::vector<ClusterSum>> floors) {
  ResolvedRule rule;
  rule.seeds = static_cast<int>(floors.size());
  if (floors.empty()) return rule;
  size_t common = effect.size();
  for (const auto& floor : floors) common = std::min(common, floor.size());
  // Positions are paired, so a cluster has the same n in both arms; per cluster, the effect minus the seeds'
  // mean.
  const double seeds = static_cast<double>(floors.size());
  std::vector<ClusterSum> differences(effect.begin(), effect.begin() + static_cast<std::ptrdiff_t>(common));
  std::vector<double> floor_means;
  for (const auto& floor : floors) {
    ClusterSum all;
    for (size_t g = 0; g < common; ++g) {
      assert(floor[g].n == effect[g].n);
      differences[g].sum -= floor[g].sum / seeds;
      all.sum += floor[g].sum;
      all.n += floor[g].n;
    }
    floor_means.push_back(all.n == 0 ? 0 : all.sum / static_cast<double>(all.n));
  }
  const ClusteredMean mean = clustered_mean(differences);
  rule.difference = mean.mean;
  rule.clusters = mean.clusters;
  if (!mean.standard_error) return rule;
  // A control seed shifts all clusters together, which the scatter between clusters does not show.
  double seed_variance = 0;
  if (floors.size() > 1) {
    double floor_mean = 0;
    for (const double value : floor_means) floor_mean += value / seeds;
    for (const double value : floor_means) seed_variance += square(value - floor_mean) / (seeds - 1) / seeds;
  }
  const double cluster_variance = square(*mean.standard_error);
  const double variance = cluster_variance + seed_variance;
  const double cluster_degrees = mean.clusters - 1.0;
  // Welch and Satterthwaite: the degrees of freedom of a sum of two estimated variances.
  const double degrees = seed_variance > 0 ? square(variance) / (square(cluster_variance) / cluster_degrees +
                                                                 square(seed_variance) / (seeds - 1))
                                           : cluster_degrees;
  rule.interval = student_interval(rule.difference, std::sqrt(variance), degrees, 0.95);
  rule.resolved = rule.interval && rule.interval->low > 0;
  return rule;
}

}  // namespace fqlab
