#include "plan/prediction.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

// KL = sensitivity of the tensor x weight error x factor of the format, times noise.
std::vector<PredictionCell> simulate_cells(size_t tensors, const std::vector<double>& format_factors,
                                           double noise, uint64_t seed) {
  Random random(seed);
  std::vector<PredictionCell> cells;
  for (size_t t = 0; t < tensors; ++t) {
    const double sensitivity = std::exp(random.normal());
    for (size_t f = 0; f < format_factors.size(); ++f) {
      const double error = std::exp(-5 + 0.3 * random.normal());
      cells.push_back(
          {t, f, error, sensitivity * error * format_factors[f] * std::exp(noise * random.normal())});
    }
  }
  return cells;
}

TEST(PredictDamage, IsExactWhereTheLawHolds) {
  std::vector<PredictionCell> cells = simulate_cells(12, {1, 3}, 0, 1);
  const double hidden = *cells[1].kl;  // tensor 0, format 1
  cells[1].kl.reset();
  const auto predictions = predict_damage(cells);
  ASSERT_EQ(predictions.size(), 1u);
  ASSERT_EQ(predictions[0].cells.size(), 1u);
  EXPECT_TRUE(predictions[0].calibrated);
  EXPECT_EQ(predictions[0].cells[0].cell, 1u);
  EXPECT_NEAR(predictions[0].cells[0].kl / hidden, 1, 1e-12);
  EXPECT_NEAR(*predictions[0].spearman, 1, 1e-12);
  EXPECT_NEAR(predictions[0].log_error, 0, 1e-12);
}

TEST(PredictDamage, SaysNothingWhereItsErrorCannotBeMeasured) {
  std::vector<PredictionCell> cells = simulate_cells(12, {1, 1}, 0.1, 1);
  for (PredictionCell& cell : cells)
    if (cell.format == 1) cell.kl.reset();
  EXPECT_TRUE(predict_damage(cells).empty());  // one measured format: no format was ever predicted
  EXPECT_TRUE(predict_damage({}).empty());
}

TEST(PredictDamage, SaysNothingOfATensorMeasuredInNoFormat) {
  std::vector<PredictionCell> cells = simulate_cells(12, {1, 1}, 0.1, 1);
  cells[0].kl.reset();
  cells[1].kl.reset();
  EXPECT_TRUE(predict_damage(cells).empty());
}

TEST(PredictDamage, HoldsTheTruthInItsIntervalsAsOftenAsItSays) {
  int inside = 0, all = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::vector<PredictionCell> cells = simulate_cells(40, {1, 2}, 0.4, seed);
    const std::vector<PredictionCell> truth = cells;
    for (PredictionCell& cell : cells)
      if (cell.format == 1 && cell.tensor >= 10) cell.kl.reset();
    const auto predictions = predict_damage(cells);
    ASSERT_EQ(predictions.size(), 1u);
    EXPECT_EQ(predictions[0].held_out, 10u);
    for (const PredictedCell& predicted : predictions[0].cells) {
      const double kl = *truth[predicted.cell].kl;
      inside += predicted.interval.low <= kl && kl <= predicted.interval.high;
      ++all;
    }
  }
  // 600 intervals of 20 calibrations of 10 cells: 95 %, and a calibration moves its own coverage by about 5
  // %, so the mean of 20 by 1.2 %; three such deviations.
  EXPECT_EQ(all, 600);
  EXPECT_NEAR(inside / 600.0, 0.95, 0.036);
}

TEST(PredictDamage, WidensItsIntervalForAFormatWithoutAnyMeasurement) {
  std::vector<PredictionCell> cells = simulate_cells(40, {1, 2, 0.5, 1}, 0.2, 3);
  for (PredictionCell& cell : cells)
    if (cell.format == 3) cell.kl.reset();
  const auto blind = predict_damage(cells);
  ASSERT_EQ(blind.size(), 1u);
  EXPECT_FALSE(blind[0].calibrated);
  EXPECT_EQ(blind[0].held_out, 120u);
  EXPECT_TRUE(blind[0].coverage.has_value());
  const Interval& wide = blind[0].cells[0].interval;
  EXPECT_GT(std::log(wide.high / wide.low), 2 * std::log(2));  // the formats' factors differ by up to 4
}

TEST(PredictDamage, LeavesOutCellsWhoseWeightsDoNotChange) {
  std::vector<PredictionCell> cells = simulate_cells(12, {1, 3}, 0.1, 1);
  cells[1].kl.reset();
  cells[1].weight_error = 0;
  EXPECT_TRUE(predict_damage(cells).empty());
}

}  // namespace
}  // namespace fqlab
