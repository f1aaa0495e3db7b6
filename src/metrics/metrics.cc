// From the sums over one row to NLL, KL divergence and agreement.
#include "fqlab/metrics.h"

#include <cassert>
#include <cmath>

#include "metrics/kernels.h"
#include "metrics/share_out.h"

namespace fqlab {
namespace {

/// log1p(x) - x for |x| < 1/4 without cancellation near 0, from log1p(x) = 2 atanh(y), y = x / (2 + x).
double log1p_minus(double x) {
  const double y = x / (2 + x);
  const double y2 = y * y;  // below 0.0205: the terms left out are below 1e-17 of the first one
  double tail = 0;
  for (int odd = 19; odd >= 3; odd -= 2) tail = y2 * (tail + 1.0 / odd);
  return 2 * y * tail - y * x;
}

/// exp(-nll_variant) - exp(-nll_original), with the digits of small differences.
double difference_of_probabilities(double nll_original, double nll_variant) {
  const double gain = nll_original - nll_variant;
  if (std::abs(gain) > 1) return std::exp(-nll_variant) - std::exp(-nll_original);
  return std::exp(-nll_original) * std::expm1(gain);
}

struct Divergence {
  double kl_nats = 0;
  double log_sum_exp_variant = 0;
  RowMaximum top_variant;
};

/// The centre is d at the original's top token: the p-mean is then at most sigma / sqrt(p_top) away, so that
/// M^2 and Q stay of one size and one pass is enough; and equal rows give d = 0 throughout, hence exactly 0.
Divergence diverge(std::span<const float> original, const PositionScore& score,
                   std::span<const float> variant) {
  const size_t top = static_cast<size_t>(score.top_token);
  const double centre = double{variant[top]} - double{original[top]};
  const PairSums sums =
      pair_sums(original.data(), variant.data(), original.size(), score.log_sum_exp, centre);
  Divergence result;
  result.top_variant = sums.maximum_b;
  const double x = sums.mean + sums.excess;
  // 1 + x = sum p e^d. Where it is a small rest of large terms, or e^d is out of range, the variant's own sum
  // is better.
  const bool safe = sums.in_range && 1 + x > 0x1p-10 * (1 + std::abs(sums.mean));
  if (safe) {
    result.log_sum_exp_variant = score.log_sum_exp + centre + std::log1p(x);
    result.kl_nats = std::abs(x) < 0.25 ? sums.excess + log1p_minus(x) : std::log1p(x) - sums.mean;
  } else {
    const double maximum = sums.maximum_b.value;
    const double log_sum = std::log(sum_of_exponentials(variant.data(), variant.size(), maximum));
    result.log_sum_exp_variant = maximum + log_sum;
    result.kl_nats = ((maximum - score.log_sum_exp) - centre) + log_sum - sums.mean;
  }
  if (result.kl_nats < 0) result.kl_nats = 0;  // rounding; a NaN stays
  return result;
}

}  // namespace

PositionScore score_position(std::span<const float> logits, int32_t target) {
  assert(target >= 0 && static_cast<size_t>(target) < logits.size());
  const RowMaximum maximum = row_maximum(logits.data(), logits.size());
  PositionScore score;
  score.top_token = maximum.index;
  score.log_sum_exp =
      maximum.value + std::log(sum_of_exponentials(logits.data(), logits.size(), maximum.value));
  score.nll_nats = score.log_sum_exp - logits[static_cast<size_t>(target)];
  score.top_p = std::exp(maximum.value - score.log_sum_exp);
  return score;
}

double kl_divergence(std::span<const float> original_logits, std::span<const float> variant_logits) {
  assert(original_logits.size() == variant_logits.size());
  if (original_logits.empty()) return 0;
  return diverge(original_logits, score_position(original_logits, 0), variant_logits).kl_nats;
}

std::vector<PositionScore> score_positions(std::span<const float> logits, std::span<const int32_t> targets,
                                           int threads) {
  std::vector<PositionScore> scores(targets.size());
  if (targets.empty()) return scores;
  assert(logits.size() % targets.size() == 0);
  const size_t vocabulary = logits.size() / targets.size();
  share_out(targets.size(), threads, [&](size_t i) {
    scores[i] = score_position(logits.subspan(i * vocabulary, vocabulary), targets[i]);
  });
  return scores;
}

std::vector<PairedPosition> compare_positions(std::span<const float> original_logits,
                                              std::span<const PositionScore> original,
                                              std::span<const float> variant_logits,
                                              std::span<const int32_t> targets, int threads) {
  std::vector<PairedPosition> pairs(targets.size());
  if (targets.empty()) return pairs;
  assert(original_logits.size() == variant_logits.size() && original.size() == targets.size());
  assert(original_logits.size() % targets.size() == 0);
  const size_t vocabulary = original_logits.size() / targets.size();
  share_out(targets.size(), threads, [&](size_t i) {
    const auto variant = variant_logits.subspan(i * vocabulary, vocabulary);
    const Divergence divergence =
        diverge(original_logits.subspan(i * vocabulary, vocabulary), original[i], variant);
    PairedPosition& pair = pairs[i];
    pair.kl_nats = divergence.kl_nats;
    pair.nll_original_nats = original[i].nll_nats;
    pair.nll_variant_nats = divergence.log_sum_exp_variant - variant[static_cast<size_t>(targets[i])];
    pair.delta_p = difference_of_probabilities(pair.nll_original_nats, pair.nll_variant_nats);
    pair.top_original = original[i].top_token;
    pair.top_variant = divergence.top_variant.index;
    pair.top_p_original = original[i].top_p;
    pair.top_p_variant = std::exp(divergence.top_variant.value - divergence.log_sum_exp_variant);
    pair.same_top = pair.top_original == pair.top_variant;
    pair.original_right = pair.top_original == targets[i];
    pair.variant_right = pair.top_variant == targets[i];
  });
  return pairs;
}

}  // namespace fqlab
