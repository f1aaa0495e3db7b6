#include "plan/allocation.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "plan/simulated_map.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;
using testing::MapShape;
using testing::MeasuredMap;
using ::testing::Pair;
using testing::TrueMap;
using Kind = AllocationGoal::Kind;

AllocationGoal goal_of(Kind kind, int chunks = 8) {
  AllocationGoal goal;
  goal.kind = kind;
  goal.chunks = chunks;
  return goal;
}

// Root mean square of the factor 2^u of a simulated cell's scatter, u uniform in (-1, 1): sqrt(15 / (16 ln
// 2)).
constexpr double kScatterFactor = 1.163;

constexpr int kSeeds = 20;
// Costs are added up in another order here: 420 additions, 2^-53 of the sum each.
constexpr double kRounding = 1e-12;

TEST(AllocateNext, AsksForEveryChunkOfEveryCellWhenExhaustive) {
  const std::vector<CellEvidence> cells = {{{1.0, std::nullopt}}, {{}}};
  EXPECT_THAT(allocate_next(cells, goal_of(Kind::kExhaustive, 2)),
              ElementsAre(Pair(1, 0), Pair(0, 1), Pair(1, 1)));
}

TEST(AllocateNext, GivesEveryCellTheSameChunksWhenEqual) {
  AllocationGoal goal = goal_of(Kind::kEqual, 4);
  goal.each = 2;
  std::vector<CellEvidence> cells(3);
  cells[2].chunk_kl = {1.0, 1.0, 1.0, 1.0};  // a pilot
  EXPECT_THAT(allocate_next(cells, goal), ElementsAre(Pair(0, 0), Pair(1, 0), Pair(0, 1), Pair(1, 1)));
  goal.representative = RepresentativeChunks{{3, 1, 0, 2}, {0.3, 0.2, 0.1, 0}};
  EXPECT_THAT(allocate_next(cells, goal), ElementsAre(Pair(0, 1), Pair(1, 1), Pair(0, 3), Pair(1, 3)));
  cells[0].chunk_kl = cells[1].chunk_kl = {std::nullopt, 1.0, std::nullopt, 1.0};
  EXPECT_TRUE(allocate_next(cells, goal).empty());
}

TEST(AllocateNext, IsDoneWhereEverythingIsMeasured) {
  const std::vector<CellEvidence> cells = {{{1.0, 2.0}}, {{1.0, 3.0}}};
  for (const Kind kind : {Kind::kExhaustive, Kind::kMap, Kind::kTop, Kind::kEqual}) {
    EXPECT_TRUE(allocate_next(cells, goal_of(kind, 2)).empty());
  }
}

TEST(AllocateNext, IsDoneWithoutCells) {
  for (const Kind kind : {Kind::kExhaustive, Kind::kMap, Kind::kTop, Kind::kEqual})
    EXPECT_TRUE(allocate_next({}, goal_of(kind)).empty());
}

TEST(AllocateNext, AsksForTheFirstChunkOfEveryCellFirst) {
  for (const Kind kind : {Kind::kMap, Kind::kTop, Kind::kEqual})
    EXPECT_THAT(allocate_next(std::vector<CellEvidence>(3), goal_of(kind)),
                ElementsAre(Pair(0, 0), Pair(1, 0), Pair(2, 0)));
}

TEST(AllocateNext, NeverAsksForAClosedCell) {
  std::vector<CellEvidence> cells(3);
  cells[1].closed = true;
  for (const Kind kind : {Kind::kExhaustive, Kind::kMap, Kind::kTop, Kind::kEqual})
    for (const auto& [cell, chunk] : allocate_next(cells, goal_of(kind))) EXPECT_NE(cell, 1u);
}

TEST(AllocateNext, FillsAGapBeforeItGoesOn) {
  const std::vector<CellEvidence> cells = {{{1.0, std::nullopt, 1.0}}};
  EXPECT_THAT(allocate_next(cells, goal_of(Kind::kExhaustive, 4)), ElementsAre(Pair(0, 1), Pair(0, 3)));
}

