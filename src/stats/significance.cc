// Tests and their sizes.
#include "fqlab/significance.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "stats/distributions.h"

namespace fqlab {

std::optional<double> two_sided_p(const ClusteredMean& mean, double null) {
  if (!mean.standard_error) return std::nullopt;
  const double distance = std::abs(mean.mean - null);
  if (*mean.standard_error == 0) return distance == 0 ? 1 : 0;
  return 2 * student_t_cdf(-distance / *mean.standard_error, mean.degrees);
}

Equivalence equivalence_test(double estimate, double standard_error, double degrees, double margin) {
  Equivalence result;
  if (standard_error == 0) {
    result.p = std::abs(estimate) < margin ? 0 : 1;
    result.interval90 = {estimate, estimate};
    return result;
  }
  const double above_low = student_t_cdf(-(estimate + margin) / standard_error, degrees);
  const double below_high = student_t_cdf((estimate - margin) / standard_error, degrees);
  result.p = std::max(above_low, below_high);
  if (const auto interval = student_interval(estimate, standard_error, degrees, 0.9))
    result.interval90 = *interval;
  return result;
}

McNemar mcnemar(uint64_t right_to_wrong, uint64_t wrong_to_right) {
  McNemar result;
  result.right_to_wrong = right_to_wrong;
  result.wrong_to_right = wrong_to_right;
  const double n = static_cast<double>(right_to_wrong + wrong_to_right);
  if (n == 0) return result;
  const double fewer = static_cast<double>(std::min(right_to_wrong, wrong_to_right));
  result.exact_p = std::min(1.0, 2 * fair_coin_cdf(fewer, n));
  const double distance = n - 2 * fewer - 1;
  result.chi_squared = distance * distance / n;
  result.chi_squared_p = chi_squared_tail(result.chi_squared);
  return result;
}

std::vector<double> benjamini_hochberg(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double smallest = 1;
  for (size_t rank = order.size(); rank > 0; --rank) {
    const size_t i = order[rank - 1];
    // The factor first: it is exactly 1 for the largest p.
    const double factor = static_cast<double>(order.size()) / static_cast<double>(rank);
    smallest = std::min(smallest, p_values[i] * factor);
    adjusted[i] = smallest;
  }
  return adjusted;
}

namespace {

/// Degrees of freedom of `now` clusters after `more` of them: of several corpora in proportion, since each of
/// them grows.
double grown(double degrees, double now, double more) { return degrees * (now + more - 1) / (now - 1); }

/// The least whole number from 1 to `most` for which `holds`, which then holds for all larger ones.
std::optional<int64_t> least_that(const std::function<bool(int64_t)>& holds, int64_t most) {
  int64_t high = 1;
  while (high < most && !holds(high)) high *= 2;
  high = std::min(high, most);
  if (!holds(high)) return std::nullopt;
  int64_t low = high / 2;  // does not hold, or 0
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (holds(middle) ? high : low) = middle;
  }
  return high;
}

/// Probability that the 90 % interval after `more` further clusters lies inside or outside the margins.
double chance_to_decide(const ClusteredMean& mean, double margin, double more) {
  const double now = mean.clusters, then = now + more;
  const double half_width =
      student_t_quantile(0.95, grown(mean.degrees, now, more)) * *mean.standard_error * std::sqrt(now / then);
  // The present clusters stay part of the mean, so that it can only move by the share of the new ones.
  const double spread = *mean.standard_error * std::sqrt(more / then);
  const auto below = [&](double x) { return student_t_cdf((x - mean.mean) / spread, mean.degrees); };
  const double inside = margin > half_width ? below(margin - half_width) - below(half_width - margin) : 0;
  return inside + (1 - below(margin + half_width)) + below(-margin - half_width);
}

}  // namespace

std::optional<int64_t> more_clusters_to_decide(const ClusteredMean& mean, double margin, double chance,
                                               int64_t most) {
  if (!mean.standard_error) return std::nullopt;
  const auto interval = student_interval(mean.mean, mean.standard_error, mean.degrees, 0.9);
  if (judge(*interval, margin) != Verdict::kInconclusive) return 0;
  if (!(*mean.standard_error > 0)) return std::nullopt;
  const auto enough = [&](int64_t more) {
    return chance_to_decide(mean, margin, static_cast<double>(more)) >= chance;
  };
  return least_that(enough, most);
}

std::optional<int64_t> more_clusters_for_fraction(const Agreement& fraction, double margin, int64_t most) {
  if (!fraction.interval) return std::nullopt;
  const double n = static_cast<double>(fraction.n), now = fraction.clusters;
  const auto decides = [&](int64_t more) {
    const double growth = (now + static_cast<double>(more)) / now;
    const Interval then =
        clustered_wilson_interval(fraction.fraction, n * growth, fraction.effective_n * growth,
                                  grown(fraction.degrees, now, static_cast<double>(more)), 0.9);
    return judge(then, margin) != Verdict::kInconclusive;
  };
  if (decides(0)) return 0;
  return least_that(decides, most);
}

}  // namespace fqlab
