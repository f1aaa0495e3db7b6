// One product of the weights with the sums of all trials gives all replicates.
#include "fqlab/bootstrap.h"

#include <Eigen/Core>
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "base/random.h"

namespace fqlab {
namespace {

using Matrix = Eigen::MatrixXd;

/// Mean ranks, 1 for the largest value.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = 0.5 * static_cast<double>(begin + 1 + end);
    for (; begin < end; ++begin) ranks[order[begin]] = shared;
  }
  return ranks;
}

}  // namespace

ClusterBootstrap::ClusterBootstrap(int clusters, int replicates, uint64_t seed)
    : clusters_(clusters), replicates_(replicates) {
  assert(clusters > 0 && replicates > 0);
  weights_.assign(static_cast<size_t>(clusters) * static_cast<size_t>(replicates), 0);
  Random random(seed);
  for (size_t b = 0; b < static_cast<size_t>(replicates); ++b)
    for (int draw = 0; draw < clusters; ++draw)
      weights_[random.below(static_cast<uint64_t>(clusters)) * static_cast<size_t>(replicates) + b] += 1;
}

double ClusterBootstrap::weight(int replicate, int cluster) const {
  return weights_[static_cast<size_t>(cluster) * static_cast<size_t>(replicates_) +
                  static_cast<size_t>(replicate)];
}

std::vector<std::vector<double>> ClusterBootstrap::means(std::span<const TrialSums> trials) const {
  const auto count = static_cast<Eigen::Index>(trials.size());
  Matrix sums(clusters_, count), sizes(clusters_, count);
  for (Eigen::Index t = 0; t < count; ++t) {
    const TrialSums& trial = trials[static_cast<size_t>(t)];
    assert(trial.size() == static_cast<size_t>(clusters_));
    for (Eigen::Index g = 0; g < clusters_; ++g) {
      sums(g, t) = trial[static_cast<size_t>(g)].sum;
      sizes(g, t) = static_cast<double>(trial[static_cast<size_t>(g)].n);
    }
  }
  const Eigen::Map<const Matrix> weights(weights_.data(), replicates_, clusters_);
  const Matrix drawn_sums = weights * sums, drawn_sizes = weights * sizes;
  std::vector<std::vector<double>> result(trials.size());
  for (Eigen::Index t = 0; t < count; ++t) {
    std::vector<double>& replicates = result[static_cast<size_t>(t)];
    replicates.resize(static_cast<size_t>(replicates_));
    const double own_mean = sums.col(t).sum() / std::max(sizes.col(t).sum(), 1.0);
    for (Eigen::Index b = 0; b < replicates_; ++b)
      replicates[static_cast<size_t>(b)] =
          drawn_sizes(b, t) > 0 ? drawn_sums(b, t) / drawn_sizes(b, t) : own_mean;
  }
  return result;
}

std::vector<double> ClusterBootstrap::means(std::span<const ClusterSum> trial) const {
  const std::vector<TrialSums> one = {TrialSums(trial.begin(), trial.end())};
  return means(one).front();
}

Interval percentile_interval(std::vector<double> replicates, double confidence) {
  const double low = quantile(replicates, 0.5 - confidence / 2);
  return {low, quantile(replicates, 0.5 + confidence / 2)};
}

std::vector<Rank> rank_trials(const ClusterBootstrap& bootstrap, std::span<const TrialSums> trials, int top,
                              double confidence) {
  std::vector<double> estimates;
  for (const TrialSums& trial : trials) estimates.push_back(clustered_mean(trial).mean);
  const std::vector<std::vector<double>> means = bootstrap.means(trials);
  std::vector<std::vector<double>> ranks(trials.size());  // trial, replicate
  std::vector<double> replicate(trials.size());
  for (size_t b = 0; b < static_cast<size_t>(bootstrap.replicates()); ++b) {
    for (size_t t = 0; t < trials.size(); ++t) replicate[t] = means[t][b];
    const std::vector<double> drawn = ranks_of(replicate);
    for (size_t t = 0; t < trials.size(); ++t) ranks[t].push_back(drawn[t]);
  }
  const std::vector<double> own = ranks_of(estimates);
  std::vector<Rank> result(trials.size());
  for (size_t t = 0; t < trials.size(); ++t) {
    result[t].rank = own[t];
    const auto in_top =
        std::count_if(ranks[t].begin(), ranks[t].end(), [&](double rank) { return rank <= top; });
    result[t].probability_in_top = static_cast<double>(in_top) / bootstrap.replicates();
    result[t].interval = percentile_interval(std::move(ranks[t]), confidence);
  }
  return result;
}

Additivity additivity(const ClusterBootstrap& bootstrap, std::span<const TrialSums> singles,
                      const TrialSums& joint, double confidence) {
  Additivity result;
  for (const TrialSums& single : singles) result.sum_of_singles += clustered_mean(single).mean;
  result.joint = clustered_mean(joint).mean;
  if (result.joint == 0) return result;
  result.ratio = result.sum_of_singles / result.joint;
  if (bootstrap.clusters() < 2) return result;
  const std::vector<double> joints = bootstrap.means(std::span<const ClusterSum>(joint));
  std::vector<double> ratios(joints.size(), 0);
  for (const std::vector<double>& single : bootstrap.means(singles))
    for (size_t b = 0; b < ratios.size(); ++b) ratios[b] += single[b];
  for (size_t b = 0; b < ratios.size(); ++b) {
    if (joints[b] == 0) return result;  // a ratio without bound: no interval
    ratios[b] /= joints[b];
  }
  result.interval = percentile_interval(std::move(ratios), confidence);
  return result;
}

}  // namespace fqlab
