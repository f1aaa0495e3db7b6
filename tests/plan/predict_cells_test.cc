#include "plan/predict_cells.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

constexpr size_t kTensors = 24;

/// Weight errors of simulated tensors, and the map of the formats named in `measured`, where
/// KL = sensitivity x error x noise.
struct Simulated {
  SensitivityMap map;
  WeightDamage damage;
  std::vector<std::vector<double>> truth;  // KL by format and tensor
};

Simulated simulate(const std::vector<std::string>& formats, size_t measured, double noise) {
  Simulated result;
  Random random(7);
  std::vector<double> sensitivity;
  for (size_t t = 0; t < kTensors; ++t) {
    TensorDamage tensor;
    tensor.tensor.name = fmt::format("blk.{}.ffn_up.weight", t);
    result.damage.tensors.push_back(tensor);
    MapGroup group{tensor.tensor.name, "tensor", static_cast<int>(t), "ffn_up"};
    group.tensors = {tensor.tensor.name};
    result.map.groups.push_back(group);
    sensitivity.push_back(std::exp(random.normal()));
  }
  for (size_t f = 0; f < formats.size(); ++f) {
    result.damage.formats.push_back(*FormatSpec::parse(formats[f]));
    result.truth.emplace_back();
    if (f < measured) result.map.formats.push_back(result.damage.formats.back().print());
    for (size_t t = 0; t < kTensors; ++t) {
      FormatDamage damage;
      damage.sums.counts.values = 100;
      damage.sums.energy = 10;
      damage.sums.error = std::exp(-4 - static_cast<double>(f) + 0.3 * random.normal());
      const double error = damage.sums.relative_mse();
      result.damage.tensors[t].formats.push_back(damage);
      result.truth.back().push_back(sensitivity[t] * error * std::exp(noise * random.normal()));
      if (f >= measured) continue;
      MapCell cell{f, t};
      cell.state = CellState::kMeasured;
      cell.kl = result.truth.back().back();
      result.map.cells.push_back(cell);
    }
  }
  return result;
}

const MapCell* cell_at(const SensitivityMap& map, const std::string& format, size_t group) {
  for (const MapCell& cell : map.cells)
    if (map.formats[cell.format] == format && cell.group == group) return &cell;
  return nullptr;
}

const std::vector<std::string> kFormats = {"int4:g32", "fp8_e4m3", "mxfp4", "fp6_e3m2"};

TEST(PredictCells, FillsAFormatThatWasNotMeasured) {
  Simulated all = simulate(kFormats, 3, 0);
  const auto predictions = predict_cells(all.map, all.damage);
  ASSERT_EQ(predictions.size(), 1u);
  EXPECT_EQ(all.map.formats[predictions[0].format], "fp6_e3m2");
  EXPECT_FALSE(predictions[0].calibrated);
  for (size_t t = 0; t < kTensors; ++t) {
    const MapCell* cell = cell_at(all.map, "fp6_e3m2", t);
    ASSERT_NE(cell, nullptr);
    EXPECT_EQ(cell->state, CellState::kPredicted);
    EXPECT_FALSE(cell->kl);
    EXPECT_NEAR(*cell->predicted_kl / all.truth[3][t], 1, 1e-12);
  }
}

TEST(PredictCells, ComparesEveryMeasuredFormatWithWhatTheOthersSayOfIt) {
  Simulated all = simulate(kFormats, 4, 0.2);
  const SensitivityMap before = all.map;
  EXPECT_TRUE(predict_cells(all.map, all.damage).empty());  // nothing was missing
  ASSERT_EQ(all.map.cells.size(), before.cells.size());
  for (size_t i = 0; i < before.cells.size(); ++i) {
    EXPECT_EQ(all.map.cells[i].state, CellState::kMeasured);
    EXPECT_EQ(all.map.cells[i].kl, before.cells[i].kl);
    ASSERT_TRUE(all.map.cells[i].predicted_kl);
    EXPECT_NEAR(std::log(*all.map.cells[i].predicted_kl / *before.cells[i].kl), 0, 1.2);
  }
  // Without its own measurement: another value of one cell leaves what is said of its format as it was.
  Simulated other = simulate(kFormats, 4, 0.2);
  other.map.cells[5].kl = 100 * *other.map.cells[5].kl;
  predict_cells(other.map, other.damage);
  for (size_t t = 0; t < kTensors; ++t)
    EXPECT_EQ(other.map.cells[t].predicted_kl, all.map.cells[t].predicted_kl) << t;
}

TEST(PredictCells, HoldsOutOneCellOfAFormatThatIsMeasuredInPart) {
  Simulated all = simulate(kFormats, 4, 0.2);
  MapCell& open = all.map.cells.back();
  open.kl.reset();
  open.state = CellState::kNotMeasured;
  const auto predictions = predict_cells(all.map, all.damage);
  ASSERT_EQ(predictions.size(), 1u);
  EXPECT_TRUE(predictions[0].calibrated);
  EXPECT_EQ(all.map.cells.back().state, CellState::kPredicted);
  EXPECT_TRUE(all.map.cells[3 * kTensors].predicted_kl);
}

TEST(PredictCells, LeavesOutWhatAFormatCannotStoreAndWhatItCannotTell) {
  Simulated all = simulate(kFormats, 3, 0);
  all.damage.tensors[2].formats[3].refused = Error{};
  predict_cells(all.map, all.damage);
  EXPECT_EQ(cell_at(all.map, "fp6_e3m2", 2), nullptr);
  EXPECT_NE(cell_at(all.map, "fp6_e3m2", 3), nullptr);

  Simulated two = simulate(kFormats, 1, 0);  // one measured format: the error of a prediction is unknown
  const size_t cells = two.map.cells.size();
  EXPECT_TRUE(predict_cells(two.map, two.damage).empty());
  EXPECT_EQ(two.map.cells.size(), cells);
}

TEST(PredictCells, KeepsOpenAndFailedCellsOfTheMap) {
  Simulated all = simulate(kFormats, 1, 0);
  all.map.cells[0].state = CellState::kFailed;
  all.map.cells[0].kl.reset();
  all.map.cells[1].state = CellState::kNotMeasured;
  all.map.cells[1].kl.reset();
  predict_cells(all.map, all.damage);
  ASSERT_EQ(all.map.cells.size(), kTensors);
  EXPECT_EQ(all.map.cells[0].state, CellState::kFailed);
  EXPECT_EQ(all.map.cells[1].state, CellState::kNotMeasured);
}

}  // namespace
}  // namespace fqlab
