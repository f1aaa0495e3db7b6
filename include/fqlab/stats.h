// From per-position numbers to intervals and verdicts. Pure functions; the formulas are those of
// docs/statistics.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "fqlab/result.h"

namespace fqlab {

struct Interval {
  double low = 0;
  double high = 0;
};

/// Sum and number of positions of one cluster.
struct ClusterSum {
  double sum = 0;
  uint64_t n = 0;
};

/// With fewer clusters a report says that the interval is unreliable: the scatter between clusters is hardly
/// known.
inline constexpr int kReliableClusters = 10;

/// A mean over clustered positions.
struct ClusteredMean {
  double mean = 0;
  uint64_t n = 0;                        ///< positions
  int clusters = 0;                      ///< clusters with at least one position
  std::optional<double> standard_error;  ///< absent with fewer than 2 clusters
  double degrees = 0;                ///< of freedom of Student's t: clusters - 1; of several corpora Welch's
  std::optional<Interval> interval;  ///< Student t; absent with fewer than 2 clusters
};

/// SE^2 = G/(G-1) * sum_g (sum_{i in g}(x_i - mean))^2 / n^2, t quantile with G-1 degrees of freedom.
ClusteredMean clustered_mean(std::span<const ClusterSum> clusters, double confidence = 0.95);

/// estimate +- t quantile * standard_error; absent without a standard error or degrees of freedom.
std::optional<Interval> student_interval(double estimate, std::optional<double> standard_error,
                                         double degrees, double confidence = 0.95);

/// Sums of one cluster whose ratio is asked for.
struct RatioSum {
  double numerator = 0;
  double denominator = 0;
};

/// A ratio of two sums over clusters.
struct ClusteredRatio {
  double ratio = 0;
  int clusters = 0;
  std::optional<double> standard_error;  ///< absent with fewer than 2 clusters or a denominator of 0
  std::optional<Interval> interval;
};

/// R = sum x / sum y; SE^2 = G/(G-1) * sum_g (x_g - R y_g)^2 / (sum y)^2, first order in the deviations.
ClusteredRatio clustered_ratio(std::span<const RatioSum> clusters, double confidence = 0.95);

/// The mean of several corpora's means, each with the same weight; SE^2 = sum SE^2 / K^2, degrees of freedom
/// by Welch and Satterthwaite. Blind spot: says nothing about corpora that were not measured.
ClusteredMean macro_average(std::span<const ClusteredMean> corpora, double confidence = 0.95);

/// Variance of the clustered mean over that of n independent positions with the same values; `values` and
/// `cluster_of` run in parallel. 1: clustering costs nothing. Absent where the values do not vary or there is
/// one cluster.
std::optional<double> design_effect(std::span<const double> values, std::span<const int> cluster_of);

/// Variance of the mean of independent positions with these values; absent with fewer than 2 of them.
std::optional<double> independent_variance(std::span<const double> values);

/// Empirical quantile, q in [0, 1], linear between order statistics (type 7). Sorts `values`.
double quantile(std::vector<double>& values, double q);

/// Wilson score interval of a fraction, n may be an effective number.
Interval wilson_interval(double fraction, double n, double confidence = 0.95);

/// The same for a fraction over clusters: `n` positions, of which `effective_n` count as independent. Where
/// they are fewer, their number comes from the scatter of few clusters, and Student's quantile with `degrees`
/// stands for the normal one; where they are not, the variance follows from the fraction.
Interval clustered_wilson_interval(double fraction, double n, double effective_n, double degrees,
                                   double confidence = 0.95);

/// A fraction of positions, such as those with the same top token.
struct Agreement {
  double fraction = 0;
  uint64_t n = 0;
  int clusters = 0;
  std::optional<double>
      design_effect;                 ///< absent where all positions agree, none does, or there is one cluster
  double effective_n = 0;            ///< n / design effect, never above n; n where there is no design effect
  double degrees = 0;                ///< of freedom of the clusters' scatter
  std::optional<Interval> interval;  ///< clustered_wilson_interval(); absent with fewer than 2 clusters
};

/// `clusters` hold the number of positions that agree and the number of positions. Blind spot: where every
/// position agrees the interval counts positions as independent.
Agreement agreement(std::span<const ClusterSum> clusters, double confidence = 0.95);

enum class Verdict { kIdentical, kVacuous, kEquivalent, kDifferent, kInconclusive };
std::string_view name(Verdict verdict);

/// Margins within which two models count as the same. The two log ratios are ln(1 + r) of a ratio r.
struct Margins {
  double log_perplexity_ratio = 0.0049875415110390735;  ///< |ln(PPL_V/PPL_C)|: 0.5 %
  double kl_nats = 0.01;
  double top_flips = 0.01;                        ///< 1 - fraction of same top tokens
  double speed_log_ratio = 0.019802627296179712;  ///< 2 %
};

/// "ppl=0.5%,kl=0.01,top=1%,speed=2%": any of them, in any order; what is not named keeps its default.
/// Numbers are above 0, with or without per cent. Fails with kUsage on everything else.
Result<Margins> parse_margins(std::string_view text);

/// TOST: equivalent where the 90 % interval lies inside [-margin, margin], different where it lies outside
/// altogether, else inconclusive. For one-sided quantities (KL, flips) low is above or at 0 and only the
/// upper margin counts.
Verdict judge(const Interval& interval90, double margin);

/// Resolved: the lower 95 % limit of effect minus floor is above 0. `effect` holds the effect's clusters;
/// `floors` one entry a control seed with the clusters that both have in common, in the same order as the
/// first of `effect` and with the same n. Only the common clusters count. SE^2 = clustered SE^2 of (effect -
/// mean of the seeds) + variance of the seeds' means / seeds, degrees of freedom by Welch and Satterthwaite.
/// Blind spot: with one seed the interval knows nothing of the variance between seeds; without a floor, or
/// with one cluster, nothing is ever resolved.
struct ResolvedRule {
  bool resolved = false;
  double difference = 0;             ///< effect minus floor, on the common clusters
  std::optional<Interval> interval;  ///< 95 %; absent with fewer than 2 common clusters or no floor
  int clusters = 0;                  ///< common clusters
  int seeds = 0;
};
ResolvedRule resolve_effect(std::span<const ClusterSum> effect,
                            std::span<const std::vector<ClusterSum>> floors);

}  // namespace fqlab
