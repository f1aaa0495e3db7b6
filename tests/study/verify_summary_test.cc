#include "study/verify_summary.h"

#include <gmock/gmock.h>

#include <cmath>

#include "study/passes.h"

namespace fqlab {
namespace {

using ::testing::SizeIs;

TEST(StandingOf, NeedsAnIntervalThatExcludesZeroAndLooksAtTheBytesThen) {
  EXPECT_EQ(standing_of(Interval{-2, -1}, 100, 100), Standing::kBetter);
  EXPECT_EQ(standing_of(Interval{-2, -1}, 99, 100), Standing::kBetter);
  EXPECT_EQ(standing_of(Interval{-2, -1}, 101, 100), Standing::kLowerButLarger);
  EXPECT_EQ(standing_of(Interval{1, 2}, 100, 100), Standing::kWorse);
  EXPECT_EQ(standing_of(Interval{1, 2}, 101, 100), Standing::kWorse);
  EXPECT_EQ(standing_of(Interval{1, 2}, 99, 100), Standing::kHigherButSmaller);
  EXPECT_EQ(standing_of(Interval{-1, 1}, 99, 100), Standing::kNotTold);
  EXPECT_EQ(standing_of(Interval{0, 0}, 99, 100), Standing::kNotTold);
  EXPECT_EQ(standing_of({}, 1, 100), Standing::kNotTold);
}

TEST(ComparedOnPositions, TheDifferenceAndTheRatioHaveTheIntervalsOfTheirFormulas) {
  // Three chunks of two positions, each a cluster; the sums of the verified file are 1, 3, 2, those of the
  // other one 2, 4, 6.
  const PairedPass verified = pass_of({0.5, 0.5, 1, 2, 0.5, 1.5}), other = pass_of({1, 1, 3, 1, 2, 4});
  const std::vector<int> clusters = {0, 1, 2};
  const PairOnText pair = compare_on_positions({clusters, {}, 2}, verified, other);
  EXPECT_DOUBLE_EQ(pair.difference.value, -1);  // (6 - 12) / 6
  EXPECT_DOUBLE_EQ(pair.ratio.value, 0.5);
  // Residuals of the ratio, x - y / 2: 0, 1, -1; SE^2 = 3/2 * 2 / 12^2. Student's t with two
  // degrees of freedom has a closed form: 95 % lie within c sqrt(2 / (1 - c^2)), c = 0.95.
  const double quantile = 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95));
  const double half = quantile * std::sqrt(3.0 / 144);
  EXPECT_NEAR(pair.ratio.interval->low, 0.5 - half, 1e-12);
  EXPECT_NEAR(pair.ratio.interval->high, 0.5 + half, 1e-12);
  // Deviations of the cluster sums of the difference from their positions' share: 1, 1, -2; n = 6.
  const double half_difference = quantile * std::sqrt(1.5 * 6 / 36);
  EXPECT_NEAR(pair.difference.interval->low, -1 - half_difference, 1e-12);
  EXPECT_EQ(pair.chunks, 3);
  EXPECT_EQ(pair.chunks_lower, 3);
}

TEST(ComparedOnPositions, PairingTakesOutWhatMakesAChunkHardForBoth) {
  std::vector<double> hard, half_as_hard;
  std::vector<int> clusters;
  for (int chunk = 0; chunk < 20; ++chunk) {
    clusters.push_back(chunk);
    hard.push_back(0.01 * (1 + chunk * chunk));  // from chunk to chunk by a factor of hundreds
    half_as_hard.push_back(hard.back() * (0.5 + 0.01 * (chunk % 3)));
  }
  const PairOnText pair = compare_on_positions({clusters, {}, 1}, pass_of(half_as_hard), pass_of(hard));
  ASSERT_TRUE(pair.ratio.interval);
  EXPECT_LT(pair.ratio.interval->high - pair.ratio.interval->low, 0.02);
  EXPECT_EQ(standing_of(pair.difference.interval, 1, 1), Standing::kBetter);
}

TEST(ComparedOnPositions, TwoPerfectFilesAreNotToldApart) {
  const std::vector<int> clusters = {0, 1};
  const PairOnText pair = compare_on_positions({clusters, {}, 1}, pass_of({0, 0}), pass_of({0, 0}));
  EXPECT_EQ(pair.difference.value, 0);
  EXPECT_EQ(pair.ratio.value, 1);
  EXPECT_EQ(standing_of(pair.difference.interval, 1, 2), Standing::kNotTold);
}

TEST(ComparedOnPositions, AgainstAPerfectFileThereIsNoShare) {
  const std::vector<int> clusters = {0, 1};
  const PairOnText pair = compare_on_positions({clusters, {}, 1}, pass_of({1, 2}), pass_of({0, 0}));
  EXPECT_GT(pair.difference.value, 0);
  EXPECT_TRUE(std::isinf(pair.ratio.value));
  EXPECT_FALSE(pair.ratio.interval);
}

TEST(ComparedOnPositions, OneClusterGivesNoInterval) {
  const std::vector<int> clusters = {0, 0};
  const PairOnText pair = compare_on_positions({clusters, {}, 1}, pass_of({1, 1}), pass_of({2, 3}));
  EXPECT_FALSE(pair.difference.interval);
  EXPECT_FALSE(pair.ratio.interval);
  EXPECT_EQ(pair.ratio.value, 0.4);
}

TEST(SummarizedText, HoldsEveryFileAndThePairsOfTheFirst) {
  TextPasses passes;
  passes.cluster_of_chunk = {3, 4};
  passes.per_chunk = 1;
  passes.files = {pass_of({0.1, 0.2}), pass_of({0.2, 0.4}), pass_of({0, 0})};
  passes.same_logits = {{false, false}, {false, false}, {true, true}};
  VerifiedText text;
  const std::vector<uint64_t> bytes = {10, 10, 20};
  summarize_text(passes, {}, bytes, text);
  ASSERT_THAT(text.files, SizeIs(3));
  ASSERT_THAT(text.against, SizeIs(2));
  EXPECT_EQ(text.against[1].file, 2u);
  EXPECT_DOUBLE_EQ(text.files[1].kl.mean, 0.3);
  EXPECT_TRUE(text.files[2].logits_identical);
  EXPECT_EQ(text.files[2].verdicts.overall, Verdict::kIdentical);
  EXPECT_EQ(text.clusters, 2);
  EXPECT_EQ(text.positions, 2u);
  EXPECT_THAT(text.warnings, ::testing::ElementsAre("few_clusters"));
}

}  // namespace
}  // namespace fqlab
