#include "plan/prediction.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "stats/square.h"

namespace fqlab {
namespace {

bool is_usable(const PredictionCell& cell) { return cell.weight_error > 0 && cell.kl && *cell.kl > 0; }

// ln(KL / weight error) by format and tensor.
using Sensitivities = std::map<size_t, std::map<size_t, double>>;

Sensitivities measured_sensitivities(std::span<const PredictionCell> cells) {
  Sensitivities result;
  for (const PredictionCell& cell : cells)
    if (is_usable(cell)) result[cell.format][cell.tensor] = std::log(*cell.kl / cell.weight_error);
  return result;
}

// Mean over the measured formats but `format` and `also_without`.
std::optional<double> sensitivity_elsewhere(const Sensitivities& known, size_t tensor, size_t format,
                                            std::optional<size_t> also_without = {}) {
  double sum = 0;
  int n = 0;
  for (const auto& [other, tensors] : known) {
    if (other == format || other == also_without) continue;
    if (const auto found = tensors.find(tensor); found != tensors.end()) {
      sum += found->second;
      ++n;
    }
  }
  if (n == 0) return std::nullopt;
  return sum / n;
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<double> result;
  for (const double value : values) {
    double below = 0, same = 0;
    for (const double other : values) {
      below += other < value;
      same += other == value;
    }
    result.push_back(below + (same + 1) / 2);
  }
  return result;
}

std::optional<double> rank_correlation(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double middle = (static_cast<double>(x.size()) + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += square(x[i] - middle);
    yy += square(y[i] - middle);
  }
  if (!(xx > 0) || !(yy > 0)) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

// One format's measured cells against what the other formats say of their tensors.
struct HeldOut {
  std::vector<double> residuals;            // ln(measured / predicted), format factor 1
  std::vector<double> predicted, measured;  // log KL
  double mean_square() const {
    double sum = 0;
    for (const double residual : residuals) sum += square(residual);
    return sum / static_cast<double>(residuals.size());
  }
};

HeldOut hold_out(std::span<const PredictionCell> cells, const Sensitivities& known, size_t format,
                 std::optional<size_t> also_without = {}) {
  HeldOut result;
  for (const PredictionCell& cell : cells) {
    if (cell.format != format || !is_usable(cell)) continue;
    const auto sensitivity = sensitivity_elsewhere(known, cell.tensor, format, also_without);
    if (!sensitivity) continue;
    result.predicted.push_back(*sensitivity + std::log(cell.weight_error));
    result.measured.push_back(std::log(*cell.kl));
    result.residuals.push_back(result.measured.back() - result.predicted.back());
  }
  return result;
}

// What to add to a log prediction, and how far it may be off.
struct Correction {
  double shift = 0;
  double deviation = 0;
  double degrees = 0;
};

Correction from_own_cells(std::span<const double> residuals) {
  const double n = static_cast<double>(residuals.size());
  Correction correction;
  correction.shift = std::accumulate(residuals.begin(), residuals.end(), 0.0) / n;
  double squares = 0;
  for (const double residual : residuals) squares += square(residual - correction.shift);
  correction.degrees = n - 1;
  correction.deviation = std::sqrt(squares / (n - 1) * (1 + 1 / n));
  return correction;
}

// Cells of a format err together, so formats count, not cells.
std::optional<Correction> from_other_formats(std::span<const PredictionCell> cells,
                                             const Sensitivities& known, size_t format,
                                             std::optional<size_t> also_without = {}) {
  double squares = 0, formats = 0;
  for (const auto& [other, unused] : known) {
    if (other == format || other == also_without) continue;
    const HeldOut held = hold_out(cells, known, other, format);
    if (held.residuals.empty()) continue;
    squares += held.mean_square();
    ++formats;
  }
  if (formats < 2) return std::nullopt;
  return Correction{0, std::sqrt(squares / formats), formats - 1};
}

std::optional<Interval> log_interval(const Correction& correction, double confidence) {
  return student_interval(correction.shift, correction.deviation, correction.degrees, confidence);
}

// One cell at a time predicted from the rest of its format.
void judge_by_own_cells(const HeldOut& held, double confidence, FormatPrediction& result) {
  double squares = 0, inside = 0;
  std::vector<double> predicted;
  for (size_t i = 0; i < held.residuals.size(); ++i) {
    std::vector<double> rest = held.residuals;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    const Correction correction = from_own_cells(rest);
    const auto interval = log_interval(correction, confidence);
    squares += square(held.residuals[i] - correction.shift);
    inside += interval && interval->low <= held.residuals[i] && held.residuals[i] <= interval->high;
    predicted.push_back(held.predicted[i] + correction.shift);
  }
  const double n = static_cast<double>(held.residuals.size());
  result.held_out = held.residuals.size();
  result.log_error = std::sqrt(squares / n);
  result.coverage = inside / n;
  result.spearman = rank_correlation(predicted, held.measured);
}

// One format at a time predicted from the others; `format` itself has too few cells to say anything.
void judge_by_other_formats(std::span<const PredictionCell> cells, const Sensitivities& known, size_t format,
                            double confidence, FormatPrediction& result) {
  double squares = 0, n = 0, inside = 0, judged = 0, correlation = 0, correlated = 0;
  for (const auto& [other, unused] : known) {
    if (other == format) continue;
    const HeldOut held = hold_out(cells, known, other, format);
    if (held.residuals.empty()) continue;
    n += static_cast<double>(held.residuals.size());
    squares += held.mean_square() * static_cast<double>(held.residuals.size());
    if (const auto spearman = rank_correlation(held.predicted, held.measured)) {
      correlation += *spearman;
      ++correlated;
    }
    const auto correction = from_other_formats(cells, known, other, format);
    const auto interval = correction ? log_interval(*correction, confidence) : std::nullopt;
    if (!interval) continue;
    for (const double residual : held.residuals)
      inside += interval->low <= residual && residual <= interval->high;
    judged += static_cast<double>(held.residuals.size());
  }
  result.held_out = static_cast<size_t>(n);
  if (n > 0) result.log_error = std::sqrt(squares / n);
  if (judged > 0) result.coverage = inside / judged;
  if (correlated > 0) result.spearman = correlation / correlated;
}

}  // namespace

std::vector<FormatPrediction> predict_damage(std::span<const PredictionCell> cells, double confidence) {
  const Sensitivities known = measured_sensitivities(cells);
  std::set<size_t> formats;
  for (const PredictionCell& cell : cells)
    if (!cell.kl) formats.insert(cell.format);
  std::vector<FormatPrediction> predictions;
  for (const size_t format : formats) {
    FormatPrediction result;
    result.format = format;
    const HeldOut held = hold_out(cells, known, format);
    result.calibrated = held.residuals.size() >= kLeastCalibration;
    const auto correction =
        result.calibrated ? from_own_cells(held.residuals) : from_other_formats(cells, known, format);
    const auto interval = correction ? log_interval(*correction, confidence) : std::nullopt;
    if (!interval) continue;
    if (result.calibrated)
      judge_by_own_cells(held, confidence, result);
    else
      judge_by_other_formats(cells, known, format, confidence, result);
    for (size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].format != format || cells[i].kl || !(cells[i].weight_error > 0)) continue;
      const auto sensitivity = sensitivity_elsewhere(known, cells[i].tensor, format);
      if (!sensitivity) continue;
      const double plain = *sensitivity + std::log(cells[i].weight_error);
      result.cells.push_back({i,
                              std::exp(plain + correction->shift),
                              {std::exp(plain + interval->low), std::exp(plain + interval->high)}});
    }
    if (!result.cells.empty()) predictions.push_back(std::move(result));
  }
  return predictions;
}

}  // namespace fqlab
