#include "fqlab/sensitivity_map.h"

#include <gmock/gmock.h>

#include <cmath>

namespace fqlab {
namespace {

using ::testing::DoubleNear;

// One format; each row of `kl` is a cell of mode `only` with one number a chunk, negative: not measured
// there.
SensitivityMap map_of(const std::vector<std::vector<double>>& kl, const std::vector<double>& joint = {}) {
  SensitivityMap map;
  map.formats = {"int4:g32"};
  const auto add = [&](const std::vector<double>& row, MapMode mode, const char* grouping) {
    MapCell cell;
    cell.mode = mode;
    cell.group = map.groups.size();
    map.groups.push_back({"g" + std::to_string(map.groups.size()), grouping});
    double sum = 0;
    for (size_t chunk = 0; chunk < row.size(); ++chunk)
      if (row[chunk] >= 0) {
        cell.chunks.push_back({static_cast<int>(chunk), static_cast<int>(chunk), 10, row[chunk]});
        sum += row[chunk];
      }
    if (!cell.chunks.empty()) {
      cell.state = CellState::kMeasured;
      cell.kl = sum / static_cast<double>(cell.chunks.size());
    }
    map.cells.push_back(cell);
  };
  for (const auto& row : kl) add(row, MapMode::kOnly, "tensor");
  if (!joint.empty()) add(joint, MapMode::kAll, "all");
  return map;
}

TEST(RankCells, OrdersByKlAndSharesTheMeanRankAmongEquals) {
  SensitivityMap map = map_of({{1, 1}, {3, 3}, {1, 1}, {2, 2}});
  rank_cells(map);
  EXPECT_EQ(map.cells[1].rank, 1);
  EXPECT_EQ(map.cells[3].rank, 2);
  EXPECT_EQ(map.cells[0].rank, 3.5);
  EXPECT_EQ(map.cells[2].rank, 3.5);
}

TEST(RankCells, IsSureOfCellsThatDifferOnEveryChunk) {
  SensitivityMap map = map_of({{1.0, 2.0, 1.5, 1.2}, {10, 21, 15.5, 12.1}, {100, 204, 149, 119}});
  rank_cells(map);
  ASSERT_TRUE(map.cells[2].rank_interval.has_value());
  EXPECT_EQ(map.cells[2].rank_interval->low, 1);
  EXPECT_EQ(map.cells[2].rank_interval->high, 1);
  EXPECT_EQ(map.cells[0].rank_interval->low, 3);
}

TEST(RankCells, LeavesOpenWhatTheChunksContradict) {
  SensitivityMap map = map_of({{1, 5, 1, 5}, {5, 1, 5, 1.1}});
  rank_cells(map);
  EXPECT_EQ(map.cells[0].rank_interval->low, 1);
  EXPECT_EQ(map.cells[0].rank_interval->high, 2);
}

TEST(RankCells, BorrowsTheScatterOfTheFormatForACellWithOneChunk) {
  // Chunks scatter by about 1 %; the single chunk of the last cell is a hundred times larger.
  SensitivityMap map = map_of({{1.00, 1.02, 0.99}, {1.50, 1.52, 1.47}, {2.0, 1.98, 2.03}, {100, -1, -1}});
  rank_cells(map);
  EXPECT_EQ(map.cells[3].rank_interval->low, 1);
  EXPECT_EQ(map.cells[3].rank_interval->high, 1);
}

TEST(RankCells, GivesNoIntervalWhereNoScatterIsKnown) {
  SensitivityMap map = map_of({{1}, {2}});
  rank_cells(map);
  EXPECT_EQ(map.cells[1].rank, 1);
  EXPECT_FALSE(map.cells[1].rank_interval.has_value());
}

TEST(RankCells, TakesAnExactZeroForTheLast) {
  SensitivityMap map = map_of({{0, 0, 0, 0}, {1e-9, 2e-9, 1e-9, 1.5e-9}});
  rank_cells(map);
  EXPECT_EQ(map.cells[0].rank, 2);
  EXPECT_EQ(map.cells[0].rank_interval->low, 2);
}

TEST(RankCells, KeepsRanksThatAreThere) {
  SensitivityMap map = map_of({{1, 1}, {2, 2}});
  map.cells[0].rank = 1;
  rank_cells(map);
  EXPECT_EQ(map.cells[0].rank, 1);
  EXPECT_FALSE(map.cells[1].rank.has_value());
}

TEST(AddUpCells, DividesTheSumOfSinglesByTheJointEffect) {
  SensitivityMap map = map_of({{1, 2}, {3, 4}}, {5, 5});
  add_up_cells(map);
  ASSERT_EQ(map.additivity.size(), 1u);
  EXPECT_EQ(map.additivity[0].sum_of_singles, 5);
  EXPECT_EQ(map.additivity[0].joint_kl, 5);
  EXPECT_THAT(*map.additivity[0].ratio, DoubleNear(1, 1e-15));
  EXPECT_EQ(map.additivity[0].groups, 2u);
}

TEST(AddUpCells, CountsOnlyChunksThatAllSinglesHave) {
  SensitivityMap map = map_of({{1, 2}, {3, -1}}, {2, 100});
  add_up_cells(map);
  ASSERT_EQ(map.additivity.size(), 1u);
  EXPECT_EQ(map.additivity[0].chunks, 1);
  EXPECT_EQ(*map.additivity[0].ratio, 2);
  EXPECT_FALSE(map.additivity[0].interval.has_value());
}

TEST(AddUpCells, SaysHowManyGroupsTheSumLacks) {
  SensitivityMap map = map_of({{1, 2}, {-1, -1}}, {2, 2});
  add_up_cells(map);
  EXPECT_EQ(map.additivity[0].missing, 1u);
}

TEST(AddUpCells, AddsOnlyPartsOfWhatWasChangedTogether) {
  SensitivityMap map = map_of({{1, 2}, {3, 4}}, {5, 5});
  map.groups[0].tensors = {"a"};
  map.groups[1].tensors = {"b"};
  map.groups.back().tensors = {"a", "b"};
  add_up_cells(map);
  ASSERT_EQ(map.additivity.size(), 1u);
  EXPECT_EQ(map.additivity[0].sum_of_singles, 5);
  map.additivity.clear();
  map.groups.back().tensors = {"a"};  // of a sweep that selected less
  add_up_cells(map);
  ASSERT_EQ(map.additivity.size(), 1u);
  EXPECT_EQ(map.additivity[0].sum_of_singles, 1.5);
  map.additivity.clear();
  map.groups.back().tensors = {"a", "c"};  // c was never changed alone
  add_up_cells(map);
  EXPECT_TRUE(map.additivity.empty());
}

TEST(RankCells, RanksEachGroupingByItself) {
  SensitivityMap map = map_of({{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}});
  map.groups[2].grouping = "layer";
  rank_cells(map);
  EXPECT_EQ(map.cells[1].rank, 1);
  EXPECT_EQ(map.cells[0].rank, 2);
  EXPECT_EQ(map.cells[2].rank, 1);
}

TEST(AddUpCells, SumsNothingTwice) {
  SensitivityMap map = map_of({{1, 2}, {3, 4}, {4, 6}}, {5, 5});
  map.groups[2].grouping = "kind";  // both tensors together
  add_up_cells(map);
  EXPECT_EQ(map.additivity[0].sum_of_singles, 5);
}

TEST(AddUpCells, HasNoRatioWithoutAJointEffect) {
  SensitivityMap map = map_of({{0, 0}}, {0, 0});
  add_up_cells(map);
  EXPECT_FALSE(map.additivity[0].ratio.has_value());
}

TEST(Names, ReadBack) {
  for (const MapMode mode :
       {MapMode::kOnly, MapMode::kExcept, MapMode::kCumulativeFront, MapMode::kCumulativeBack, MapMode::kAll})
    EXPECT_EQ(parse_map_mode(name(mode)), mode);
  for (const CellState state :
       {CellState::kMeasured, CellState::kFailed, CellState::kNotMeasured, CellState::kPredicted})
    EXPECT_EQ(parse_cell_state(name(state)), state);
  EXPECT_FALSE(parse_map_mode("both").has_value());
}

}  // namespace
}  // namespace fqlab
