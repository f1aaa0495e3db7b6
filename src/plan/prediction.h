// Damage of cells that were not measured, from the error of their weights. Always a prediction: with the
// interval that its own error on measured cells gives, or not at all.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab {

/// One tensor (or group of tensors) in one number format.
struct PredictionCell {
  size_t tensor = 0;
  size_t format = 0;
  double weight_error = 0;   ///< relative mean squared error of the weights, plain or weighted by activations
  std::optional<double> kl;  ///< measured, nats; absent: to be predicted
};

struct PredictedCell {
  size_t cell = 0;  ///< index into the cells given
  double kl = 0;    ///< nats
  Interval interval;
};

/// The predictions of one format, and how good such predictions were where the truth is known.
struct FormatPrediction {
  size_t format = 0;
  std::vector<PredictedCell> cells;
  size_t held_out = 0;             ///< measured cells that were predicted without their own measurement
  double log_error = 0;            ///< root mean square of ln(predicted / measured) over them
  std::optional<double> coverage;  ///< share of them inside an interval made without them
  std::optional<double> spearman;  ///< of predicted and measured KL, within a format; mean over formats
  bool calibrated = false;         ///< by measured cells of this format; else by the other formats alone
};

/// KL ~ sensitivity of the tensor x weight error x factor of the format (KL is of second order in a small
/// change of the weights). A tensor's sensitivity comes from its measured cells in other formats. The
/// format's factor comes from kLeastCalibration or more measured cells of it that have a sensitivity, held
/// out one at a time; with fewer it is 1, and whole formats are held out. Student t intervals in log KL.
/// Formats without anything to predict, tensors measured in no other format, and formats for which no error
/// can be measured (one measured format, and too few cells of this one) get no prediction. Blind spot:
/// rounding that is not like noise, such as a grid that cannot hold a scale, follows no such law.
std::vector<FormatPrediction> predict_damage(std::span<const PredictionCell> cells, double confidence = 0.95);

inline constexpr size_t kLeastCalibration = 5;

}  // namespace fqlab
