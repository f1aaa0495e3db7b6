// Sums of squared distances between weights and their fake-quantized values.
#include <algorithm>
#include <cmath>
#include <limits>

#include "fqlab/weight_damage.h"
#include "recipe/damage_kernels.h"

namespace fqlab {
namespace {

using damage_kernels::Lanes;
using damage_kernels::Squares;

double sum_of(const Lanes& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

double largest_of(const Lanes& lanes) {
  double largest = 0;
  for (const double lane : lanes) largest = std::max(largest, lane);
  return largest;
}

bool finite(const Squares& squares) { return std::isfinite(sum_of(squares.sum)); }

Squares add_rows(const float* x, const float* q, size_t size, uint64_t columns,
                 std::span<const float> importance) {
  Squares squares;
  if (importance.empty()) {
    damage_kernels::add_squares(x, q, nullptr, size, squares);
    return squares;
  }
  for (size_t row = 0; row < size; row += columns)
    damage_kernels::add_squares(x + row, q == nullptr ? q : q + row, importance.data(), columns, squares);
  return squares;
}

// The batches that hold NaN or Inf: those of the original count as 0, those of the result as infinite errors.
Squares add_carefully(std::span<const float> original, std::span<const float> quantized, uint64_t columns,
                      std::span<const float> importance) {
  std::vector<float> x(original.begin(), original.end()), q(quantized.begin(), quantized.end());
  for (size_t i = 0; i < x.size(); ++i) {
    const bool known = std::isfinite(x[i]);
    if (!known) x[i] = 0;
    if (q.empty()) continue;
    if (!known)
      q[i] = 0;
    else if (std::isnan(q[i]))
      q[i] = std::numeric_limits<float>::infinity();
  }
  return add_rows(x.data(), q.empty() ? nullptr : q.data(), x.size(), columns, importance);
}

}  // namespace

void DamageSums::add_original(std::span<const float> original, uint64_t columns,
                              std::span<const float> importance) {
  Squares squares = add_rows(original.data(), nullptr, original.size(), columns, importance);
  if (!finite(squares)) squares = add_carefully(original, {}, columns, importance);
  energy += sum_of(squares.sum);
  weighted_energy += sum_of(squares.weighted);
  if (!importance.empty()) weighted_values += original.size();
}

void DamageSums::add_error(std::span<const float> original, std::span<const float> quantized,
                           uint64_t columns, std::span<const float> importance) {
  Squares squares = add_rows(original.data(), quantized.data(), original.size(), columns, importance);
  if (!finite(squares)) squares = add_carefully(original, quantized, columns, importance);
  error += sum_of(squares.sum);
  const double weighted = sum_of(squares.weighted);  // NaN: an infinite error where the importance is 0
  weighted_error += std::isnan(weighted) ? std::numeric_limits<double>::infinity() : weighted;
  largest_error = std::max(largest_error, largest_of(squares.largest));
}

void DamageSums::merge(const DamageSums& other) {
  counts += other.counts;
  error += other.error;
  energy += other.energy;
  largest_error = std::max(largest_error, other.largest_error);
  weighted_error += other.weighted_error;
  weighted_energy += other.weighted_energy;
  weighted_values += other.weighted_values;
}

namespace {
double ratio(double error, double energy) {
  if (error == 0) return 0;
  return energy > 0 ? error / energy : std::numeric_limits<double>::infinity();
}
}  // namespace

double DamageSums::relative_mse() const { return ratio(error, energy); }

std::optional<double> DamageSums::weighted_relative_mse() const {
  if (weighted_values == 0) return std::nullopt;
  return ratio(weighted_error, weighted_energy);
}

std::optional<double> DamageSums::snr_db() const {
  if (error == 0) return std::nullopt;
  return -10 * std::log10(relative_mse());
}

double DamageSums::max_abs_error() const { return std::sqrt(largest_error); }

Distortion distortion(std::span<const float> original, std::span<const float> quantized) {
  DamageSums sums;
  sums.add_original(original, original.size(), {});
  sums.add_error(original, quantized, original.size(), {});
  return {sums.relative_mse(), sums.snr_db(), sums.max_abs_error()};
}

}  // namespace fqlab
