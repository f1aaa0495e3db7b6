// Simulated studies: how often an interval holds the truth. FQLAB_LONG=1 runs more of them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/random.h"
#include "fqlab/bootstrap.h"
#include "fqlab/stats.h"

namespace fqlab {
namespace {

bool long_run() { return std::getenv("FQLAB_LONG") != nullptr; }

/// Normal positions of mean 0 and variance 1, of which the share `correlation` belongs to the cluster.
struct Design {
  int clusters = 40;
  int positions = 20;
  double correlation = 0.1;
  bool unequal = false;  ///< clusters of 1 to 2 * positions - 1
};

std::vector<ClusterSum> study(Random& random, const Design& design) {
  std::vector<ClusterSum> clusters;
  for (int g = 0; g < design.clusters; ++g) {
    const double shared = std::sqrt(design.correlation) * random.normal();
    const auto wide = static_cast<uint64_t>(2 * design.positions - 1);
    const uint64_t n = design.unequal ? 1 + random.below(wide) : static_cast<uint64_t>(design.positions);
    ClusterSum cluster{0, n};
    for (uint64_t i = 0; i < n; ++i)
      cluster.sum += shared + std::sqrt(1 - design.correlation) * random.normal();
    clusters.push_back(cluster);
  }
  return clusters;
}

template <class MakeInterval>
double coverage(const Design& design, int studies, const MakeInterval& make) {
  Random random(2024);
  int held = 0;
  for (int s = 0; s < studies; ++s) {
    const Interval interval = make(study(random, design));
    held += interval.low <= 0 && 0 <= interval.high;
  }
  return static_cast<double>(held) / studies;
}

Interval clustered(const std::vector<ClusterSum>& clusters) { return *clustered_mean(clusters).interval; }

TEST(Coverage, OfTheClusteredIntervalIsBetween93And97PerCentIn2000Studies) {
  const double held = coverage({}, 2000, clustered);
  EXPECT_GE(held, 0.935);
  EXPECT_LE(held, 0.965);
}

TEST(Coverage, IsMissedByFarWherePositionsCountAsIndependent) {
  // Design effect 1 + 19 * 0.1 = 2.9: the interval is 1.7 times too narrow and holds 2 P(Z < 1.96 / 1.7) - 1
  // = 75 %.
  const auto independent = [](const std::vector<ClusterSum>& clusters) {
    const ClusteredMean mean = clustered_mean(clusters);
    const double half_width = 1.96 / std::sqrt(static_cast<double>(mean.n));
    return Interval{mean.mean - half_width, mean.mean + half_width};
  };
  EXPECT_NEAR(coverage({}, 2000, independent), 0.75, 0.03);
}

TEST(Coverage, OfSixClustersIsKeptByTheStudentQuantileForNormalPositions) {
  const double held = coverage({.clusters = 6}, 2000, clustered);
  EXPECT_GE(held, 0.935);
  EXPECT_LE(held, 0.965);
}

TEST(Coverage, HoldsForMoreDesignsInTheLongRun) {
  if (!long_run()) GTEST_SKIP() << "set FQLAB_LONG=1";
  for (const bool unequal : {false, true}) {
    for (const double correlation : {0.0, 0.1, 0.5}) {
      const double held = coverage({.correlation = correlation, .unequal = unequal}, 20'000, clustered);
      EXPECT_GE(held, 0.935) << correlation << unequal;
      EXPECT_LE(held, 0.965) << correlation << unequal;
    }
  }
}

TEST(Coverage, OfThePercentileBootstrapIs94PerCentFor40ClustersAnd90For10) {
  // It is sqrt((G - 1) / G) narrower and has no Student quantile: P(|t| < 1.96 sqrt((G - 1) / G)), G - 1
  // degrees.
  const auto held = [](int clusters) {
    const ClusterBootstrap bootstrap(clusters, long_run() ? 4000 : 500, 11);
    const auto percentile = [&](const std::vector<ClusterSum>& sums) {
      return percentile_interval(bootstrap.means(std::span<const ClusterSum>(sums)));
    };
    return coverage({.clusters = clusters}, long_run() ? 5000 : 1000, percentile);
  };
  EXPECT_NEAR(held(40), 0.94, 0.025);  // three standard errors of 1000 studies, and 500 replicates
  EXPECT_NEAR(held(10), 0.905, 0.03);
}

/// Zeros and ones that agree with a probability that differs between clusters, 0.90 to 1.00 around 0.95.
double coverage_of_agreement(int clusters, uint64_t positions, double confidence, int studies) {
  Random random(5);
  int held = 0;
  for (int s = 0; s < studies; ++s) {
    std::vector<ClusterSum> sums;
    for (int g = 0; g < clusters; ++g) {
      const double chance = 0.9 + 0.1 * random.uniform();
      ClusterSum cluster{0, positions};
      for (uint64_t i = 0; i < cluster.n; ++i) cluster.sum += random.uniform() < chance;
      sums.push_back(cluster);
    }
    const Interval interval = *agreement(sums, confidence).interval;
    held += interval.low <= 0.95 && 0.95 <= interval.high;
  }
  return static_cast<double>(held) / studies;
}

TEST(Coverage, OfAgreementHoldsForClusteredZerosAndOnes) {
  const double held = coverage_of_agreement(40, 50, 0.95, 2000);
  EXPECT_GE(held, 0.935);
  EXPECT_LE(held, 0.97);  // design effects below 1 count as 1
}

TEST(Coverage, OfAgreementHoldsForFewClustersToo) {
  // Design effect 1 + 254 * (0.1^2 / 12) / (0.95 * 0.05) = 5.5. With the normal quantile 81 and 84 per cent
  // of the 90 % intervals held the truth. Four standard errors are 2.7 %.
  EXPECT_NEAR(coverage_of_agreement(4, 255, 0.90, 2000), 0.90, 0.03);
  EXPECT_NEAR(coverage_of_agreement(8, 255, 0.90, 2000), 0.90, 0.03);
}

}  // namespace
}  // namespace fqlab
