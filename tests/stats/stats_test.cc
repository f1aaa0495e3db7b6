#include "fqlab/stats.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

/// Student's t with 2 degrees has a quantile in closed form: (2p - 1) sqrt(2 / (4 p (1 - p))).
const double kT2 = 0.95 * std::sqrt(2 / (4 * 0.975 * 0.025));

TEST(ClusteredMean, GivesTheHandComputedInterval) {
  // values (1, 3 | 2 | 6, 8): mean 4, cluster residual sums -4, -2, 6: SE^2 = 3/2 * 56 / 25 = 3.36
  const std::vector<ClusterSum> clusters = {{4, 2}, {2, 1}, {14, 2}};
  const ClusteredMean mean = clustered_mean(clusters);
  EXPECT_EQ(mean.mean, 4);
  EXPECT_EQ(mean.n, 5u);
  EXPECT_EQ(mean.clusters, 3);
  EXPECT_NEAR(*mean.standard_error, std::sqrt(3.36), 1e-15);
  EXPECT_NEAR(mean.interval->high, 4 + kT2 * std::sqrt(3.36), 1e-12);
}

TEST(ClusteredMean, HasNoIntervalWithFewerThanTwoClusters) {
  EXPECT_EQ(clustered_mean({}).n, 0u);
  EXPECT_FALSE(clustered_mean({}).interval);
  const std::vector<ClusterSum> one = {{6, 3}, {0, 0}};
  EXPECT_EQ(clustered_mean(one).mean, 2);
  EXPECT_EQ(clustered_mean(one).clusters, 1);
  EXPECT_FALSE(clustered_mean(one).standard_error);
}

TEST(ClusteredMean, OfClustersOfOneIsTheOrdinaryStandardError) {
  const std::vector<ClusterSum> clusters = {{1, 1}, {2, 1}, {3, 1}, {4, 1}};
  EXPECT_NEAR(*clustered_mean(clusters).standard_error, std::sqrt(5.0 / 3 / 4), 1e-15);
}

RC_GTEST_PROP(ClusteredMean, ScalesAndShiftsWithItsValues, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>());
  std::vector<ClusterSum> clusters(10), moved(10);
  for (size_t g = 0; g < clusters.size(); ++g) {
    clusters[g] = {random.normal() * 5, 1 + random.below(9)};
    moved[g] = {3 * clusters[g].sum + 2 * static_cast<double>(clusters[g].n), clusters[g].n};
  }
  const ClusteredMean a = clustered_mean(clusters), b = clustered_mean(moved);
  RC_ASSERT(std::abs(b.mean - (3 * a.mean + 2)) < 1e-12);
  RC_ASSERT(std::abs(*b.standard_error - 3 * *a.standard_error) < 1e-12);
}

TEST(ClusteredRatio, GivesTheHandComputedError) {
  // x (1, 2, 6), y (1, 2, 3): R 1.5; residuals -0.5, -1, 1.5; SE^2 = 3/2 * 3.5 / 36
  const std::vector<RatioSum> clusters = {{1, 1}, {2, 2}, {6, 3}};
  const ClusteredRatio ratio = clustered_ratio(clusters);
  EXPECT_EQ(ratio.ratio, 1.5);
  EXPECT_NEAR(*ratio.standard_error, std::sqrt(1.5 * 3.5 / 36), 1e-15);
  EXPECT_NEAR(ratio.interval->low, 1.5 - kT2 * std::sqrt(1.5 * 3.5 / 36), 1e-12);
}

TEST(ClusteredRatio, OfSumsAndCountsIsTheClusteredMean) {
  const std::vector<ClusterSum> sums = {{4, 2}, {2, 1}, {14, 2}};
  const std::vector<RatioSum> ratios = {{4, 2}, {2, 1}, {14, 2}};
  EXPECT_EQ(*clustered_ratio(ratios).standard_error, *clustered_mean(sums).standard_error);
}

TEST(ClusteredRatio, HasNoErrorWithoutADenominatorOrASecondCluster) {
  EXPECT_FALSE(clustered_ratio(std::vector<RatioSum>{{1, 0}, {2, 0}}).standard_error);
  EXPECT_FALSE(clustered_ratio(std::vector<RatioSum>{{1, 2}}).standard_error);
  EXPECT_EQ(clustered_ratio(std::vector<RatioSum>{{1, 2}}).ratio, 0.5);
}

TEST(MacroAverage, GivesEveryCorpusTheSameWeight) {
  ClusteredMean a, b;
  a.mean = 1, a.n = 1000, a.clusters = 3, a.degrees = 2, a.standard_error = 0.3;
  b.mean = 3, b.n = 10, b.clusters = 3, b.degrees = 2, b.standard_error = 0.4;
  const ClusteredMean average = macro_average(std::vector<ClusteredMean>{a, b});
  EXPECT_EQ(average.mean, 2);
  EXPECT_EQ(average.n, 1010u);
  EXPECT_NEAR(*average.standard_error, 0.25, 1e-15);
  // Welch: (0.0225 + 0.04)^2 / (0.0225^2 / 2 + 0.04^2 / 2) = 3.709 degrees, between those of 2 and 4
  const double half_width = average.interval->high - 2;
  EXPECT_LT(half_width, kT2 * 0.25);
  EXPECT_GT(half_width, 2.776445 * 0.25);
}

