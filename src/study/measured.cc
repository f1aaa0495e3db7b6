#include "study/measured.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fqlab {

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool repeats_exactly(std::span<const float> logits, std::span<const float> again,
                     std::span<const PairedPosition> compared) {
  return same_bits(logits, again) &&
         std::ranges::all_of(compared, [](const PairedPosition& position) { return position.kl_nats == 0; });
}

Result<void> check_finite(const PairedSums& sums, const std::string& original, const std::string& changed) {
  if (!std::isfinite(sums.nll_original_nats))
    return fail(ErrorCode::kInput, "the original's logits are no numbers", original,
                "the model cannot be measured; see whether llama-perplexity gives a number");
  if (std::isfinite(sums.kl_nats) && std::isfinite(sums.nll_variant_nats)) return {};
  return fail(ErrorCode::kInput, "the changed model's logits are no numbers", changed,
              "weights overflow, or become 0 or NaN, in this format or file");
}

Result<void> check_finite(std::span<const PairedPosition> positions, const std::string& original,
                          const std::string& changed) {
  return check_finite(sum_up(positions), original, changed);
}

MeasuredChunk measured_chunk(std::span<const PairedPosition> positions, bool logits_identical) {
  MeasuredChunk measured;
  measured.sums = sum_up(positions);
  measured.logits_identical = logits_identical;
  for (const PairedPosition& position : positions)
    measured.kl_max_nats = std::max(measured.kl_max_nats, position.kl_nats);
  return measured;
}

}  // namespace fqlab
