#include "study/floor_rule.h"

#include <gmock/gmock.h>

#include <cmath>

namespace fqlab {
namespace {

MeasuredChunks with_kl(const std::vector<double>& kl) {
  MeasuredChunks chunks;
  for (size_t c = 0; c < kl.size(); ++c) {
    chunks[static_cast<int>(c)].sums.n = 100;
    chunks[static_cast<int>(c)].sums.kl_nats = 100 * kl[c];
  }
  return chunks;
}

const std::vector<int> kOwnClusters = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

TEST(FloorRule, OneChunkFarAboveTheNoiseIsResolved) {
  const std::vector<MeasuredChunks> floors = {with_kl({1.0e-12}), with_kl({1.1e-12}), with_kl({0.9e-12})};
  EXPECT_EQ(effect_is_resolved(with_kl({1e-4}), floors, kOwnClusters), true);
  EXPECT_EQ(effect_is_resolved(with_kl({1.05e-12}), floors, kOwnClusters), false);
  EXPECT_EQ(effect_is_resolved(with_kl({1e-13}), floors, kOwnClusters), false);
}

TEST(FloorRule, TheLimitIsThePredictionIntervalOfOneMoreSeed) {
  // log of the seeds: -1, 0, 1 around that of 1e-6; deviation 1 * sqrt(1 + 1/3); t of 2 degrees is 4.302653:
  // the limit is 1e-6 * exp(4.968275).
  const std::vector<MeasuredChunks> floors = {with_kl({1e-6 * std::exp(-1.0)}), with_kl({1e-6}),
                                              with_kl({1e-6 * std::exp(1.0)})};
  EXPECT_EQ(effect_is_resolved(with_kl({1e-6 * std::exp(4.967)}), floors, kOwnClusters), false);
  EXPECT_EQ(effect_is_resolved(with_kl({1e-6 * std::exp(4.969)}), floors, kOwnClusters), true);
}

TEST(FloorRule, ManyClustersFollowTheRuleOfCompare) {
  std::vector<double> effect, floor;
  for (int c = 0; c < 12; ++c) {
    effect.push_back(1e-6 * (1 + 0.1 * c));
    floor.push_back(1e-6);
  }
  const std::vector<MeasuredChunks> floors = {with_kl(floor), with_kl(floor)};
  EXPECT_EQ(effect_is_resolved(with_kl(effect), floors, kOwnClusters), true);
  EXPECT_EQ(effect_is_resolved(with_kl(floor), floors, kOwnClusters), false);
}

TEST(FloorRule, OnlyChunksThatAllHaveCount) {
  const std::vector<MeasuredChunks> floors = {with_kl({1e-6}), with_kl({1e-6, 5})};
  EXPECT_THAT(common_chunks(with_kl({1, 1, 1}), floors), ::testing::ElementsAre(0));
  EXPECT_EQ(effect_is_resolved(with_kl({1}), floors, kOwnClusters), true);
  EXPECT_EQ(effect_is_resolved(with_kl({}), floors, kOwnClusters), std::nullopt);
  EXPECT_EQ(effect_is_resolved(with_kl({1}), {}, kOwnClusters), std::nullopt);
}

TEST(FloorRule, ChunksOfOneDocumentAreOneCluster) {
  const std::vector<int> clusters = {3, 7, 3};
  const std::vector<int> counted = {0, 1, 2};
  const std::vector<ClusterSum> sums = kl_by_cluster(with_kl({1, 2, 4}), clusters, counted);
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].sum, 500);
  EXPECT_EQ(sums[0].n, 200u);
  EXPECT_EQ(sums[1].sum, 200);
}

}  // namespace
}  // namespace fqlab
