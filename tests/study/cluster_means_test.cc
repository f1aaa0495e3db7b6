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

TEST(ClusterMeans, AgreementOverCorporaNeverCountsMorePositionsThanThereAre) {
  const TwoCorpora two;
  const Agreement same = agreement_of(two.groups(), two.pass, same_top_of);
  EXPECT_LE(same.effective_n, 18);
  EXPECT_LT(same.interval.low, same.fraction);
  EXPECT_GT(same.interval.high, same.fraction);
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
