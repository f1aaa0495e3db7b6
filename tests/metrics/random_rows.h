// Rows of logits for tests, and the slow exact sums that the metrics are held against.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/random.h"

namespace fqlab {

inline std::vector<float> random_row(size_t n, uint64_t seed, double standard_deviation) {
  Random random(seed);
  std::vector<float> row(n);
  for (float& x : row) x = static_cast<float>(standard_deviation * random.normal());
  return row;
}

/// The row plus normal noise.
inline std::vector<float> disturbed(std::vector<float> row, uint64_t seed, double standard_deviation) {
  Random random(seed);
  for (float& x : row) x = static_cast<float>(x + standard_deviation * random.normal());
  return row;
}

inline long double exact_log_sum_exp(std::span<const float> row) {
  const long double maximum = *std::max_element(row.begin(), row.end());
  long double sum = 0;
  for (const float x : row) sum += std::exp(x - maximum);
  return maximum + std::log(sum);
}

/// KL(a || b) in two passes: with d centred on its p-mean, log1p(M + Q) - M.
inline long double exact_kl(std::span<const float> a, std::span<const float> b) {
  const long double log_sum_a = exact_log_sum_exp(a), log_sum_b = exact_log_sum_exp(b);
  long double mean = 0;
  for (size_t i = 0; i < a.size(); ++i)
    mean += std::exp(a[i] - log_sum_a) * (static_cast<long double>(b[i]) - a[i]);
  long double excess = 0, rest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const long double p = std::exp(a[i] - log_sum_a), d = static_cast<long double>(b[i]) - a[i] - mean;
    const long double e =
        std::abs(d) < 1e-3L
            ? d * d * (0.5L + d * (1 / 6.0L + d * (1 / 24.0L + d * (1 / 120.0L + d / 720.0L))))
            : std::expm1(d) - d;
    excess += p * e;
    rest += p * d;
  }
  if (excess < 1) return std::log1p(rest + excess) - rest;
  return log_sum_b - log_sum_a - mean;
}

}  // namespace fqlab
