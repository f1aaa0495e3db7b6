#include "fqlab/kld_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "metrics/random_rows.h"

namespace fqlab {
namespace {

PairedPosition position(double kl, double nll_original, double nll_variant, double delta_p, bool same_top) {
  PairedPosition result;
  result.kl_nats = kl;
  result.nll_original_nats = nll_original;
  result.nll_variant_nats = nll_variant;
  result.delta_p = delta_p;
  result.same_top = same_top;
  return result;
}

TEST(KldTable, GivesTheHandComputedNumbers) {
  const std::vector<PairedPosition> positions = {position(0, 1, 1, 0, true), position(0.1, 2, 3, -0.1, true),
                                                 position(0.5, 3, 5, -0.3, false)};
  const KldTable table = kld_table(positions);
  EXPECT_EQ(table.positions, 3u);
  EXPECT_NEAR(table.ppl_base.mean, std::exp(2), 1e-14);
  EXPECT_NEAR(table.ppl_base.error, std::exp(2) * std::sqrt(1.0 / 3), 1e-14);  // (1 + 0 + 1) / 3 / 2
  EXPECT_NEAR(table.ppl_q.mean, std::exp(3), 1e-14);
  EXPECT_NEAR(table.correlation, 1, 1e-15);
  EXPECT_NEAR(table.log_ratio.mean, 1, 1e-15);
  EXPECT_NEAR(table.log_ratio.error, std::sqrt(1.0 / 3), 1e-15);
  EXPECT_NEAR(table.ratio.mean, std::exp(1), 1e-14);
  EXPECT_NEAR(table.difference.mean, std::exp(3) - std::exp(2), 1e-13);
  // e^3 and e^2 times errors of 2/sqrt(3) and 1/sqrt(3), fully correlated
  EXPECT_NEAR(table.difference.error, (2 * std::exp(3) - std::exp(2)) / std::sqrt(3), 1e-13);
  EXPECT_NEAR(table.kld.mean, 0.2, 1e-15);
  EXPECT_NEAR(table.kld.error, std::sqrt((0.04 + 0.01 + 0.09) / 6), 1e-15);
  EXPECT_EQ(table.kld_quantiles.front(), 0.5);
  EXPECT_EQ(table.kld_quantiles[5], 0.1);
  EXPECT_NEAR(table.kld_quantiles[4], 0.1 + 0.8 * 0.4, 1e-15);  // 90 %
  EXPECT_EQ(table.kld_quantiles.back(), 0);
  EXPECT_NEAR(table.delta_p.mean, -0.4 / 3, 1e-15);
  EXPECT_EQ(table.delta_p_quantiles.front(), 0);
  EXPECT_EQ(table.delta_p_quantiles[6], -0.1);
  EXPECT_EQ(table.delta_p_quantiles.back(), -0.3);
  EXPECT_NEAR(table.rms_delta_p.mean, std::sqrt(0.1 / 3), 1e-15);
  EXPECT_NEAR(table.same_top_p.mean, 2.0 / 3, 1e-15);
  EXPECT_NEAR(table.same_top_p.error, std::sqrt(2.0 / 3 / 3 / 2), 1e-15);  // p (1 - p) / (n - 1)
}

TEST(KldTable, OfAModelWithItselfIsExactlyNothing) {
  std::vector<PairedPosition> positions;
  for (int i = 0; i < 20; ++i) positions.push_back(position(0, 0.1 * i, 0.1 * i, 0, true));
  const KldTable table = kld_table(positions);
  EXPECT_EQ(table.log_ratio.mean, 0);
  EXPECT_EQ(table.log_ratio.error, 0);
  EXPECT_EQ(table.ratio.mean, 1);
  EXPECT_EQ(table.difference.mean, 0);
  EXPECT_EQ(table.difference.error, 0);
  EXPECT_EQ(table.kld.mean, 0);
  EXPECT_EQ(table.rms_delta_p.error, 0);
  EXPECT_EQ(table.same_top_p.mean, 1);
  EXPECT_NEAR(table.correlation, 1, 1e-14);
}

TEST(KldTable, OfOnePositionHasNoErrorAndOfNoneIsEmpty) {
  const std::vector<PairedPosition> one = {position(0.5, 1, 2, 0.25, true)};
  EXPECT_EQ(kld_table(one).kld.mean, 0.5);
  EXPECT_EQ(kld_table(one).kld.error, 0);
  EXPECT_EQ(kld_table(one).kld_quantiles[3], 0.5);
  EXPECT_EQ(kld_table({}).positions, 0u);
}

TEST(PairedSums, CountWhatIsInThePositions) {
  PairedPosition loss = position(0.5, 1, 2, -0.25, false), gain = position(0.25, 2, 1.5, 0.5, false);
  loss.original_right = gain.variant_right = true;
  const std::vector<PairedPosition> positions = {loss, gain, position(0, 1, 1, 0, true)};
  const PairedSums sums = sum_up(positions);
  EXPECT_EQ(sums.n, 3u);
  EXPECT_EQ(sums.kl_nats, 0.75);
  EXPECT_EQ(sums.nll_difference_nats, 0.5);
  EXPECT_EQ(sums.delta_p, 0.25);
  EXPECT_EQ(sums.delta_p_squared, 0.3125);
  EXPECT_EQ(sums.same_top, 1u);
  EXPECT_EQ(sums.right_to_wrong, 1u);
  EXPECT_EQ(sums.wrong_to_right, 1u);
}

TEST(PairedSums, MergeToTheSumsOfTheWhole) {
  const std::vector<float> a = random_row(24 * 50, 1, 3), b = disturbed(a, 2, 1);
  const std::vector<int32_t> targets(24, 3);
  const auto pairs = compare_positions(a, score_positions(a, targets, 1), b, targets, 1);
  PairedSums merged = sum_up(std::span(pairs).first(10));
  merged.merge(sum_up(std::span(pairs).subspan(10)));
  const PairedSums whole = sum_up(pairs);
  EXPECT_EQ(merged.n, whole.n);
  EXPECT_NEAR(merged.kl_nats, whole.kl_nats, 1e-12);
  EXPECT_NEAR(merged.nll_original_nats, whole.nll_original_nats, 1e-12);
  EXPECT_NEAR(merged.nll_variant_nats, whole.nll_variant_nats, 1e-12);
  EXPECT_NEAR(merged.nll_difference_nats, whole.nll_difference_nats, 1e-12);
  EXPECT_NEAR(merged.delta_p, whole.delta_p, 1e-14);
  EXPECT_NEAR(merged.delta_p_squared, whole.delta_p_squared, 1e-14);
  EXPECT_EQ(merged.same_top, whole.same_top);
  EXPECT_EQ(merged.original_right, whole.original_right);
  EXPECT_EQ(merged.variant_right, whole.variant_right);
  EXPECT_EQ(merged.right_to_wrong, whole.right_to_wrong);
  EXPECT_EQ(merged.wrong_to_right, whole.wrong_to_right);
}

}  // namespace
}  // namespace fqlab
