// Clustered means, ratios and their intervals.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "fqlab/stats.h"
#include "stats/distributions.h"

namespace fqlab {
namespace {

Interval around(double centre, double half_width) { return {centre - half_width, centre + half_width}; }

double square(double x) { return x * x; }

}  // namespace

std::optional<Interval> student_interval(double estimate, std::optional<double> standard_error,
                                         double degrees, double confidence) {
  if (!standard_error || !(degrees > 0)) return std::nullopt;
  return around(estimate, student_t_quantile(0.5 + confidence / 2, degrees) * *standard_error);
}

ClusteredMean clustered_mean(std::span<const ClusterSum> clusters, double confidence) {
  ClusteredMean result;
  double sum = 0;
  for (const ClusterSum& cluster : clusters) {
    if (cluster.n == 0) continue;
    sum += cluster.sum;
    result.n += cluster.n;
    ++result.clusters;
  }
  if (result.n == 0) return result;
  const double n = static_cast<double>(result.n);
  result.mean = sum / n;
  if (result.clusters < 2) return result;
  double squares = 0;
  for (const ClusterSum& cluster : clusters)
    if (cluster.n > 0) squares += square(cluster.sum - static_cast<double>(cluster.n) * result.mean);
  const double count = result.clusters;
  result.standard_error = std::sqrt(count / (count - 1) * squares) / n;
  result.interval = student_interval(result.mean, result.standard_error, count - 1, confidence);
  return result;
}

std::optional<double> design_effect(std::span<const double> values, std::span<const int> cluster_of) {
  assert(values.size() == cluster_of.size());
  if (values.size() < 2) return std::nullopt;
  const auto [lowest, highest] = std::minmax_element(cluster_of.begin(), cluster_of.end());
  std::vector<ClusterSum> clusters(static_cast<size_t>(*highest - *lowest) + 1);
  for (size_t i = 0; i < values.size(); ++i) {
    ClusterSum& cluster = clusters[static_cast<size_t>(cluster_of[i] - *lowest)];
    cluster.sum += values[i];
    ++cluster.n;
  }
  const ClusteredMean mean = clustered_mean(clusters);
  if (!mean.standard_error) return std::nullopt;
  double squares = 0;
  for (const double value : values) squares += square(value - mean.mean);
  const double n = static_cast<double>(values.size());
  const double independent = squares / (n - 1) / n;
  if (!(independent > 0)) return std::nullopt;
  return square(*mean.standard_error) / independent;
}

double quantile(std::vector<double>& values, double q) {
  assert(!values.empty() && q >= 0 && q <= 1);
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

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
  rule.resolved = rule.interval->low > 0;
  return rule;
}

}  // namespace fqlab
