#include "fqlab/speed.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

TEST(CompareSpeed, GivesTheHandComputedRatio) {
  const std::vector<SpeedBlock> blocks = {{100, 200, 200, 100}, {100, 100, 400, 100}};
  const SpeedComparison comparison = compare_speed(blocks).value();
  EXPECT_NEAR(comparison.log_ratio, std::log(2), 1e-15);
  EXPECT_THAT(comparison.block_log_ratios, ::testing::Each(::testing::DoubleNear(std::log(2), 1e-15)));
  EXPECT_NEAR(comparison.interval->low, std::log(2), 1e-15);
}

TEST(CompareSpeed, CancelsASteadyDrift) {
  // Every measurement is 2 % slower than the one before, and B is no different.
  std::vector<SpeedBlock> blocks;
  for (double now = 100; blocks.size() < 5; now *= std::pow(0.98, 4))
    blocks.push_back({now, now * 0.98, now * 0.98 * 0.98, now * 0.98 * 0.98 * 0.98});
  EXPECT_NEAR(compare_speed(blocks).value().log_ratio, 0, 1e-15);
}

TEST(CompareSpeed, ShowsOutliersInsteadOfDroppingThem) {
  std::vector<SpeedBlock> blocks(10, SpeedBlock{100, 100, 100, 100});
  blocks[3].first_b = 25;  // ln(1/4) / 2 = -ln 2
  const SpeedComparison comparison = compare_speed(blocks).value();
  EXPECT_NEAR(comparison.block_log_ratios[3], -std::log(2), 1e-15);
  EXPECT_NEAR(comparison.log_ratio, -std::log(2) / 10, 1e-15);
  // One block of ten away from the others by d: mean d/10, standard error d/10, and t of 9 degrees 2.2622.
  EXPECT_NEAR(comparison.interval->low, -std::log(2) / 10 * (1 + 2.262157), 1e-6);
  EXPECT_NEAR(comparison.interval->high, -std::log(2) / 10 * (1 - 2.262157), 1e-6);
}

TEST(CompareSpeed, HoldsTheTruthAsOftenAsItSaysWithFiveBlocks) {
  // Blocks of equal speed with normal noise: what the default number of blocks has to stand. Four standard
  // errors of 4000 studies are 1.4 and 1.9 %.
  Random random(1);
  int held = 0, held90 = 0;
  constexpr int kStudies = 4000;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<SpeedBlock> blocks;
    for (int i = 0; i < 5; ++i)
      blocks.push_back({1, std::exp(0.01 * random.normal()), std::exp(0.01 * random.normal()), 1});
    const SpeedComparison comparison = compare_speed(blocks).value();
    held += comparison.interval->low <= 0 && 0 <= comparison.interval->high;
    held90 += comparison.interval90->low <= 0 && 0 <= comparison.interval90->high;
  }
  EXPECT_NEAR(static_cast<double>(held) / kStudies, 0.95, 0.014);
  EXPECT_NEAR(static_cast<double>(held90) / kStudies, 0.90, 0.019);
}

TEST(CompareSpeed, RefusesWhatIsNoSpeed) {
  EXPECT_EQ(compare_speed({}).error().code, ErrorCode::kInput);
  const std::vector<SpeedBlock> blocks = {{1, 1, 1, 1}, {1, 0, 1, 1}};
  EXPECT_EQ(compare_speed(blocks).error().where, "block 2");
  const std::vector<SpeedBlock> one = {{1, 1, 1, 1}};
  EXPECT_FALSE(compare_speed(one).value().interval);
}

}  // namespace
}  // namespace fqlab
