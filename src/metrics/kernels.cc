// The loops over one row of logits.
#include "metrics/kernels.h"

#include <algorithm>
#include <cmath>

namespace fqlab {

RowMaximum row_maximum(const float* logits, size_t n) {
  const float* top = std::max_element(logits, logits + n);
  return {*top, static_cast<int32_t>(top - logits)};
}

double sum_of_exponentials(const float* logits, size_t n, double shift) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::exp(double{logits[i]} - shift);
  return sum;
}

PairSums pair_sums(const float* a, const float* b, size_t n, double log_sum_exp_a, double centre) {
  PairSums sums;
  sums.maximum_b = row_maximum(b, n);
  sums.largest_d = -INFINITY;
  for (size_t i = 0; i < n; ++i) {
    const double p = std::exp(double{a[i]} - log_sum_exp_a);
    const double d = (double{b[i]} - double{a[i]}) - centre;
    sums.mean += p * d;
    sums.excess += p * (std::abs(d) < 1e-3 ? d * d * (0.5 + d * (1.0 / 6 + d * (1.0 / 24 + d / 120)))
                                           : std::expm1(d) - d);
    sums.largest_d = std::max(sums.largest_d, d);
  }
  return sums;
}

}  // namespace fqlab
