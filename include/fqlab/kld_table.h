// The numbers of llama-perplexity's --kl-divergence table, by its definitions, from fqlab's exact positions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "fqlab/metrics.h"

namespace fqlab {

/// A mean and llama-perplexity's "+/-": the standard error as if positions were independent. They are not (a
/// chunk's positions share their context): for fqlab's own intervals see stats.h.
struct MeanAndError {
  double mean = 0;
  double error = 0;
};

/// In the order of llama-perplexity's output (tools/perplexity/perplexity.cpp, kl_divergence). Q is the
/// variant, base the original. Probabilities are fractions where llama-perplexity prints per cent. It differs
/// from this in its 16-bit base file, which rounds the original's log-probabilities, floors them at the
/// largest minus 16 and drops what lies there from the sum: so its log ratio of a model against itself is not
/// 0 and its KLD can be negative.
struct KldTable {
  uint64_t positions = 0;

  MeanAndError ppl_q;
  MeanAndError ppl_base;
  double correlation = 0;  ///< of ln PPL(Q) and ln PPL(base), 1 at most; 0 where one does not vary
  MeanAndError log_ratio;  ///< ln(PPL(Q) / PPL(base))
  MeanAndError ratio;
  MeanAndError difference;

  MeanAndError kld;
  /// maximum, 99.9, 99, 95, 90 %, median, 10, 5, 1, 0.1 %, minimum: the levels of kKldLevels
  std::array<double, 11> kld_quantiles = {};

  MeanAndError delta_p;
  /// maximum, 99.9, 99, 95, 90, 75 %, median, 25, 10, 5, 1, 0.1 %, minimum: the levels of kDeltaPLevels
  std::array<double, 13> delta_p_quantiles = {};
  MeanAndError rms_delta_p;
  MeanAndError same_top_p;
};

inline constexpr std::array<double, 11> kKldLevels = {1,   0.999, 0.99, 0.95,  0.9, 0.5,
                                                      0.1, 0.05,  0.01, 0.001, 0};
inline constexpr std::array<double, 13> kDeltaPLevels = {1,    0.999, 0.99, 0.95, 0.9,   0.75, 0.5,
                                                         0.25, 0.1,   0.05, 0.01, 0.001, 0};

/// The table of all positions; all zeros for none. Quantiles are linear between order statistics.
KldTable kld_table(std::span<const PairedPosition> positions);

}  // namespace fqlab
