#include "fqlab/significance.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

ClusteredMean mean_of(double mean, double standard_error, int clusters) {
  ClusteredMean result;
  result.mean = mean;
  result.standard_error = standard_error;
  result.clusters = clusters;
  result.degrees = clusters - 1;
  return result;
}

TEST(TwoSidedP, GivesTheClosedFormOfOneDegree) {
  EXPECT_NEAR(*two_sided_p(mean_of(1, 1, 2)), 0.5, 1e-14);  // Cauchy: P(|T| > 1) = 1/2
  EXPECT_NEAR(*two_sided_p(mean_of(3, 1, 2), 2), 0.5, 1e-14);
  EXPECT_EQ(*two_sided_p(mean_of(0, 1, 9)), 1);
  EXPECT_EQ(*two_sided_p(mean_of(0, 0, 9)), 1);
  EXPECT_EQ(*two_sided_p(mean_of(1, 0, 9)), 0);
  EXPECT_FALSE(two_sided_p(ClusteredMean()));
}

RC_GTEST_PROP(TwoSidedP, Crosses5PerCentWhereTheIntervalLeaves0, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>());
  std::vector<ClusterSum> clusters;
  for (int g = 0; g < 8; ++g) clusters.push_back({0.7 + random.normal(), 1});
  const ClusteredMean mean = clustered_mean(clusters);
  RC_ASSERT((*two_sided_p(mean) < 0.05) == (mean.interval->low > 0 || mean.interval->high < 0));
}

TEST(EquivalenceTest, GivesTheClosedFormOfOneDegree) {
  // Cauchy: P(T > (0 + 1) / 1) = 1/4 on both sides
  EXPECT_NEAR(equivalence_test(0, 1, 1, 1).p, 0.25, 1e-14);
  EXPECT_EQ(equivalence_test(0.1, 0, 1, 1).p, 0);
  EXPECT_EQ(equivalence_test(2, 0, 1, 1).p, 1);
}

RC_GTEST_PROP(EquivalenceTest, IsBelow5PerCentExactlyWhereTheVerdictIsEquivalent, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>());
  const double estimate = random.normal() * 0.01, margin = 0.01,
               standard_error = 0.005 * random.uniform() + 1e-5;
  const double degrees = 1 + static_cast<double>(random.below(30));
  const Equivalence test = equivalence_test(estimate, standard_error, degrees, margin);
  RC_ASSERT((test.p < 0.05) == (judge(test.interval90, margin) == Verdict::kEquivalent));
}

TEST(McNemar, GivesTheHandComputedP) {
  const McNemar test = mcnemar(1, 5);  // 2 (C(6,0) + C(6,1)) / 64 = 14 / 64
  EXPECT_NEAR(test.exact_p, 14.0 / 64, 1e-15);
  EXPECT_NEAR(test.chi_squared, 9.0 / 6, 1e-15);
  EXPECT_NEAR(test.chi_squared_p, std::erfc(std::sqrt(1.5 / 2)), 1e-14);  // one degree of freedom
  EXPECT_EQ(mcnemar(5, 1).exact_p, test.exact_p);
}

TEST(McNemar, Is1WithoutChangesAndWithBalancedChanges) {
  EXPECT_EQ(mcnemar(0, 0).exact_p, 1);
  EXPECT_EQ(mcnemar(4, 4).exact_p, 1);
  EXPECT_NEAR(mcnemar(0, 20).exact_p, std::exp2(-19), 1e-18);
}

TEST(BenjaminiHochberg, GivesTheHandComputedValues) {
  const std::vector<double> p = {0.04, 0.01, 0.03, 0.5};  // 0.04 * 4/3 holds 0.03 * 4/2 = 0.06 down
  EXPECT_THAT(benjamini_hochberg(p), ::testing::ElementsAre(::testing::DoubleNear(0.16 / 3, 1e-15),
                                                            ::testing::DoubleNear(0.04, 1e-15),
                                                            ::testing::DoubleNear(0.16 / 3, 1e-15), 0.5));
}

TEST(BenjaminiHochberg, LeavesOnePAndNeverExceeds1) {
  EXPECT_THAT(benjamini_hochberg(std::vector<double>{0.3}), ::testing::ElementsAre(0.3));
  EXPECT_THAT(benjamini_hochberg(std::vector<double>{1, 1, 0.9}), ::testing::Each(1));
  EXPECT_TRUE(benjamini_hochberg({}).empty());
}

