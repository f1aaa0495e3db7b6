// Log ratios of blocks, and their bootstrap interval.
#include "fqlab/speed.h"

#include <cmath>

#include "fqlab/bootstrap.h"

namespace fqlab {

Result<SpeedComparison> compare_speed(std::span<const SpeedBlock> blocks, uint64_t seed, int replicates) {
  if (blocks.empty()) return fail(ErrorCode::kInput, "a comparison of speed needs at least one block");
  SpeedComparison result;
  TrialSums clusters;
  for (const SpeedBlock& block : blocks) {
    for (const double value : {block.first_a, block.first_b, block.second_b, block.second_a})
      if (!(value > 0) || !std::isfinite(value))
        return fail(ErrorCode::kInput, "a measured speed is not above 0",
                    "block " + std::to_string(result.block_log_ratios.size() + 1));
    const double log_ratio =
        0.5 * (std::log(block.first_b / block.first_a) + std::log(block.second_b / block.second_a));
    result.block_log_ratios.push_back(log_ratio);
    clusters.push_back({log_ratio, 1});
  }
  result.log_ratio = clustered_mean(clusters).mean;
  if (blocks.size() < 2) return result;
  const ClusterBootstrap bootstrap(static_cast<int>(blocks.size()), replicates, seed);
  const std::vector<double> means = bootstrap.means(std::span<const ClusterSum>(clusters));
  result.interval = percentile_interval(means, 0.95);
  result.interval90 = percentile_interval(means, 0.9);
  return result;
}

}  // namespace fqlab
