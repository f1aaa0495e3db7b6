// Intervals of fractions, and verdicts.
#include <algorithm>
#include <cmath>

#include "fqlab/stats.h"
#include "stats/distributions.h"

namespace fqlab {

Interval wilson_interval(double fraction, double n, double confidence) {
  if (!(n > 0)) return {0, 1};
  const double z = normal_quantile(0.5 + confidence / 2);
  const double scale = 1 / (1 + z * z / n);
  const double centre = scale * (fraction + z * z / (2 * n));
  const double half_width = scale * z * std::sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n));
  // At 0 and 1 the formula gives the end itself but for rounding.
  return {fraction <= 0 ? 0 : centre - half_width, fraction >= 1 ? 1 : centre + half_width};
}

Agreement agreement(std::span<const ClusterSum> clusters, double confidence) {
  const ClusteredMean mean = clustered_mean(clusters);
  Agreement result;
  result.fraction = mean.mean;
  result.n = mean.n;
  result.clusters = mean.clusters;
  const double n = static_cast<double>(mean.n);
  result.effective_n = n;
  // For zeros and ones the variance between positions follows from the fraction.
  const double independent = mean.n > 1 ? mean.mean * (1 - mean.mean) / (n - 1) : 0;
  if (mean.standard_error && independent > 0) {
    result.design_effect = *mean.standard_error * *mean.standard_error / independent;
    result.effective_n = n / std::max(*result.design_effect, 1.0);
  }
  result.interval = wilson_interval(result.fraction, result.effective_n, confidence);
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
