#include "plan/representative_chunks.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "plan/simulated_map.h"

namespace fqlab {
namespace {

using ::testing::IsEmpty;
using testing::TrueMap;

/// KL of a pilot by chunk, from logs.
Pilot pilot(const std::vector<double>& logs, size_t format = 0) {
  Pilot made{format, {}};
  for (const double log : logs) made.chunk_kl.push_back(std::exp(log));
  return made;
}

/// What chunks do to early cells they do not do to late ones, as on real models: a trend of its own for each
/// chunk, beside scatter.
TrueMap map_with_trends(uint64_t seed, double trend, double scatter) {
  testing::MapShape shape;
  shape.chunks = 8;
  shape.scatter = scatter;
  TrueMap map = testing::simulate_map(shape, seed);
  Random random(seed + 1000);
  for (size_t chunk = 0; chunk < 8; ++chunk) {
    const double slope = trend * random.normal();
    for (size_t i = 0; i < map.kl.size(); ++i)
      map.kl[i][chunk] *= std::exp(slope * (2.0 * static_cast<double>(i) / 209 - 1));
  }
  return map;
}

TEST(ChoosePilots, SpreadsThemEvenly) {
  const std::vector<size_t> pilots = choose_pilots(630, 8);
  EXPECT_EQ(pilots.size(), 24u);
  for (size_t i = 1; i < pilots.size(); ++i)
    EXPECT_NEAR(static_cast<double>(pilots[i] - pilots[i - 1]), 630.0 / 24, 1);
  EXPECT_LT(pilots.front(), 630u / 24);
  EXPECT_GE(pilots.back(), 630u - 630 / 24);
  EXPECT_EQ(choose_pilots(210, 8).size(), 12u);
}

TEST(ChoosePilots, TakesNoneWhereTheyCostMoreThanTheySave) {
  EXPECT_THAT(choose_pilots(119, 8), IsEmpty());
  EXPECT_THAT(choose_pilots(630, 3), IsEmpty());
}

TEST(RepresentativeChunks, ComeInTheOrderInWhichTheyStandForAll) {
  // Chunk 1 is like the mean of all; 0 and 2 are off in opposite ways, 0 less.
  std::vector<Pilot> pilots;
  for (const double off : {-0.3, -0.1, 0.1, 0.3}) pilots.push_back(pilot({0.5 * off, 0, -off, 0.4 * off}));
  const auto found = find_representative_chunks(pilots);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->order[0], 1);
  EXPECT_EQ(found->order.size(), 4u);
  EXPECT_LT(found->log_variance[0], found->log_variance[1] + 1e-3);
  EXPECT_EQ(found->log_variance[3], 0);
}

TEST(RepresentativeChunks, DoNotCareForWhatAllCellsOfAFormatShare) {
  std::vector<Pilot> plain, shifted;
  Random random(7);
  for (int i = 0; i < 12; ++i) {
    std::vector<double> logs, moved;
    for (int c = 0; c < 8; ++c) {
      logs.push_back(0.2 * random.normal());
      moved.push_back(logs.back() + (i % 2 == 0 ? 1 : -2));
    }
    plain.push_back(pilot(logs, static_cast<size_t>(i) % 2));
    shifted.push_back(pilot(moved, static_cast<size_t>(i) % 2));
  }
  EXPECT_EQ(find_representative_chunks(plain)->order, find_representative_chunks(shifted)->order);
}

TEST(RepresentativeChunks, NeedFourPilotsWithDamageAndTwoInAFormat) {
  std::vector<Pilot> pilots(4, pilot({0, 0.1, 0.2, 0.3}));
  EXPECT_TRUE(find_representative_chunks(pilots));
  pilots[3].chunk_kl[2] = 0;
  EXPECT_FALSE(find_representative_chunks(pilots));
  pilots[3] = pilot({0, 0.1, 0.2, 0.3}, 1);
  EXPECT_FALSE(find_representative_chunks(pilots));
  EXPECT_FALSE(find_representative_chunks({}));
}

// The pilots' own errors would be too small: their best chunk is the best of eight for them.
TEST(RepresentativeChunks, KnowHowFarOffTheOtherCellsAre) {
  double said = 0, found = 0;
  constexpr int kMaps = 100;
  for (uint64_t seed = 1; seed <= kMaps; ++seed) {
    const TrueMap map = map_with_trends(seed, 0.15, 0.2);
    std::vector<Pilot> pilots;
    for (const size_t i : choose_pilots(map.kl.size(), 8)) pilots.push_back({0, map.kl[i]});
    const auto chunks = find_representative_chunks(pilots);
    ASSERT_TRUE(chunks);
    std::vector<double> errors;
    double mean = 0;
    for (const auto& cell : map.kl) {
      errors.push_back(std::log(cell[static_cast<size_t>(chunks->order[0])] / testing::mean_over(cell, 8)));
      mean += errors.back() / static_cast<double>(map.kl.size());
    }
    for (const double error : errors)
      found += (error - mean) * (error - mean) / static_cast<double>(errors.size()) / kMaps;
    said += chunks->log_variance[0] / kMaps;
  }
  // Each map's sum of 12 squares is off by sqrt(2 / 12) = 41 % of itself, or somewhat more; a hundred by 5 %.
  EXPECT_NEAR(said / found, 1, 0.2);
}

// Two chunks of every cell as they come, a quarter of all, give 0.967 on one of these maps.
TEST(RepresentativeChunks, MakeAMapOfFewerTokensThatIsNearer) {
  AllocationGoal goal;
  double spearman = 0, worst = 1, tokens = 0, as_they_come = 0;
  constexpr int kMaps = 20;
  for (uint64_t seed = 1; seed <= kMaps; ++seed) {
    const TrueMap map = map_with_trends(seed, 0.25, 0.08);
    const testing::MeasuredMap measured = testing::measure_with_pilots({&map, 1}, goal)[0];
    const std::vector<double> truth = testing::truth(map, 8);
    const double found = testing::spearman(measured.kl, truth);
    spearman += found / kMaps;
    worst = std::min(worst, found);
    tokens += measured.share_of_tokens / kMaps;
    as_they_come += testing::spearman(testing::measure(map, goal).kl, truth) / kMaps;
  }
  EXPECT_GE(worst, 0.98);
  EXPECT_GT(spearman, as_they_come);
  EXPECT_LT(tokens, 0.18);
}

}  // namespace
}  // namespace fqlab
