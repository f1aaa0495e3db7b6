#include "study/floor_rule.h"

#include <algorithm>
#include <cmath>

namespace fqlab {
namespace {

double sum_over(const MeasuredChunks& measured, std::span<const int> counted) {
  double sum = 0;
  for (const int chunk : counted) sum += measured.at(chunk).sums.kl_nats;
  return sum;
}

/// Is the effect more than one more seed of the noise could be?
bool beyond_noise(const MeasuredChunks& effect, std::span<const MeasuredChunks> floors,
                  std::span<const int> counted) {
  const double value = sum_over(effect, counted);
  std::vector<double> logs;
  double largest = 0;
  for (const MeasuredChunks& floor : floors) {
    const double noise = sum_over(floor, counted);
    largest = std::max(largest, noise);
    if (noise > 0) logs.push_back(std::log(noise));
  }
  if (!(value > largest)) return false;
  if (logs.size() < floors.size() || logs.size() < 2) return far_above_noise(value, largest);
  const double n = static_cast<double>(logs.size());
  double mean = 0, squares = 0;
  for (const double log : logs) mean += log / n;
  for (const double log : logs) squares += (log - mean) * (log - mean);
  const double deviation = std::sqrt(squares / (n - 1) * (1 + 1 / n));
  const auto interval = student_interval(mean, deviation, n - 1, 0.95);
  return interval && std::log(value) > interval->high;
}

}  // namespace

std::vector<ClusterSum> kl_by_cluster(const MeasuredChunks& measured, std::span<const int> cluster_of_chunk,
                                      std::span<const int> counted) {
  return sums_by_cluster(measured, cluster_of_chunk, counted,
                         [](const PairedSums& sums) { return sums.kl_nats; });
}

std::vector<int> common_chunks(const MeasuredChunks& effect, std::span<const MeasuredChunks> floors) {
  std::vector<int> common;
  for (const auto& [chunk, measured] : effect)
    if (std::ranges::all_of(floors, [id = chunk](const MeasuredChunks& floor) { return floor.contains(id); }))
      common.push_back(chunk);
  return common;
}

std::optional<bool> effect_is_resolved(const MeasuredChunks& effect, std::span<const MeasuredChunks> floors,
                                       std::span<const int> cluster_of_chunk) {
  const std::vector<int> common = common_chunks(effect, floors);
  if (common.empty() || floors.empty()) return std::nullopt;
  const std::vector<ClusterSum> clusters = kl_by_cluster(effect, cluster_of_chunk, common);
  if (clusters.size() < kReliableClusters) return beyond_noise(effect, floors, common);
  std::vector<std::vector<ClusterSum>> noise;
  for (const MeasuredChunks& floor : floors) noise.push_back(kl_by_cluster(floor, cluster_of_chunk, common));
  return resolve_effect(clusters, noise).resolved;
}

}  // namespace fqlab
