#include "fqlab/bootstrap.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

TrialSums random_trial(int clusters, double mean, uint64_t seed) {
  Random random(seed);
  TrialSums trial;
  for (int g = 0; g < clusters; ++g) trial.push_back({10 * (mean + random.normal()), 10});
  return trial;
}

TEST(ClusterBootstrap, DrawsAsManyClustersAsThereAre) {
  const ClusterBootstrap bootstrap(7, 500, 1);
  double of_first = 0;
  for (int b = 0; b < 500; ++b) {
    double drawn = 0;
    for (int g = 0; g < 7; ++g) drawn += bootstrap.weight(b, g);
    EXPECT_EQ(drawn, 7);
    of_first += bootstrap.weight(b, 0);
  }
  EXPECT_NEAR(of_first / 500, 1, 5 * std::sqrt(6.0 / 7 / 500));  // five standard errors, variance (G - 1) / G
}

TEST(ClusterBootstrap, GivesTheHandComputedReplicate) {
  const ClusterBootstrap bootstrap(3, 50, 2);
  const TrialSums trial = {{1, 1}, {6, 2}, {10, 5}};
  const std::vector<double> means = bootstrap.means(std::span<const ClusterSum>(trial));
  for (int b = 0; b < 50; ++b) {
    const double w0 = bootstrap.weight(b, 0), w1 = bootstrap.weight(b, 1), w2 = bootstrap.weight(b, 2);
    EXPECT_NEAR(means[static_cast<size_t>(b)], (w0 + 6 * w1 + 10 * w2) / (w0 + 2 * w1 + 5 * w2), 1e-14);
  }
}

TEST(ClusterBootstrap, RepeatsWithItsSeedAndDiffersWithAnother) {
  const TrialSums trial = random_trial(12, 0, 3);
  const std::span<const ClusterSum> sums(trial);
  EXPECT_EQ(ClusterBootstrap(12, 100, 5).means(sums), ClusterBootstrap(12, 100, 5).means(sums));
  EXPECT_NE(ClusterBootstrap(12, 100, 5).means(sums), ClusterBootstrap(12, 100, 6).means(sums));
}

TEST(ClusterBootstrap, GivesATrialTheSameReplicatesAloneAndAmongOthers) {
  const ClusterBootstrap bootstrap(9, 200, 4);
  const std::vector<TrialSums> trials = {random_trial(9, 0, 1), random_trial(9, 1, 2), random_trial(9, 2, 3)};
  const auto together = bootstrap.means(trials);
  for (size_t t = 0; t < trials.size(); ++t) {
    const auto alone = bootstrap.means(std::span<const ClusterSum>(trials[t]));
    for (size_t b = 0; b < alone.size(); ++b) EXPECT_NEAR(together[t][b], alone[b], 1e-14);
  }
}

TEST(ClusterBootstrap, KeepsTheOwnMeanWhereOnlyEmptyClustersWereDrawn) {
  const ClusterBootstrap bootstrap(2, 100, 4);
  const TrialSums trial = {{3, 1}, {0, 0}};
  for (const double mean : bootstrap.means(std::span<const ClusterSum>(trial))) EXPECT_EQ(mean, 3);
}

TEST(PercentileInterval, AgreesWithTheClusteredIntervalWhereClustersAreMany) {
  const TrialSums trial = random_trial(400, 1, 8);
  const Interval bootstrap =
      percentile_interval(ClusterBootstrap(400, 4000, 9).means(std::span<const ClusterSum>(trial)));
  const Interval student = *clustered_mean(trial).interval;
  const double width = student.high - student.low;
  EXPECT_NEAR(bootstrap.low, student.low,
              0.06 * width);  // the 2.5 % quantile of 4000: 0.04 standard errors, 1 %
  EXPECT_NEAR(bootstrap.high, student.high, 0.06 * width);
}