TEST(MacroAverage, OfOneCorpusIsThatCorpus) {
  const std::vector<ClusterSum> clusters = {{4, 2}, {2, 1}, {14, 2}};
  const std::vector<ClusteredMean> one = {clustered_mean(clusters)};
  EXPECT_EQ(macro_average(one).mean, one[0].mean);
  EXPECT_NEAR(macro_average(one).interval->low, one[0].interval->low, 1e-12);
  EXPECT_EQ(macro_average({}).clusters, 0);
  EXPECT_FALSE(macro_average(std::vector<ClusteredMean>{one[0], ClusteredMean()}).standard_error);
}

TEST(DesignEffect, IsTheClusterSizeWhereAClusterRepeatsOneValue) {
  // G clusters of m equal values: SE^2 = s_G^2 / G against s^2 / (G m); ratio m (Gm - 1) / (m (G - 1))
  std::vector<double> values;
  std::vector<int> cluster_of;
  for (int g = 0; g < 5; ++g)
    for (int i = 0; i < 4; ++i) {
      values.push_back(g * g);
      cluster_of.push_back(g + 10);
    }
  EXPECT_NEAR(*design_effect(values, cluster_of), 19.0 / 4, 1e-13);
}

TEST(DesignEffect, Is1ForClustersOfOneAndAbsentWithoutVariation) {
  const std::vector<double> values = {1, 5, 2, 8};
  EXPECT_NEAR(*design_effect(values, std::vector<int>{0, 1, 2, 3}), 1, 1e-14);
  EXPECT_FALSE(design_effect(values, std::vector<int>{0, 0, 0, 0}));
  EXPECT_FALSE(design_effect(std::vector<double>{2, 2, 2}, std::vector<int>{0, 1, 2}));
  EXPECT_FALSE(design_effect({}, {}));
}

TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  std::vector<double> values = {4, 1, 3, 2};
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile(values, 1), 4);
  EXPECT_EQ(quantile(values, 0.5), 2.5);
  EXPECT_NEAR(quantile(values, 0.9), 3.7, 1e-15);
  std::vector<double> one = {7};
  EXPECT_EQ(quantile(one, 0.3), 7);
}

TEST(WilsonInterval, GivesTheTextbookNumber) {
  const Interval interval = wilson_interval(0.8, 10);  // z = 1.959964: (0.4901625, 0.9433178)
  EXPECT_NEAR(interval.low, 0.4901625, 1e-7);
  EXPECT_NEAR(interval.high, 0.9433178, 1e-7);
}

TEST(WilsonInterval, StaysInsideAtTheEnds) {
  EXPECT_EQ(wilson_interval(0, 10).low, 0);
  EXPECT_EQ(wilson_interval(1, 10).high, 1);
  EXPECT_NEAR(wilson_interval(1, 10).low, 10 / (10 + 3.8414588), 1e-7);  // n / (n + z^2)
  EXPECT_EQ(wilson_interval(0.5, 0).low, 0);
  EXPECT_EQ(wilson_interval(0.5, 0).high, 1);
}

TEST(Agreement, HasTheDesignEffectOfItsPositions) {
  const std::vector<ClusterSum> clusters = {{3, 4}, {1, 4}, {4, 4}};
  std::vector<double> values = {1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1};
  const Agreement result = agreement(clusters);
  EXPECT_NEAR(*result.design_effect,
              *design_effect(values, std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}), 1e-14);
  EXPECT_NEAR(result.fraction, 8.0 / 12, 1e-15);
  EXPECT_NEAR(result.effective_n, 12 / *result.design_effect, 1e-14);
  EXPECT_EQ(result.degrees, 2);
  // Wilson's formula with t of 2 degrees, 4.302653, in place of 1.96, for the design effect is above 1.
  ASSERT_GT(*result.design_effect, 1);
  const double z2 = 4.302653 * 4.302653, n = result.effective_n, f = 8.0 / 12;
  const double half = std::sqrt(z2 * (f * (1 - f) / n + z2 / (4 * n * n)));
  EXPECT_NEAR(result.interval->low, (f + z2 / (2 * n) - half) / (1 + z2 / n), 1e-6);
  EXPECT_NEAR(result.interval->high, (f + z2 / (2 * n) + half) / (1 + z2 / n), 1e-6);
}

TEST(Agreement, NeverCountsMorePositionsThanThereAre) {
  const std::vector<ClusterSum> even = {
      {2, 4}, {2, 4}, {2, 4}};  // no scatter between clusters: design effect 0
  EXPECT_EQ(*agreement(even).design_effect, 0);
  EXPECT_EQ(agreement(even).effective_n, 12);
  EXPECT_EQ(agreement(even).interval->low, wilson_interval(0.5, 12).low);  // binomial: nothing was estimated
}

