// Log ratios of blocks, and their interval.
#include "fqlab/speed.h"

#include <cmath>

namespace fqlab {

Result<SpeedComparison> compare_speed(std::span<const SpeedBlock> blocks) {
  if (blocks.empty()) return fail(ErrorCode::kInput, "a comparison of speed needs at least one block");
  SpeedComparison result;
  std::vector<ClusterSum> clusters;
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
  const ClusteredMean mean = clustered_mean(clusters, 0.95);
  result.log_ratio = mean.mean;
  result.interval = mean.interval;
  result.interval90 = clustered_mean(clusters, 0.9).interval;
  return result;
}

}  // namespace fqlab
