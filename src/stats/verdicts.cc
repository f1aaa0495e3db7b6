// Intervals of fractions, and verdicts.
#include <algorithm>
#include <cmath>

#include "fqlab/stats.h"
#include "stats/distributions.h"
#include "stats/square.h"

namespace fqlab {
namespace {

/// Wilson's, with the quantile z.
Interval score_interval(double fraction, double n, double z) {
  if (!(n > 0)) return {0, 1};
  const double scale = 1 / (1 + z * z / n);
  const double centre = scale * (fraction + z * z / (2 * n));
  const double half_width = scale * z * std::sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n));
  // At 0 and 1 the formula gives the end itself but for rounding.
  return {fraction <= 0 ? 0 : centre - half_width, fraction >= 1 ? 1 : centre + half_width};
}

}  // namespace

Interval wilson_interval(double fraction, double n, double confidence) {
  return score_interval(fraction, n, normal_quantile(0.5 + confidence / 2));
}

Interval clustered_wilson_interval(double fraction, double n, double effective_n, double degrees,
                                   double confidence) {
  const double p = 0.5 + confidence / 2;
  return score_interval(fraction, effective_n,
                        effective_n < n ? student_t_quantile(p, degrees) : normal_quantile(p));
}

Agreement agreement(std::span<const ClusterSum> clusters, double confidence) {
  const ClusteredMean mean = clustered_mean(clusters);
  Agreement result;
  result.fraction = mean.mean;
  result.n = mean.n;
  result.clusters = mean.clusters;
  result.degrees = mean.degrees;
  const double n = static_cast<double>(mean.n);
  result.effective_n = n;
  if (!mean.standard_error) return result;
  // For zeros and ones the variance between positions follows from the fraction.
  const double independent = mean.mean * (1 - mean.mean) / (n - 1);
  if (independent > 0) {
    result.design_effect = square(*mean.standard_error) / independent;
    result.effective_n = n / std::max(*result.design_effect, 1.0);
  }
  result.interval =
      clustered_wilson_interval(result.fraction, n, result.effective_n, result.degrees, confidence);
  return result;
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kIdentical:
      return "identical";
    case Verdict::kVacuous:
      return "vacuous";
    case Verdict::kEquivalent:
      return "equivalent";
    case Verdict::kDifferent:
      return "different";
    case Verdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

Verdict judge(const Interval& interval90, double margin) {
  if (interval90.low > -margin && interval90.high < margin) return Verdict::kEquivalent;
  if (interval90.low > margin || interval90.high < -margin) return Verdict::kDifferent;
  return Verdict::kInconclusive;
}

}  // namespace fqlab
