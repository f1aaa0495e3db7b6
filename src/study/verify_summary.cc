#include "study/verify_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "study/summarize.h"

namespace fqlab {
namespace {

FileOnText summarize_file(const TextPasses& passes, size_t file, const VerificationSettings& settings,
                          std::vector<std::string>& warnings) {
  const std::vector<bool>& same = passes.same_logits[file];
  Comparison c;
  c.settings.arithmetic = Arithmetic::kNative;
  c.settings.n_ctx = settings.n_ctx;
  c.settings.chunks = static_cast<int>(passes.cluster_of_chunk.size());
  c.settings.margins = settings.margins;
  c.logits_identical = std::all_of(same.begin(), same.end(), [](bool equal) { return equal; });
  c.values_changed = c.logits_identical ? 0 : 1;  // counting them would take reading every weight
  const ComparisonPasses paired{.groups = {passes.cluster_of_chunk, {}, passes.per_chunk},
                                .variant = &passes.files[file],
                                .controls = {},
                                .original_is_as_stored = true,
                                .first_target = passes.first_target,
                                .classes = {}};
  summarize(paired, c);
  for (const std::string& warning : c.warnings)
    if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) warnings.push_back(warning);
  FileOnText result;
  result.perplexity = c.perplexity;
  result.kl = std::move(c.kl);
  result.same_top = c.same_top;
  result.logits_identical = c.logits_identical;
  result.design_effect = c.design_effect;
  result.verdicts = c.verdicts;
  result.chunks = std::move(c.chunks);
  return result;
}

}  // namespace

std::string_view name(Standing standing) {
  switch (standing) {
    case Standing::kBetter:
      return "better";
    case Standing::kLowerButLarger:
      return "lower_but_larger";
    case Standing::kHigherButSmaller:
      return "higher_but_smaller";
    case Standing::kWorse:
      return "worse";
    case Standing::kNotTold:
      break;
  }
  return "not_told";
}

Standing standing_of(const std::optional<Interval>& difference, uint64_t bytes, uint64_t other_bytes) {
  if (difference && difference->high < 0)
    return bytes <= other_bytes ? Standing::kBetter : Standing::kLowerButLarger;
  if (difference && difference->low > 0)
    return bytes < other_bytes ? Standing::kHigherButSmaller : Standing::kWorse;
  return Standing::kNotTold;
}

PairOnText compare_on_positions(const ChunkGroups& groups, std::span<const PairedPosition> verified,
                                std::span<const PairedPosition> other) {
  PairedPass differences(verified.size());
  for (size_t i = 0; i < verified.size(); ++i)
    differences[i].kl_nats = verified[i].kl_nats - other[i].kl_nats;
  PairOnText pair;
  const ClusteredMean difference = mean_of(groups, differences, kl_of);
  pair.difference = {difference.mean, difference.interval};
  pair.design_effect = effect_of_clusters(groups, differences, kl_of);

  const std::vector<ClusterSum> numerators = cluster_sums(groups, verified, kl_of),
                                denominators = cluster_sums(groups, other, kl_of);
  const auto all_zero = [](const std::vector<ClusterSum>& sums) {
    return std::ranges::all_of(sums, [](const ClusterSum& cluster) { return cluster.sum == 0; });
  };
  if (all_zero(denominators)) {
    pair.ratio = {all_zero(numerators) ? 1 : std::numeric_limits<double>::infinity(), {}};
  } else {
    std::vector<RatioSum> sums;
    for (size_t g = 0; g < numerators.size(); ++g) sums.push_back({numerators[g].sum, denominators[g].sum});
    const ClusteredRatio ratio = clustered_ratio(sums);
    pair.ratio = {ratio.ratio, ratio.interval};
  }

  for (size_t begin = 0; begin < differences.size(); begin += groups.per_chunk) {
    double sum = 0;
    for (size_t i = begin; i < begin + groups.per_chunk; ++i) sum += differences[i].kl_nats;
    pair.chunks_lower += sum < 0;
    ++pair.chunks;
  }
  return pair;
}

void summarize_text(const TextPasses& passes, const VerificationSettings& settings,
                    std::span<const uint64_t> bytes, VerifiedText& text) {
  for (size_t file = 0; file < passes.files.size(); ++file)
    text.files.push_back(summarize_file(passes, file, settings, text.warnings));
  const ChunkGroups groups{passes.cluster_of_chunk, {}, passes.per_chunk};
  for (size_t file = 1; file < passes.files.size(); ++file) {
    PairOnText pair = compare_on_positions(groups, passes.files[0], passes.files[file]);
    pair.file = file;
    pair.standing = standing_of(pair.difference.interval, bytes[0], bytes[file]);
    text.against.push_back(pair);
  }
  text.chunks = static_cast<int>(passes.cluster_of_chunk.size());
  text.clusters = mean_of(groups, passes.files[0], kl_of).clusters;
  text.positions = passes.cluster_of_chunk.size() * passes.per_chunk;
  text.perplexity = text.files.front().perplexity.original;
  text.perplexity_interval = text.files.front().perplexity.original_interval;
}

}  // namespace fqlab