TEST(AllocateNext, SpendsNothingMoreOnCellsWithoutDamage) {
  std::vector<CellEvidence> cells(8, CellEvidence{{0.0}});
  for (const Kind kind : {Kind::kMap, Kind::kTop}) EXPECT_TRUE(allocate_next(cells, goal_of(kind)).empty());
}

RC_GTEST_PROP(AllocateNext, AsksOnlyForWhatIsMissingAndForNothingTwice, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>());
  AllocationGoal goal = goal_of(static_cast<Kind>(random.below(4)), 1 + static_cast<int>(random.below(8)));
  goal.precision_asked = random.below(2) == 0;
  goal.top = static_cast<int>(random.below(12));
  goal.each = 1 + static_cast<int>(random.below(8));
  std::vector<CellEvidence> cells(1 + random.below(30));
  for (CellEvidence& cell : cells) {
    cell.cost = 0.1 + random.uniform();
    cell.chunk_kl.resize(random.below(static_cast<uint64_t>(goal.chunks) + 1));
    for (auto& kl : cell.chunk_kl)
      if (random.below(3) != 0) kl = random.below(5) == 0 ? 0 : std::exp(random.normal());
  }
  const CellChunks next = allocate_next(cells, goal);
  std::set<std::pair<size_t, int>> asked;
  for (const auto& [cell, chunk] : next) {
    RC_ASSERT(cell < cells.size());
    RC_ASSERT(chunk >= 0 && chunk < goal.chunks);
    const auto& known = cells[cell].chunk_kl;
    const size_t index = static_cast<size_t>(chunk);
    const bool missing = index >= known.size() || !known[index];  // RC_ASSERT would evaluate both sides
    RC_ASSERT(missing);
    RC_ASSERT(asked.insert({cell, chunk}).second);
  }
  RC_ASSERT(allocate_next(cells, goal) == next);
}

// Worst of the seeds, so that a single bad map fails.
struct MapFigures {
  double mean_spearman = 0, worst_spearman = 1, most_tokens = 0, most_cost = 0;
};

MapFigures map_figures(const MapShape& shape, int count) {
  MapFigures figures;
  for (int seed = 1; seed <= count; ++seed) {
    const TrueMap map = testing::simulate_map(shape, static_cast<uint64_t>(seed));
    const MeasuredMap measured = testing::measure(map, goal_of(Kind::kMap));
    const double spearman = testing::spearman(measured.kl, testing::truth(map, 8));
    figures.mean_spearman += spearman / count;
    figures.worst_spearman = std::min(figures.worst_spearman, spearman);
    figures.most_tokens = std::max(figures.most_tokens, measured.share_of_tokens);
    figures.most_cost = std::max(figures.most_cost, measured.share_of_cost);
  }
  return figures;
}

TEST(Map, OrdersTheCellsLikeTheExhaustiveMapForAQuarterOfItsTokens) {
  MapShape shape;  // as measured on 28 matrices of SmolLM2 in int4:g32
  shape.cell = 0.83;
  shape.scatter = 0.195 / kScatterFactor;
  shape.chunk = 0.11;
  const MapFigures figures = map_figures(shape, kSeeds);
  EXPECT_GE(figures.worst_spearman, 0.97);
  EXPECT_LE(figures.most_tokens, 0.25);
  EXPECT_LE(figures.most_cost, 0.25 + kRounding);
}

TEST(Map, StopsAtAQuarterHoweverOpenTheOrderIs) {
  MapShape shape;
  shape.scatter = 1;
  const MapFigures figures = map_figures(shape, 1);
  EXPECT_LE(figures.most_tokens, 0.25);
  EXPECT_LE(figures.most_cost, 0.25 + kRounding);
}

