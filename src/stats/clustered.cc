// Clustered means, ratios and their intervals.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "fqlab/stats.h"
#include "stats/distributions.h"
#include "stats/square.h"

namespace fqlab {
namespace {

Interval around(double centre, double half_width) { return {centre - half_width, centre + half_width}; }

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
  result.degrees = count - 1;
  result.interval = student_interval(result.mean, result.standard_error, result.degrees, confidence);
  return result;
}

std::optional<double> independent_variance(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += square(value - mean);
  return squares / (n - 1) / n;
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
  const double independent = *independent_variance(values);
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

ClusteredRatio clustered_ratio(std::span<const RatioSum> clusters, double confidence) {
  ClusteredRatio result;
  RatioSum all;
  for (const RatioSum& cluster : clusters) {
    all.numerator += cluster.numerator;
    all.denominator += cluster.denominator;
  }
  result.clusters = static_cast<int>(clusters.size());
  if (all.denominator == 0) return result;
  result.ratio = all.numerator / all.denominator;
  if (result.clusters < 2) return result;
  double squares = 0;
  for (const RatioSum& cluster : clusters)
    squares += square(cluster.numerator - result.ratio * cluster.denominator);
  const double count = result.clusters;
  result.standard_error = std::sqrt(count / (count - 1) * squares) / std::abs(all.denominator);
  result.interval = student_interval(result.ratio, result.standard_error, count - 1, confidence);
  return result;
}

ClusteredMean macro_average(std::span<const ClusteredMean> corpora, double confidence) {
  ClusteredMean result;
  if (corpora.empty()) return result;
  const double count = static_cast<double>(corpora.size());
  double sum = 0, variance = 0, squares_over_degrees = 0;
  bool known = true;
  for (const ClusteredMean& corpus : corpora) {
    sum += corpus.mean;
    result.n += corpus.n;
    result.clusters += corpus.clusters;
    known = known && corpus.standard_error.has_value();
    const double share = square(corpus.standard_error.value_or(0) / count);
    variance += share;
    squares_over_degrees += square(share) / std::max(corpus.degrees, 1.0);
  }
  result.mean = sum / count;
  if (!known) return result;
  result.standard_error = std::sqrt(variance);
  result.degrees = variance > 0 ? square(variance) / squares_over_degrees : 1;
  result.interval = student_interval(result.mean, result.standard_error, result.degrees, confidence);
  return result;
}

}  // namespace fqlab
