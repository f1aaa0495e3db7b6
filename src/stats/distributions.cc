// Quantiles and tails from Boost.Math.
#include "stats/distributions.h"

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>

namespace fqlab {
namespace {

// NaN and infinity in, NaN or a limit out: numbers of a broken model must not throw.
using Policy = boost::math::policies::policy<
    boost::math::policies::domain_error<boost::math::policies::ignore_error>,
    boost::math::policies::pole_error<boost::math::policies::ignore_error>,
    boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::evaluation_error<boost::math::policies::ignore_error>>;
using Normal = boost::math::normal_distribution<double, Policy>;
using StudentT = boost::math::students_t_distribution<double, Policy>;
using ChiSquared = boost::math::chi_squared_distribution<double, Policy>;

}  // namespace

double normal_quantile(double p) { return boost::math::quantile(Normal(), p); }
double student_t_quantile(double p, double degrees) { return boost::math::quantile(StudentT(degrees), p); }
double student_t_cdf(double x, double degrees) { return boost::math::cdf(StudentT(degrees), x); }
double fair_coin_cdf(double k, double n) {
  return k >= n ? 1 : boost::math::ibeta(n - k, k + 1, 0.5, Policy());
}
double chi_squared_tail(double x) { return boost::math::cdf(boost::math::complement(ChiSquared(1), x)); }

}  // namespace fqlab
