// What a study keeps of one trial on one chunk: sums, from which every statistic can be computed again.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "fqlab/metrics.h"
#include "fqlab/result.h"

namespace fqlab {

/// One trial on one chunk, V against C.
struct MeasuredChunk {
  PairedSums sums;
  double kl_max_nats = 0;        ///< of the chunk's scored positions
  bool logits_identical = true;  ///< V's logits equal C's bit for bit

  double kl_mean() const { return sums.n == 0 ? 0 : sums.kl_nats / static_cast<double>(sums.n); }
};

/// What a trial did to the weights; the same for every chunk.
struct WeightChange {
  uint64_t values = 0;
  uint64_t changed = 0;
  double relative_mse = 0;  ///< sum (q-x)^2 / sum x^2 over all its tensors
};

bool same_bits(std::span<const float> a, std::span<const float> b);

/// The check that always runs: the original evaluated again gives the same bits, and KL divergences of
/// exactly 0.
bool repeats_exactly(std::span<const float> logits, std::span<const float> again,
                     std::span<const PairedPosition> compared);

/// Refuses positions whose logits are no numbers (NaN, or so large that sums overflow): kInput, with the name
/// of the `original` or of the `changed` model. No statistic of them means anything, and NaN passes most
/// comparisons with a limit.
Result<void> check_finite(const PairedSums& sums, const std::string& original, const std::string& changed);
Result<void> check_finite(std::span<const PairedPosition> positions, const std::string& original,
                          const std::string& changed);

MeasuredChunk measured_chunk(std::span<const PairedPosition> positions, bool logits_identical);

}  // namespace fqlab