RC_GTEST_PROP(BenjaminiHochberg, KeepsTheOrderAndNeverLowersAP, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>());
  std::vector<double> p;
  for (int i = 0; i < 30; ++i) p.push_back(random.uniform());
  const std::vector<double> adjusted = benjamini_hochberg(p);
  for (size_t i = 0; i < p.size(); ++i) {
    RC_ASSERT(adjusted[i] >= p[i]);
    for (size_t j = 0; j < p.size(); ++j) RC_ASSERT(p[i] > p[j] || adjusted[i] <= adjusted[j]);
  }
}

TEST(MoreClustersToDecide, Is0WhereTheVerdictStandsAndAbsentWithoutAnError) {
  EXPECT_EQ(more_clusters_to_decide(mean_of(0, 0.001, 8), 0.005), 0);
  EXPECT_EQ(more_clusters_to_decide(mean_of(0.1, 0.001, 8), 0.005), 0);
  EXPECT_FALSE(more_clusters_to_decide(ClusteredMean(), 0.005));
  EXPECT_FALSE(more_clusters_to_decide(mean_of(0.005, 0, 8), 0.005));  // on the margin for ever
}

TEST(MoreClustersToDecide, AsksForMoreTheNearerTheMarginIs) {
  const auto far = more_clusters_to_decide(mean_of(0.001, 0.003, 8), 0.005);
  const auto near = more_clusters_to_decide(mean_of(0.004, 0.003, 8), 0.005);
  EXPECT_GT(*far, 0);
  EXPECT_GT(*near, *far);
  EXPECT_FALSE(more_clusters_to_decide(mean_of(0.004, 0.003, 8), 0.005, 0.9, 2));
}

TEST(MoreClustersToDecide, KnowsTheFewDegreesOfAWideCorpusAmongSeveral) {
  // Two clusters with a standard error of 0.002 and 48 with one of 0.0001: the interval is that of one
  // degree.
  ClusteredMean wide = mean_of(0.008, 0.002, 2), narrow = mean_of(0.008, 0.0001, 48);
  const ClusteredMean both = macro_average(std::vector{wide, narrow}, 0.9);
  EXPECT_LT(both.degrees, 1.1);
  ASSERT_EQ(judge(*both.interval, 0.01), Verdict::kInconclusive);
  EXPECT_GT(more_clusters_to_decide(both, 0.01), 10);
}

/// Clusters of a comparison whose true mean is `mean`; the scatter between clusters is 0.004.
std::vector<ClusterSum> drawn(Random& random, double mean, int64_t clusters) {
  std::vector<ClusterSum> result;
  for (int64_t g = 0; g < clusters; ++g) result.push_back({10 * (mean + 0.004 * random.normal()), 10});
  return result;
}

Verdict verdict_of(const std::vector<ClusterSum>& clusters) {
  return judge(*clustered_mean(clusters, 0.9).interval, 0.005);
}

TEST(MoreClustersToDecide, PredictsANumberThatDecidesInAtLeast16Of20Studies) {
  Random random(7);
  int undecided = 0, then_decided = 0;
  while (undecided < 200) {  // ten times twenty, so that the share is known to 2 %
    const double truth = 0.004 * random.uniform() + 0.006 * static_cast<double>(random.below(2));
    std::vector<ClusterSum> clusters = drawn(random, truth, 6);
    if (verdict_of(clusters) != Verdict::kInconclusive) continue;
    const auto more = more_clusters_to_decide(clustered_mean(clusters), 0.005);
    if (!more || *more > 20'000) continue;
    ++undecided;
    const auto further = drawn(random, truth, *more);
    clusters.insert(clusters.end(), further.begin(), further.end());
    then_decided += verdict_of(clusters) != Verdict::kInconclusive;
  }
  EXPECT_GE(then_decided, undecided * 16 / 20);
}

TEST(Judge, FindsAPlantedEffectInAtLeast19Of20Studies) {
  Random random(3);
  int different = 0, equivalent = 0;
  for (int study = 0; study < 20; ++study) {
    different += verdict_of(drawn(random, 0.010, 16)) == Verdict::kDifferent;
    equivalent += verdict_of(drawn(random, 0.001, 16)) == Verdict::kEquivalent;
  }
  EXPECT_GE(different, 19);
  EXPECT_GE(equivalent, 19);
}

}  // namespace
}  // namespace fqlab
