// Quantiles and tails of the distributions that the intervals and tests use, from Boost.Math.
#pragma once

namespace fqlab {

/// x with P(X <= x) = p for the standard normal, p in (0, 1).
double normal_quantile(double p);
/// The same for Student's t with `degrees` > 0 degrees of freedom, not necessarily whole.
double student_t_quantile(double p, double degrees);
double student_t_cdf(double x, double degrees);
/// P(X <= k) for k successes in n fair coin tosses, 0 <= k <= n.
double fair_coin_cdf(double k, double n);
/// P(X > x) for chi squared with one degree of freedom.
double chi_squared_tail(double x);

}  // namespace fqlab
