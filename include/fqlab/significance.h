// Tests and their sizes: p values, many of them at once, and how much more data would decide.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab {

/// P of a mean at least as far from `null`, two-sided, Student t with clusters - 1 degrees. Absent without a
/// standard error. 1 where mean and scatter are both 0 away from it.
std::optional<double> two_sided_p(const ClusteredMean& mean, double null = 0);

/// Two one-sided tests: p of "the true value is not inside (-margin, margin)". p < 0.05 is the same as a 90 %
/// interval inside the margins.
struct Equivalence {
  double p = 1;
  Interval interval90;
};
Equivalence equivalence_test(double estimate, double standard_error, double degrees, double margin);

/// Paired yes/no answers: do as many positions change from right to wrong as from wrong to right? Blind spot:
/// counts positions as independent, so p is too small where chunks are alike inside.
struct McNemar {
  uint64_t right_to_wrong = 0;
  uint64_t wrong_to_right = 0;
  double exact_p = 1;      ///< two-sided binomial
  double chi_squared = 0;  ///< (|b - c| - 1)^2 / (b + c), with the continuity correction
  double chi_squared_p = 1;
};
McNemar mcnemar(uint64_t right_to_wrong, uint64_t wrong_to_right);

/// Benjamini and Hochberg's adjusted p values, in the order given: calling those below q gives a false
/// discovery rate of at most q for independent or positively dependent tests.
std::vector<double> benjamini_hochberg(std::span<const double> p_values);

/// How many more clusters of the same kind would give a verdict other than inconclusive with probability
/// `chance`, seen from here: the future mean is spread around the present one as its standard error says. 0:
/// decided already. Absent without a standard error, or where more than `most` would be needed.
std::optional<int64_t> more_clusters_to_decide(const ClusteredMean& mean, double margin, double chance = 0.9,
                                               int64_t most = 1'000'000);

/// The least number of clusters more with which a fraction's 90 % interval decides, if the fraction and the
/// design effect stay. 0: it does already. Absent with fewer than 2 clusters, or where more than `most` would
/// be needed. Blind spot: knows nothing of where the fraction may move; ask the function above of its mean
/// too.
std::optional<int64_t> more_clusters_for_fraction(const Agreement& fraction, double margin,
                                                  int64_t most = 1'000'000);

}  // namespace fqlab
