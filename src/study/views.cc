#include "study/views.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/utf8.h"
#include "study/token_class.h"

namespace fqlab {
namespace {

/// KL divergence to order by: a NaN, which only a broken model gives, comes first.
double size_of(const PairedPosition& position) {
  return std::isnan(position.kl_nats) ? HUGE_VAL : position.kl_nats;
}

}  // namespace

KlHistogram histogram_of(std::span<const PairedPosition> pass) {
  constexpr int kBins = 72;  // 18 decades
  KlHistogram histogram;
  histogram.counts.resize(kBins);
  for (const PairedPosition& position : pass) {
    if (!(position.kl_nats > 0)) {
      ++histogram.zeros;
      continue;
    }
    const double bin = (std::log10(position.kl_nats) - histogram.first_log10) / histogram.decades_per_bin;
    ++histogram.counts[static_cast<size_t>(std::clamp(std::floor(bin), 0.0, kBins - 1.0))];
  }
  return histogram;
}

std::vector<PositionBin> kl_by_position(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                        int first_target, int bins) {
  const size_t n = groups.per_chunk, count = std::min(static_cast<size_t>(bins), n);
  std::vector<PositionBin> result;
  for (size_t bin = 0; bin < count; ++bin) {
    const size_t begin = bin * n / count, end = (bin + 1) * n / count;
    const ClusteredMean mean = mean_of(groups, pass, kl_of, 0.95, [&](size_t i) {
      const size_t at = i % n;
      return at >= begin && at < end;
    });
    result.push_back({first_target + static_cast<int>(begin), first_target + static_cast<int>(end) - 1,
                      mean.mean, mean.interval});
  }
  return result;
}

std::vector<TokenClassResult> kl_by_token_class(const ChunkGroups& groups,
                                                std::span<const PairedPosition> pass,
                                                std::span<const TokenClass> class_of_position) {
  double total = 0;
  for (const PairedPosition& position : pass) total += position.kl_nats;
  std::vector<TokenClassResult> results;
  for (int c = 0; c < kTokenClasses; ++c) {
    const auto token_class = static_cast<TokenClass>(c);
    const auto counts = [&](size_t i) { return class_of_position[i] == token_class; };
    const ClusteredMean mean = mean_of(groups, pass, kl_of, 0.95, counts);
    if (mean.n == 0) continue;
    double sum = 0;
    for (size_t i = 0; i < pass.size(); ++i) sum += counts(i) ? pass[i].kl_nats : 0;
    results.push_back({std::string(name(token_class)), mean.n, mean.clusters, mean.mean, mean.interval,
                       total > 0 ? sum / total : 0});
  }
  return results;
}

std::vector<TokenClass> classes_of_targets(std::span<const Chunk> chunks, int first_target, size_t per_chunk,
                                           const TokenText& text) {
  std::vector<TokenClass> classes;
  for (const Chunk& chunk : chunks)
    for (size_t i = 0; i < per_chunk; ++i)
      classes.push_back(class_of(text(chunk.tokens[static_cast<size_t>(first_target) + i])));
  return classes;
}

std::vector<WorstPosition> worst_positions(std::span<const PairedPosition> pass,
                                           std::span<const Chunk> chunks, int first_target, size_t per_chunk,
                                           const TokenText& text, size_t most, int context_tokens) {
  std::vector<size_t> order(pass.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t kept = std::min(most, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](size_t a, size_t b) {
                      const double first = size_of(pass[a]), second = size_of(pass[b]);
                      return first != second ? first > second : a < b;
                    });
  std::vector<WorstPosition> worst;
  for (size_t rank = 0; rank < kept; ++rank) {
    const PairedPosition& pair = pass[order[rank]];
    if (!(size_of(pair) > 0)) break;
    const size_t chunk = order[rank] / per_chunk;
    const int target = first_target + static_cast<int>(order[rank] % per_chunk);
    const std::vector<int32_t>& tokens = chunks[chunk].tokens;
    std::string context;
    for (int i = std::max(0, target - context_tokens); i < target; ++i)
      context += text(tokens[static_cast<size_t>(i)]);
    WorstPosition position;
    position.chunk = static_cast<int>(chunk);
    position.position = target;
    position.kl_nats = pair.kl_nats;
    position.context = with_broken_bytes_spelled(context);
    position.target = with_broken_bytes_spelled(text(tokens[static_cast<size_t>(target)]));
    position.target_original_p = std::exp(-pair.nll_original_nats);
    position.target_variant_p = std::exp(-pair.nll_variant_nats);
    position.original_top = with_broken_bytes_spelled(text(pair.top_original));
    position.variant_top = with_broken_bytes_spelled(text(pair.top_variant));
    position.original_top_p = pair.top_p_original;
    position.variant_top_p = pair.top_p_variant;
    worst.push_back(std::move(position));
  }
  return worst;
}

}  // namespace fqlab