TEST(Agreement, OfOneClusterHasNoInterval) {
  const std::vector<ClusterSum> one = {{249, 255}};
  EXPECT_FALSE(agreement(one).interval);
  EXPECT_EQ(agreement(one).effective_n, 255);
}

TEST(Agreement, OfAllPositionsReaches1AndOfNoneSaysNothing) {
  const std::vector<ClusterSum> all = {{4, 4}, {4, 4}};
  EXPECT_EQ(agreement(all).interval->high, 1);
  EXPECT_FALSE(agreement(all).design_effect);
  EXPECT_FALSE(agreement({}).interval);
}

TEST(Judge, ComparesTheIntervalWithTheMargin) {
  EXPECT_EQ(judge({-0.004, 0.003}, 0.005), Verdict::kEquivalent);
  EXPECT_EQ(judge({0.006, 0.009}, 0.005), Verdict::kDifferent);
  EXPECT_EQ(judge({-0.009, -0.006}, 0.005), Verdict::kDifferent);
  EXPECT_EQ(judge({-0.001, 0.006}, 0.005), Verdict::kInconclusive);
  EXPECT_EQ(judge({-0.009, 0.009}, 0.005), Verdict::kInconclusive);
  EXPECT_EQ(judge({0, 0}, 0.005), Verdict::kEquivalent);
  EXPECT_EQ(judge({NAN, NAN}, 0.005), Verdict::kInconclusive);
  EXPECT_EQ(name(Verdict::kInconclusive), "inconclusive");
}

std::vector<ClusterSum> clusters_of(std::initializer_list<double> means, uint64_t n = 10) {
  std::vector<ClusterSum> clusters;
  for (const double mean : means) clusters.push_back({mean * static_cast<double>(n), n});
  return clusters;
}

TEST(ResolveEffect, ResolvesAnEffectFarAboveItsFloorFromFourChunks) {
  const auto effect = clusters_of({0.0008, 0.0009, 0.0006, 0.0010, 0.0008, 0.0007});
  const std::vector<std::vector<ClusterSum>> floors = {clusters_of({1e-12, 2e-12, 1e-12, 1e-12}),
                                                       clusters_of({2e-12, 2e-12, 1e-12, 1e-12}),
                                                       clusters_of({1e-12, 1e-12, 1e-12, 1e-12})};
  const ResolvedRule rule = resolve_effect(effect, floors);
  EXPECT_TRUE(rule.resolved);
  EXPECT_EQ(rule.clusters, 4);
  EXPECT_EQ(rule.seeds, 3);
  EXPECT_NEAR(rule.difference, 0.000825, 1e-9);  // the common four
  // cluster means' standard deviation 0.0001708, t(0.975, 3) = 3.182446
  EXPECT_NEAR(rule.interval->low, 0.000825 - 3.182446 * 0.000170783 / 2, 1e-8);
}

TEST(ResolveEffect, DoesNotResolveAnEffectOfTheSizeOfItsFloor) {
  const auto effect = clusters_of({0.006, 0.005, 0.007, 0.006});
  const std::vector<std::vector<ClusterSum>> floors = {clusters_of({0.006, 0.006, 0.006, 0.006}),
                                                       clusters_of({0.005, 0.005, 0.008, 0.005}),
                                                       clusters_of({0.007, 0.004, 0.007, 0.006})};
  EXPECT_FALSE(resolve_effect(effect, floors).resolved);
}

TEST(ResolveEffect, CountsTheVarianceBetweenSeeds) {
  // The difference is 0.002 in every cluster, so only the seeds scatter: means 0, 2, 4 give SE = 2 / sqrt(3).
  const auto effect = clusters_of({4, 4, 4});
  const std::vector<std::vector<ClusterSum>> floors = {clusters_of({0, 0, 0}), clusters_of({2, 2, 2}),
                                                       clusters_of({4, 4, 4})};
  const ResolvedRule rule = resolve_effect(effect, floors);
  EXPECT_EQ(rule.difference, 2);
  EXPECT_FALSE(rule.resolved);
  EXPECT_NEAR(rule.interval->low, 2 - kT2 * 2 / std::sqrt(3.0),
              1e-12);  // 2 degrees: the seeds'
}

TEST(ResolveEffect, ResolvesNothingWithoutFloorOrWithOneCluster) {
  const auto effect = clusters_of({1, 1});
  EXPECT_FALSE(resolve_effect(effect, {}).resolved);
  const std::vector<std::vector<ClusterSum>> one = {clusters_of({0})};
  EXPECT_FALSE(resolve_effect(effect, one).resolved);
  EXPECT_FALSE(resolve_effect(effect, one).interval);
  const std::vector<std::vector<ClusterSum>> equal = {effect};
  EXPECT_FALSE(resolve_effect(effect, equal).resolved);
}

}  // namespace
}  // namespace fqlab
