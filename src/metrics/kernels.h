// The loops over one row of logits. All sums are in double, in an order that does not depend on the
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fqlab {

/// The largest logit of a row and the smallest index that holds it.
struct RowMaximum {
  float value = 0;
  int32_t index = 0;
};
RowMaximum row_maximum(const float* logits, size_t n);

/// sum_i exp(logits[i] - shift), for shift at or above every logit.
double sum_of_exponentials(const float* logits, size_t n, double shift);

/// The sums behind KL(a || b), with p_i = exp(a_i - log_sum_exp_a) and d_i = (b_i - a_i) - centre.
struct PairSums {
  double mean = 0;       ///< M = sum p d
  double excess = 0;     ///< Q = sum p (e^d - 1 - d), if in_range
  bool in_range = true;  ///< neither |centre| nor, to 1e-4, any |d| is above kLargestD; undefined with NaN
  RowMaximum maximum_b;
};
/// Below it e^|d| stays in the range of double and away from where p is held, e^-700.
inline constexpr double kLargestD = 600;
PairSums pair_sums(const float* a, const float* b, size_t n, double log_sum_exp_a, double centre);

}  // namespace fqlab
