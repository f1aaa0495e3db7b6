// Measures of one model's predictions, and of how far two models' predictions are apart. Pure functions of
// logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fqlab/result.h"

namespace fqlab {

/// What is kept of one scored position of one model.
struct PositionScore {
  double log_sum_exp = 0;  ///< of the logits, natural log, double throughout
  double nll_nats = 0;     ///< -ln p(target)
  int32_t top_token = 0;   ///< smallest token id among the largest logits
  double top_p = 0;        ///< its probability
};

/// What is kept of one scored position of a pair of models, V against C.
struct PairedPosition {
  double kl_nats = 0;  ///< KL(original || variant), exactly 0 for bitwise equal logits, never negative
  double nll_original_nats = 0;
  double nll_variant_nats = 0;
  double delta_p = 0;  ///< p_variant(target) - p_original(target), a fraction; exactly 0 for equal logits
  bool same_top = false;
  bool original_right = false;  ///< the original's top token is the target
  bool variant_right = false;
  int32_t top_original = 0, top_variant = 0;     ///< token that each puts first
  double top_p_original = 0, top_p_variant = 0;  ///< its probability, each by its own model
};

/// The sums over some positions of a pair, from which every mean of a report follows. One for each cluster is
/// enough for all intervals. add() in the order of positions and merge() in the order of chunks give the same
/// bits every time.
struct PairedSums {
  uint64_t n = 0;
  double kl_nats = 0;
  double nll_original_nats = 0;
  double nll_variant_nats = 0;
  double nll_difference_nats = 0;  ///< variant minus original; its mean is ln(PPL_variant / PPL_original)
  double delta_p = 0;
  double delta_p_squared = 0;
  uint64_t same_top = 0;
  uint64_t original_right = 0;
  uint64_t variant_right = 0;
  uint64_t right_to_wrong = 0;  ///< the original's top token is the target, the variant's is not
  uint64_t wrong_to_right = 0;

  void add(const PairedPosition& position);
  void merge(const PairedSums& other);
};
PairedSums sum_up(std::span<const PairedPosition> positions);

/// Scores one position. Blind spot: logits must be finite (NaN gives NaN).
PositionScore score_position(std::span<const float> logits, int32_t target);

/// KL(original || variant) of one position, in nats; lower is better. From d = variant - original, centred on
/// its value at the original's top token: log1p(M + Q) - M with M = sum p d, Q = sum p (e^d - 1 - d), so that
/// small values keep their digits (relative error of 5e-13 + a few 2^-53 / p_top, where p_top is the
/// probability of that token). Error below 1e-9 * max(1, KL) against a long-double sum for vocabularies up to
/// 2^20.
double kl_divergence(std::span<const float> original_logits, std::span<const float> variant_logits);

/// Scores `targets.size()` positions of row-major logits (targets.size() x vocabulary). The same bits for any
/// `threads`.
std::vector<PositionScore> score_positions(std::span<const float> logits, std::span<const int32_t> targets,
                                           int threads);

/// Compares positions pairwise; `original` are the scores of `original_logits`. The same bits for any
/// `threads`.
std::vector<PairedPosition> compare_positions(std::span<const float> original_logits,
                                              std::span<const PositionScore> original,
                                              std::span<const float> variant_logits,
                                              std::span<const int32_t> targets, int threads);

}  // namespace fqlab
