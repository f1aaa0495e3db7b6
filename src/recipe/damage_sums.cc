// Sums of squared distances between weights and their fake-quantized values.
#include <array>
#include <cmath>
#include <limits>

#include "fqlab/weight_damage.h"

namespace fqlab {
namespace {

// Value i adds to lane i % 8, on every machine: vectors of any width up to eight doubles give the same bits.
constexpr size_t kLanes = 8;
using Lanes = std::array<double, kLanes>;

double sum_of(const Lanes& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

double largest_of(const Lanes& lanes) {
  double largest = 0;
  for (const double lane : lanes) largest = std::max(largest, lane);
  return largest;
}

struct Sums {
  Lanes sum = {}, weighted = {}, largest = {};
};

template <bool kWeighted, class Square>
void add_squares(Sums& sums, size_t size, const float* weights, const Square& square) {
  Lanes sum = sums.sum, weighted = sums.weighted, largest = sums.largest;
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double squared = square(i + lane);
      sum[lane] += squared;
      largest[lane] = largest[lane] > squared ? largest[lane] : squared;
      if constexpr (kWeighted) weighted[lane] += squared * static_cast<double>(weights[i + lane]);
    }
  for (; i < size; ++i) {
    const double squared = square(i);
    sum[i % kLanes] += squared;
    largest[i % kLanes] = largest[i % kLanes] > squared ? largest[i % kLanes] : squared;
    if constexpr (kWeighted) weighted[i % kLanes] += squared * static_cast<double>(weights[i]);
  }
  sums = {sum, weighted, largest};
}

/// Sums square(i) over rows; `make` gives the squares of the row that begins at an offset.
template <class Make>
Sums add_rows(size_t size, uint64_t columns, std::span<const float> importance, const Make& make) {
  Sums sums;
  if (importance.empty()) {
    add_squares<false>(sums, size, nullptr, make(0));
    return sums;
  }
  for (size_t row = 0; row < size; row += columns) add_squares<true>(sums, columns, importance.data(), make(row));
  return sums;
}

bool finite(const Sums& sums) { return std::isfinite(sum_of(sums.sum)); }

double squared(float x) { return static_cast<double>(x) * static_cast<double>(x); }

double squared_distance(float x, float q) {
  const double distance = static_cast<double>(q) - static_cast<double>(x);
  return distance * distance;
}

double careful_distance(float x, float q) {
  if (!std::isfinite(x)) return 0;
  return std::isnan(q) ? std::numeric_limits<double>::infinity() : squared_distance(x, q);
}

}  // namespace

void DamageSums::add_original(std::span<const float> original, uint64_t columns, std::span<const float> importance) {
  const float* x = original.data();
  Sums sums = add_rows(original.size(), columns, importance,
                       [x](size_t row) { return [at = x + row](size_t i) { return squared(at[i]); }; });
  if (!finite(sums))
    sums = add_rows(original.size(), columns, importance, [x](size_t row) {
      return [at = x + row](size_t i) { return std::isfinite(at[i]) ? squared(at[i]) : 0; };
    });
  energy += sum_of(sums.sum);
  weighted_energy += sum_of(sums.weighted);
  if (!importance.empty()) weighted_values += original.size();
}

void DamageSums::add_error(std::span<const float> original, std::span<const float> quantized, uint64_t columns,
                           std::span<const float> importance) {
  const float *x = original.data(), *q = quantized.data();
  Sums sums = add_rows(original.size(), columns, importance, [x, q](size_t row) {
    return [x = x + row, q = q + row](size_t i) { return squared_distance(x[i], q[i]); };
  });
  if (!finite(sums))
    sums = add_rows(original.size(), columns, importance, [x, q](size_t row) {
      return [x = x + row, q = q + row](size_t i) { return careful_distance(x[i], q[i]); };
    });
  error += sum_of(sums.sum);
  weighted_error += sum_of(sums.weighted);
  largest_error = std::max(largest_error, largest_of(sums.largest));
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
