// The numbers of llama-perplexity's --kl-divergence table.
#include "fqlab/kld_table.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace fqlab {
namespace {

using Values = std::vector<double>;

template <class Field>
Values collect(std::span<const PairedPosition> positions, const Field& field) {
  Values values;
  values.reserve(positions.size());
  for (const PairedPosition& position : positions) values.push_back(field(position));
  return values;
}

double mean_of(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// Covariance of the two means; from centred values, where llama-perplexity subtracts squares of sums.
double covariance_of_means(const Values& a, double mean_a, const Values& b, double mean_b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  const double n = static_cast<double>(a.size());
  return n > 1 ? sum / n / (n - 1) : 0;
}

MeanAndError mean_and_error(const Values& values) {
  const double mean = mean_of(values);
  return {mean, std::sqrt(covariance_of_means(values, mean, values, mean))};
}

template <size_t kCount>
std::array<double, kCount> quantiles(Values values, const std::array<double, kCount>& levels) {
  std::sort(values.begin(), values.end());
  std::array<double, kCount> result;
  for (size_t i = 0; i < kCount; ++i) {
    const double at = levels[i] * static_cast<double>(values.size() - 1);
    const size_t below = static_cast<size_t>(at);
    const size_t above = std::min(below + 1, values.size() - 1);
    result[i] = values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
  }
  return result;
}

}  // namespace

KldTable kld_table(std::span<const PairedPosition> positions) {
  KldTable table;
  table.positions = positions.size();
  if (positions.empty()) return table;

  const Values nll_q = collect(positions, [](const PairedPosition& p) { return p.nll_variant_nats; });
  const Values nll_base = collect(positions, [](const PairedPosition& p) { return p.nll_original_nats; });
  const MeanAndError log_q = mean_and_error(nll_q), log_base = mean_and_error(nll_base);
  table.ppl_q.mean = std::exp(log_q.mean);
  table.ppl_q.error = table.ppl_q.mean * log_q.error;
  table.ppl_base.mean = std::exp(log_base.mean);
  table.ppl_base.error = table.ppl_base.mean * log_base.error;
  const double covariance = covariance_of_means(nll_q, log_q.mean, nll_base, log_base.mean);
  const double errors = log_q.error * log_base.error;
  table.correlation = errors > 0 ? covariance / errors : 0;
  table.log_ratio = mean_and_error(
      collect(positions, [](const auto& p) { return p.nll_variant_nats - p.nll_original_nats; }));
  table.ratio.mean = std::exp(table.log_ratio.mean);
  table.ratio.error = table.ratio.mean * table.log_ratio.error;
  table.difference.mean = table.ppl_q.mean - table.ppl_base.mean;
  // PPL(Q) - PPL(base) to first order in the two mean NLLs.
  const auto linear = [&](const PairedPosition& p) {
    return table.ppl_q.mean * p.nll_variant_nats - table.ppl_base.mean * p.nll_original_nats;
  };
  table.difference.error = mean_and_error(collect(positions, linear)).error;

  const Values kld = collect(positions, [](const PairedPosition& p) { return p.kl_nats; });
  table.kld = mean_and_error(kld);
  table.kld_quantiles = quantiles(kld, kKldLevels);

  const Values delta_p = collect(positions, [](const PairedPosition& p) { return p.delta_p; });
  table.delta_p = mean_and_error(delta_p);
  table.delta_p_quantiles = quantiles(delta_p, kDeltaPLevels);
  const MeanAndError square =
      mean_and_error(collect(positions, [](const PairedPosition& p) { return p.delta_p * p.delta_p; }));
  table.rms_delta_p.mean = std::sqrt(square.mean);
  table.rms_delta_p.error = square.mean > 0 ? 0.5 / table.rms_delta_p.mean * square.error : 0;

  table.same_top_p =
      mean_and_error(collect(positions, [](const PairedPosition& p) { return p.same_top ? 1.0 : 0.0; }));
  return table;
}

}  // namespace fqlab
