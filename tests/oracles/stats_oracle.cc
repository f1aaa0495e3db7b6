// Answers questions of check_stats.py with fqlab's own functions: a JSON list of questions on stdin, a list
// of answers on stdout. Development only.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "fqlab/bootstrap.h"
#include "fqlab/significance.h"
#include "fqlab/speed.h"
#include "fqlab/stats.h"

namespace {

using fqlab::ClusterSum;
using nlohmann::json;

std::vector<ClusterSum> clusters_of(const json& question) {
  std::vector<ClusterSum> clusters;
  const auto values = question.at("values").get<std::vector<double>>();
  const auto cluster_of = question.at("cluster_of").get<std::vector<size_t>>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (clusters.size() <= cluster_of[i]) clusters.resize(cluster_of[i] + 1);
    clusters[cluster_of[i]].sum += values[i];
    ++clusters[cluster_of[i]].n;
  }
  return clusters;
}

json answer(const json& question) {
  const std::string kind = question.at("kind");
  if (kind == "clustered") {
    const auto mean = fqlab::clustered_mean(clusters_of(question), question.at("confidence"));
    const auto effect = fqlab::design_effect(question.at("values").get<std::vector<double>>(),
                                             question.at("cluster_of").get<std::vector<int>>());
    return {mean.mean,           *mean.standard_error,      mean.interval->low,
            mean.interval->high, *fqlab::two_sided_p(mean), *effect};
  }
  if (kind == "wilson") {
    const auto interval =
        fqlab::wilson_interval(question.at("fraction"), question.at("n"), question.at("confidence"));
    return {interval.low, interval.high};
  }
  if (kind == "mcnemar") {
    const auto test = fqlab::mcnemar(question.at("b"), question.at("c"));
    return {test.exact_p, test.chi_squared, test.chi_squared_p};
  }
  if (kind == "tost") {
    const auto test = fqlab::equivalence_test(question.at("estimate"), question.at("standard_error"),
                                              question.at("degrees"), question.at("margin"));
    return {test.p, test.interval90.low, test.interval90.high};
  }
  if (kind == "bh") return fqlab::benjamini_hochberg(question.at("p").get<std::vector<double>>());
  if (kind == "quantile") {
    auto values = question.at("values").get<std::vector<double>>();
    return {fqlab::quantile(values, question.at("q"))};
  }
  if (kind == "ratio") {
    std::vector<fqlab::RatioSum> sums;
    for (const json& pair : question.at("pairs")) sums.push_back({pair.at(0), pair.at(1)});
    const auto ratio = fqlab::clustered_ratio(sums);
    return {ratio.ratio, *ratio.standard_error};
  }
  throw std::invalid_argument("unknown question: " + kind);
}

}  // namespace

int main() {
  try {
    json answers = json::array();
    for (const json& question : json::parse(std::cin)) answers.push_back(answer(question));
    std::cout << answers.dump() << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stats_oracle: %s\n", error.what());
    return 1;
  }
}