TEST(Map, StopsEarlyWhereTheOrderIsClear) {
  MapShape shape;
  shape.scatter = 0.02;
  const MapFigures figures = map_figures(shape, 1);
  EXPECT_LE(figures.most_tokens, 0.17);  // one chunk is an eighth; a quarter of the cells a second: 0.156
  EXPECT_GE(figures.worst_spearman, 0.99);
}

TEST(Map, GoesOnBeyondAQuarterForAPrecisionThatWasAskedFor) {
  const TrueMap map = testing::simulate_map({}, 1);
  AllocationGoal goal = goal_of(Kind::kMap);
  goal.precision_asked = true;
  const MeasuredMap measured = testing::measure(map, goal);
  const std::vector<double> truth = testing::truth(map, 8);
  int within = 0;
  for (size_t i = 0; i < truth.size(); ++i)
    within += std::abs(measured.kl[i] / truth[i] - 1) <= goal.precision;
  EXPECT_GT(measured.share_of_tokens, 0.25);
  // 95 % of 210 are 199.5, less three binomial deviations of 3.2.
  EXPECT_GE(within, 190);
}

TEST(Map, FollowsFromEvidenceAloneAfterAStop) {
  const TrueMap map = testing::simulate_map({}, 2);
  const MeasuredMap whole = testing::measure(map, goal_of(Kind::kMap));
  EXPECT_TRUE(allocate_next(whole.cells, goal_of(Kind::kMap)).empty());
}

struct RaceFigures {
  int won = 0;
  double most_tokens = 0, most_cost = 0;  ///< of the exhaustive map of 8 chunks
};

// What `--top 10` with 8 chunks does: up to 16 for a cell, on the budget of 8 for all.
RaceFigures race_figures(const MapShape& shape, int count) {
  RaceFigures figures;
  AllocationGoal goal = goal_of(Kind::kTop, 16);
  goal.budget_chunks = 8;
  for (int seed = 1; seed <= count; ++seed) {
    const TrueMap map = testing::simulate_map(shape, static_cast<uint64_t>(seed));
    const MeasuredMap measured = testing::measure(map, goal);
    figures.won += testing::weakest_winner(measured.kl, testing::truth(map, 16), 10) >= 0.95;
    figures.most_tokens = std::max(figures.most_tokens, 2 * measured.share_of_tokens);
    figures.most_cost = std::max(figures.most_cost, 2 * measured.share_of_cost);
  }
  return figures;
}

TEST(Race, FindsTheTop10InNineteenOfTwentySeedsForAThirdOfTheTokens) {
  MapShape shape;  // as measured on 28 matrices of SmolLM2 in int4:g32
  shape.cell = 0.83;
  shape.scatter = 0.195 / kScatterFactor;
  shape.chunk = 0.11;
  const RaceFigures figures = race_figures(shape, kSeeds);
  EXPECT_GE(figures.won, kSeeds - 1);
  EXPECT_LE(figures.most_tokens, 1.0 / 3);
}

TEST(Race, StopsAtAThirdHoweverCloseItIs) {
  MapShape shape;
  shape.cell = 0.05;  // everybody is as good as the tenth
  const RaceFigures figures = race_figures(shape, 1);
  EXPECT_LE(figures.most_tokens, 1.0 / 3);
  EXPECT_LE(figures.most_cost, 1.0 / 3 + kRounding);
}

TEST(Race, LeavesHopelessCellsAtOneChunk) {
  const TrueMap map = testing::simulate_map({}, 3);
  const MeasuredMap measured = testing::measure(map, goal_of(Kind::kTop));
  const auto order = testing::descending(testing::truth(map, 8));
  for (size_t r = order.size() / 2; r < order.size(); ++r) {
    const auto& chunks = measured.cells[order[r]].chunk_kl;
    EXPECT_EQ(std::ranges::count_if(chunks, [](const auto& kl) { return kl.has_value(); }), 1);
  }
}

}  // namespace
}  // namespace fqlab
