#include <gmock/gmock.h>

#include <cmath>

#include "fqlab/sensitivity_map.h"
#include "plan/simulated_map.h"

namespace fqlab {
namespace {

/// One format; `kl` is cells x chunks, each cell measured on the chunks that `measured` names.
SensitivityMap map_of(const std::vector<std::vector<double>>& kl,
                      const std::vector<std::vector<int>>& measured) {
  SensitivityMap map;
  map.formats = {"int4:g32"};
  for (size_t i = 0; i < kl.size(); ++i) {
    map.groups.push_back({"g" + std::to_string(i), "tensor"});
    MapCell cell;
    cell.group = i;
    cell.state = CellState::kMeasured;
    cell.kl = 0;
    for (const int chunk : measured[i]) {
      const double value = kl[i][static_cast<size_t>(chunk)];
      cell.chunks.push_back({chunk, chunk, 10, value});
      *cell.kl += value / static_cast<double>(measured[i].size());
    }
    map.cells.push_back(cell);
  }
  return map;
}

TEST(EstimateCells, LeaveACellWithEveryChunkAsItIs) {
  const std::vector<int> every = {0, 1, 2, 3};
  SensitivityMap map = map_of({{1, 2, 3, 4}, {2, 4, 6, 9}}, {every, every});
  map.cells[0].kl_interval = Interval{2, 3};
  estimate_cells(map);
  EXPECT_EQ(map.cells[0].kl, 2.5);
  EXPECT_EQ(map.cells[0].kl_interval->low, 2);
  EXPECT_FALSE(map.cells[1].kl_interval.has_value());
}

TEST(EstimateCells, FillInWhatTheOtherCellsSayOfTheChunks) {
  const std::vector<int> every = {0, 1, 2, 3};
  SensitivityMap map = map_of({{1, 2, 3, 2.1}, {2, 4.1, 6, 4}, {5, 0, 0, 0}}, {every, every, {0}});
  estimate_cells(map);
  ASSERT_TRUE(map.cells[2].kl_interval.has_value());
  EXPECT_NEAR(*map.cells[2].kl, 10, 0.2) << "chunk 0 is half as hard as the mean of all";
  EXPECT_LT(map.cells[2].kl_interval->low, *map.cells[2].kl);
  EXPECT_GT(map.cells[2].kl_interval->high, *map.cells[2].kl);
  EXPECT_GT(map.cells[2].kl_interval->low, 0);
}

TEST(EstimateCells, GiveNoIntervalWhereNothingWasRepeated) {
  SensitivityMap map = map_of({{1}, {2}}, {{0}, {0}});
  estimate_cells(map);
  EXPECT_EQ(map.cells[0].kl, 1);
  EXPECT_FALSE(map.cells[0].kl_interval.has_value());
}

// The truth is the mean over 400 chunks, of which the map has seen 8 in a few cells and one in the others.
TEST(EstimateCells, CoverTheMeanOverOtherTextInNineteenOfTwentyCells) {
  testing::MapShape shape;
  shape.chunks = 400;
  AllocationGoal goal;
  constexpr int kMaps = 40;
  double covered = 0, cells = 0;
  for (uint64_t seed = 1; seed <= kMaps; ++seed) {
    const testing::TrueMap all = testing::simulate_map(shape, seed);
    const std::vector<double> truth = testing::truth(all, shape.chunks);
    const testing::MeasuredMap measured = testing::measure_with_pilots({&all, 1}, goal)[0];
    std::vector<std::vector<int>> chunks;
    for (const CellEvidence& cell : measured.cells) {
      chunks.emplace_back();
      for (int c = 0; c < 8; ++c)
        if (cell.chunk_kl[static_cast<size_t>(c)]) chunks.back().push_back(c);
    }
    SensitivityMap map = map_of(all.kl, chunks);
    estimate_cells(map);
    for (size_t i = 0; i < map.cells.size(); ++i) {
      if (!map.cells[i].kl_interval) continue;
      covered += map.cells[i].kl_interval->low <= truth[i] && truth[i] <= map.cells[i].kl_interval->high;
      ++cells;
    }
  }
  EXPECT_GT(cells, 190.0 * kMaps);
  // Cells of one map share its chunks' effects, so this counts forty maps rather than 8,000 cells: 95 %
  // within about 3.
  EXPECT_NEAR(covered / cells, 0.95, 0.03);
}

}  // namespace
}  // namespace fqlab
