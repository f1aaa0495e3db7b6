#include "study/cluster_means.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

/// Two corpora, chunks taken in turn: a has 4 chunks around 1, b 2 chunks around 5; 3 positions a chunk.
struct TwoCorpora {
  std::vector<int> clusters = {0, 4, 1, 5, 2, 3};
  std::vector<int> corpus = {0, 1, 0, 1, 0, 0};
  PairedPass pass;
  TwoCorpora() {
    Random random(3);
    for (int c : corpus)
      for (int i = 0; i < 3; ++i)
        pass.push_back(
            {.kl_nats = (c == 0 ? 1 : 5) + 0.1 * random.normal(), .same_top = random.uniform() < 0.7});
  }
  ChunkGroups groups() const { return {clusters, corpus, 3}; }
};

TEST(ClusterMeans, OfOneCorpusAreTheClusteredMean) {
  const std::vector<int> clusters = {0, 0, 1};
  const PairedPass pass = {{.kl_nats = 1}, {.kl_nats = 3}, {.kl_nats = 8}};
  const ClusteredMean mean = mean_of({clusters, {}, 1}, pass, kl_of);
  EXPECT_EQ(mean.mean, 4);
  EXPECT_EQ(mean.clusters, 2);
}

TEST(ClusterMeans, OfTwoCorporaGiveEachTheSameWeight) {
  const TwoCorpora two;
  const ClusteredMean mean = mean_of(two.groups(), two.pass, kl_of);
  EXPECT_NEAR(mean.mean, 3, 0.15);  // pooled it would be near 14/6
  EXPECT_EQ(mean.clusters, 6);
  EXPECT_EQ(mean.n, 18u);
  // The distance between the corpora is no sampling error: the interval is as narrow as those of the parts.
  EXPECT_LT(mean.interval->high - mean.interval->low, 1.5);
}

TEST(ClusterMeans, OfACorpusWithoutACountedPositionLeaveItOut) {
  const TwoCorpora two;
  const ClusteredMean mean = mean_of(two.groups(), two.pass, kl_of, 0.95, [](size_t i) { return i < 3; });
  EXPECT_NEAR(mean.mean, 1, 0.3);
}

/// Two corpora of two chunks of four positions each, taken in turn; so many of each chunk have the same top
/// token.
struct FourChunks {
  std::vector<int> clusters = {0, 2, 1, 3}, corpus = {0, 1, 0, 1};
  PairedPass pass;
  explicit FourChunks(const std::vector<int>& same) {
    for (const int count : same)
      for (int i = 0; i < 4; ++i) pass.push_back({.same_top = i < count});
  }
  ChunkGroups groups() const { return {clusters, corpus, 4}; }
};

TEST(ClusterMeans, AgreementOverCorporaIsTheHandComputedOne) {
  // 2 and 4 of 4 in one corpus, 1 and 3 of 4 in the other: fractions 3/4 and 1/2, SE^2 of each
  // 2 (1 + 1) / 8^2 = 1/16, of the mean of both 1/32 with 2 degrees (Welch).
  const FourChunks four({2, 1, 4, 3});
  const Agreement same = agreement_of(four.groups(), four.pass, same_top_of);
  EXPECT_EQ(same.fraction, 0.625);
  EXPECT_NEAR(same.effective_n, 0.625 * 0.375 * 32, 1e-12);
  EXPECT_NEAR(same.degrees, 2, 1e-12);
  EXPECT_NEAR(*same.design_effect, (2.0 / 16) / (1.5 / 56 + 2.0 / 56), 1e-12);
  EXPECT_NEAR(same.interval->low, 0.118052, 1e-6);  // Wilson with 7.5 positions and 4.302653 for 1.96
  EXPECT_NEAR(same.interval->high, 0.954028, 1e-6);
}

TEST(ClusterMeans, AgreementOverCorporaNeverCountsMorePositionsThanThereAre) {
  const FourChunks even({2, 2, 2, 2});
  EXPECT_EQ(agreement_of(even.groups(), even.pass, same_top_of).effective_n, 16);
}

TEST(ClusterMeans, AgreementOverCorporaHasNoIntervalWhereOneHasOneCluster) {
  FourChunks four({2, 1, 4, 3});
  four.clusters = {0, 2, 1, 2};
  EXPECT_FALSE(agreement_of(four.groups(), four.pass, same_top_of).interval);
}

TEST(ClusterMeans, DesignEffectHoldsWhereTheClustersOfOneCorpusAreAlike) {
  // One corpus has 2 and 2 of 4 (SE 0), the other 1 and 3: SE^2 0 + 1/16 over 2/56 + 2/56.
  const FourChunks four({2, 1, 2, 3});
  EXPECT_NEAR(*effect_of_clusters(four.groups(), four.pass, same_top_of), 0.875, 1e-12);
}

TEST(ClusterMeans, DesignEffectIsOneOverManyUnrelatedPositions) {
  Random random(9);
  std::vector<int> clusters, corpus;
  PairedPass pass;
  for (int c = 0; c < 400; ++c) {
    clusters.push_back(c);
    corpus.push_back(c % 2);
    for (int i = 0; i < 10; ++i) pass.push_back({.kl_nats = random.uniform()});
  }
  // A variance from 200 clusters has a relative standard deviation of 0.1 each, 0.07 for two: four of them.
  EXPECT_NEAR(*effect_of_clusters({clusters, corpus, 10}, pass, kl_of), 1, 0.28);
}

}  // namespace
}  // namespace fqlab
