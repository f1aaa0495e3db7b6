#include "plan/chunk_model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plan/simulated_map.h"

namespace fqlab {
namespace {

TEST(ChunkModel, FillsInTheChunksThatACellLacks) {
  // Chunk 1 is three times as hard as chunk 0, exactly.
  const std::vector<CellEvidence> cells = {{{1.0, 3.0}}, {{2.0, 6.0}}, {{5.0}}};
  const ChunkModel model = fit_chunk_model(cells);
  EXPECT_NEAR(*model.cells[0].kl, 2, 1e-9);
  EXPECT_NEAR(*model.cells[1].kl, 4, 1e-9);
  EXPECT_NEAR(*model.cells[2].kl, 10, 1e-8);  // 5 * (1 + 3) / 2
  EXPECT_NEAR(*model.chunk_effect[1] - *model.chunk_effect[0], std::log(3), 1e-9);
  EXPECT_NEAR(model.scatter, 0, 1e-8);
}

TEST(ChunkModel, GivesThePlainMeanWhereEveryChunkIsMeasured) {
  const std::vector<CellEvidence> cells = {{{1.0, 4.0, 2.0}}, {{7.0, 1.0, 1.0}}};
  const ChunkModel model = fit_chunk_model(cells);
  EXPECT_NEAR(*model.cells[0].kl, 7.0 / 3, 1e-9);
  EXPECT_NEAR(*model.cells[1].kl, 3, 1e-9);
}

TEST(ChunkModel, FindsTheScatterThatWasPutIn) {
  testing::MapShape shape;
  const testing::TrueMap map = testing::simulate_map(shape, 5);
  std::vector<CellEvidence> cells(map.kl.size());
  for (size_t i = 0; i < cells.size(); ++i) cells[i].chunk_kl.assign(map.kl[i].begin(), map.kl[i].end());
  const ChunkModel model = fit_chunk_model(cells);
  // 0.25 * 2^u, u uniform in (-1, 1): mean square factor (4 - 1/4) / (4 ln 2) = 1.3525; 3135 degrees, and
  // cells that differ: relative deviation of the root mean square about 0.04.
  EXPECT_NEAR(model.scatter, 0.25 * std::sqrt(1.3525), 0.03);
  EXPECT_EQ(model.degrees, 210 * 15 - 15);
}

TEST(ChunkModel, KnowsNothingOfCellsWithoutEvidence) {
  const std::vector<CellEvidence> cells = {{{1.0}}, {}, {{std::nullopt, 2.0}}};
  const ChunkModel model = fit_chunk_model(cells);
  EXPECT_FALSE(model.cells[1].kl);
  EXPECT_EQ(model.cells[1].log_error(8), HUGE_VAL);
  EXPECT_EQ(model.degrees, 0);
}

TEST(ChunkModel, LeavesNoErrorWhereEveryChunkIsMeasured) {
  CellEstimate cell;
  cell.scatter = 0.4;
  cell.chunks = 8;
  EXPECT_EQ(cell.log_error(8), 0);
  cell.chunks = 2;  // 0.4 * sqrt(1/2 - 1/8)
  EXPECT_NEAR(cell.log_error(8), 0.4 * std::sqrt(0.375), 1e-12);
}

TEST(ChunkModel, TakesACellWithoutDamageAsItIs) {
  const std::vector<CellEvidence> cells = {{{0.0, 0.0}}, {{1.0, 2.0}}, {{2.0, 4.0}}};
  const ChunkModel model = fit_chunk_model(cells);
  EXPECT_EQ(model.cells[0].kl, 0);
  EXPECT_NEAR(model.scatter, 0, 1e-8);
}

}  // namespace
}  // namespace fqlab
