// Adds up what is known of each position.
#include "fqlab/metrics.h"

namespace fqlab {

void PairedSums::add(const PairedPosition& position) {
  ++n;
  kl_nats += position.kl_nats;
  nll_original_nats += position.nll_original_nats;
  nll_variant_nats += position.nll_variant_nats;
  nll_difference_nats += position.nll_variant_nats - position.nll_original_nats;
  delta_p += position.delta_p;
  delta_p_squared += position.delta_p * position.delta_p;
  same_top += position.same_top;
  original_right += position.original_right;
  variant_right += position.variant_right;
  right_to_wrong += position.original_right && !position.variant_right;
  wrong_to_right += !position.original_right && position.variant_right;
}

void PairedSums::merge(const PairedSums& other) {
  n += other.n;
  kl_nats += other.kl_nats;
  nll_original_nats += other.nll_original_nats;
  nll_variant_nats += other.nll_variant_nats;
  nll_difference_nats += other.nll_difference_nats;
  delta_p += other.delta_p;
  delta_p_squared += other.delta_p_squared;
  same_top += other.same_top;
  original_right += other.original_right;
  variant_right += other.variant_right;
  right_to_wrong += other.right_to_wrong;
  wrong_to_right += other.wrong_to_right;
}

PairedSums sum_up(std::span<const PairedPosition> positions) {
  PairedSums sums;
  for (const PairedPosition& position : positions) sums.add(position);
  return sums;
}

}  // namespace fqlab
