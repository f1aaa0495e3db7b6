#include "fqlab/speed.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

TEST(CompareSpeed, GivesTheHandComputedRatio) {
  const std::vector<SpeedBlock> blocks = {{100, 200, 200, 100}, {100, 100, 400, 100}};
  const SpeedComparison comparison = compare_speed(blocks, 1).value();
  EXPECT_NEAR(comparison.log_ratio, std::log(2), 1e-15);
  EXPECT_THAT(comparison.block_log_ratios, ::testing::Each(::testing::DoubleNear(std::log(2), 1e-15)));
  EXPECT_NEAR(comparison.interval->low, std::log(2), 1e-15);
}

TEST(CompareSpeed, CancelsASteadyDrift) {
  // Every measurement is 2 % slower than the one before, and B is no different.
  std::vector<SpeedBlock> blocks;
  for (double now = 100; blocks.size() < 5; now *= std::pow(0.98, 4))
    blocks.push_back({now, now * 0.98, now * 0.98 * 0.98, now * 0.98 * 0.98 * 0.98});
  EXPECT_NEAR(compare_speed(blocks, 1).value().log_ratio, 0, 1e-15);
}

TEST(CompareSpeed, ShowsOutliersInsteadOfDroppingThem) {
  std::vector<SpeedBlock> blocks(10, SpeedBlock{100, 100, 100, 100});
  blocks[3].first_b = 25;  // ln(1/4) / 2 = -ln 2
  const SpeedComparison comparison = compare_speed(blocks, 1).value();
  EXPECT_NEAR(comparison.block_log_ratios[3], -std::log(2), 1e-15);
  EXPECT_NEAR(comparison.log_ratio, -std::log(2) / 10, 1e-15);
  EXPECT_LT(comparison.interval->low, -std::log(2) / 10);
  EXPECT_EQ(comparison.interval->high, 0);
}

TEST(CompareSpeed, HoldsThe90PerCentIntervalInsideThe95PerCentOneAndRepeats) {
  Random random(1);
  std::vector<SpeedBlock> blocks;
  for (int i = 0; i < 12; ++i)
    blocks.push_back(
        {100 + random.normal(), 99 + random.normal(), 99 + random.normal(), 100 + random.normal()});
  const SpeedComparison comparison = compare_speed(blocks, 5).value();
  EXPECT_LT(comparison.interval->low, comparison.interval90->low);
  EXPECT_GT(comparison.interval->high, comparison.interval90->high);
  EXPECT_EQ(compare_speed(blocks, 5).value().interval->low, comparison.interval->low);
}

TEST(CompareSpeed, RefusesWhatIsNoSpeed) {
  EXPECT_EQ(compare_speed({}, 1).error().code, ErrorCode::kInput);
  const std::vector<SpeedBlock> blocks = {{1, 1, 1, 1}, {1, 0, 1, 1}};
  EXPECT_EQ(compare_speed(blocks, 1).error().where, "block 2");
  const std::vector<SpeedBlock> one = {{1, 1, 1, 1}};
  EXPECT_FALSE(compare_speed(one, 1).value().interval);
}

}  // namespace
}  // namespace fqlab