TEST(PercentileInterval, OfADifferenceOfATrialWithItselfIsExactly0) {
  const ClusterBootstrap bootstrap(5, 100, 1);
  const TrialSums trial = random_trial(5, 0, 1);
  const std::vector<TrialSums> trials = {trial, trial};
  auto means = bootstrap.means(trials);
  for (size_t b = 0; b < means[0].size(); ++b) means[0][b] -= means[1][b];
  EXPECT_EQ(percentile_interval(means[0]).low, 0);
  EXPECT_EQ(percentile_interval(means[0]).high, 0);
}

TEST(RankTrials, PutsTheLargestFirstAndIsSureOfWhatIsFarApart) {
  const ClusterBootstrap bootstrap(20, 500, 1);
  const std::vector<TrialSums> trials = {random_trial(20, 0, 1), random_trial(20, 100, 2),
                                         random_trial(20, 50, 3)};
  const auto ranks = rank_trials(bootstrap, trials, 1);
  EXPECT_EQ(ranks[0].rank, 3);
  EXPECT_EQ(ranks[1].rank, 1);
  EXPECT_EQ(ranks[2].rank, 2);
  EXPECT_EQ(ranks[1].interval.low, 1);
  EXPECT_EQ(ranks[1].interval.high, 1);
  EXPECT_EQ(ranks[1].probability_in_top, 1);
  EXPECT_EQ(ranks[2].probability_in_top, 0);
}

TEST(RankTrials, LeavesOpenWhatTheDataLeavesOpen) {
  const ClusterBootstrap bootstrap(20, 2000, 1);
  std::vector<TrialSums> trials;
  for (uint64_t t = 0; t < 4; ++t) trials.push_back(random_trial(20, 0, 10 + t));
  double total = 0;
  for (const Rank& rank : rank_trials(bootstrap, trials, 1)) {
    EXPECT_GE(rank.interval.high - rank.interval.low, 1);
    total += rank.probability_in_top;
  }
  EXPECT_NEAR(total, 1, 1e-12);  // in every replicate exactly one is first
}

TEST(RankTrials, SharesTheRankOfEqualTrials) {
  const ClusterBootstrap bootstrap(3, 10, 1);
  const TrialSums zero = {{0, 1}, {0, 1}, {0, 1}};
  for (const Rank& rank : rank_trials(bootstrap, std::vector<TrialSums>{zero, zero, zero}, 1)) {
    EXPECT_EQ(rank.rank, 2);
    EXPECT_EQ(rank.interval.low, 2);
    EXPECT_EQ(rank.probability_in_top, 0);
  }
  EXPECT_TRUE(rank_trials(bootstrap, {}, 1).empty());
}

TEST(Additivity, Is1WhereEffectsAddUpClusterByCluster) {
  const ClusterBootstrap bootstrap(6, 200, 1);
  const std::vector<TrialSums> singles = {random_trial(6, 5, 1), random_trial(6, 9, 2)};
  TrialSums joint = singles[0];
  for (size_t g = 0; g < joint.size(); ++g) joint[g].sum += singles[1][g].sum;
  const Additivity result = additivity(bootstrap, singles, joint);
  EXPECT_NEAR(*result.ratio, 1, 1e-14);
  EXPECT_NEAR(result.interval->low, 1, 1e-14);
  EXPECT_NEAR(result.interval->high, 1, 1e-14);
}

TEST(Additivity, HasNoRatioWithoutAJointEffectAndNoIntervalOfOneCluster) {
  const std::vector<TrialSums> singles = {{{4, 2}}};
  const Additivity none = additivity(ClusterBootstrap(1, 10, 1), singles, {{0, 2}});
  EXPECT_EQ(none.sum_of_singles, 2);
  EXPECT_FALSE(none.ratio);
  const Additivity one = additivity(ClusterBootstrap(1, 10, 1), singles, {{8, 2}});
  EXPECT_EQ(*one.ratio, 0.5);
  EXPECT_FALSE(one.interval);
}

}  // namespace
}  // namespace fqlab
