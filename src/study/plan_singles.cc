#include "study/plan_singles.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "plan/representative_chunks.h"
#include "study/plan_weight_errors.h"

namespace fqlab {
namespace {

constexpr size_t kCheckedEvery =
    8;  // groups of a kind: of which every type is measured, not the anchors only

std::vector<size_t> all_of(size_t n) {
  std::vector<size_t> all(n);
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

}  // namespace

Result<PlanSingles> PlanSingles::choose(const PlanSpace& space, bool quick, uint64_t heavy_bytes,
                                        int threads) {
  const Result<std::vector<std::vector<double>>> errors = plan_weight_errors(space, threads);
  if (!errors) return tl::unexpected(errors.error());
  PlanSingles singles;
  std::map<std::string, size_t> kinds, of_kind;
  for (size_t g = 0; g < space.groups().size(); ++g) {
    const PlanGroup& group = space.groups()[g];
    const size_t kind = kinds.emplace(group.kind, kinds.size()).first->second;
    std::vector<TypeEffect>& types = singles.groups_.emplace_back(GroupEffects{kind, {}}).types;
    for (size_t o = 0; o < group.options.size(); ++o)
      types.push_back({static_cast<size_t>(group.options[o].type), (*errors)[g][o], std::nullopt,
                       ggml_type_info(group.options[o].type)->quantized});
    const bool whole =
        !quick || group.options.back().bytes > heavy_bytes || of_kind[group.kind]++ % kCheckedEvery == 0;
    singles.measured_.push_back(whole ? all_of(group.options.size()) : anchor_types(types));
    singles.effects_.emplace_back(group.options.size(), CellEstimate{.kl = 0.0, .chunks = 1});
    for (const size_t o : singles.measured_.back())
      if (Result<void> added = singles.add_trial(space, g, o); !added) return tl::unexpected(added.error());
  }
  return singles;
}

Result<PlanSingles> PlanSingles::pilots(const PlanSpace& space, int chunks) {
  // Type by type, so that evenly spread ones are of every kind.
  std::vector<std::pair<size_t, size_t>> options;
  size_t most = 0;
  for (const PlanGroup& group : space.groups()) most = std::max(most, group.options.size());
  for (size_t o = 0; o < most; ++o)
    for (size_t g = 0; g < space.groups().size(); ++g)
      if (o < space.groups()[g].options.size() && !space.groups()[g].options[o].changes.empty())
        options.emplace_back(g, o);
  PlanSingles pilots;
  for (const size_t i : choose_pilots(options.size(), chunks)) {
    const auto& [g, o] = options[i];
    if (Result<void> added = pilots.add_trial(space, g, o); !added) return tl::unexpected(added.error());
  }
  return pilots;
}

Result<void> PlanSingles::add_trial(const PlanSpace& space, size_t group, size_t option) {
  const PlanOption& chosen = space.groups()[group].options[option];
  if (chosen.changes.empty()) {
    groups_[group].types[option].kl = 0;  // as in the original
    return {};
  }
  const Result<size_t> format = format_of(chosen.type);
  if (!format) return tl::unexpected(format.error());
  trials_.push_back({space.groups()[group].label, *format, false, chosen.changes});
  option_of_.emplace_back(group, option);
  return {};
}

Result<size_t> PlanSingles::also_measure(const PlanSpace& space,
                                         std::span<const std::pair<size_t, size_t>> group_options) {
  size_t added = 0;
  for (const auto& [group, option] : group_options) {
    if (is_measured(group, option)) continue;
    if (Result<void> done = add_trial(space, group, option); !done) return tl::unexpected(done.error());
    measured_[group].insert(std::ranges::lower_bound(measured_[group], option), option);
    ++added;
  }
  return added;
}

Result<size_t> PlanSingles::format_of(GgmlType type) {
  const auto known = std::ranges::find(format_types_, type);
  if (known != format_types_.end()) return static_cast<size_t>(known - format_types_.begin());
  const std::string name = type_name(type);
  Result<FormatSpec> format = FormatSpec::parse(ggml_type_info(type)->quantized ? "gguf:" + name : name);
  if (!format) return tl::unexpected(format.error());
  formats_.push_back(std::move(*format));
  format_types_.push_back(type);
  return formats_.size() - 1;
}

Result<void> PlanSingles::take(const SweepOutcome& outcome, const std::filesystem::path& study) {
  std::vector<CellEvidence> evidence(outcome.measured.size());
  for (size_t i = 0; i < evidence.size(); ++i) {
    evidence[i].chunk_kl.resize(outcome.cluster_of_chunk.size());
    for (const auto& [chunk, measured] : outcome.measured[i])
      evidence[i].chunk_kl[static_cast<size_t>(chunk)] = measured.kl_mean();
  }
  const ChunkModel model = fit_chunk_model(evidence);
  for (size_t i = 0; i < evidence.size(); ++i) {
    const auto& [g, o] = option_of_[i];
    if (!model.cells[i].kl)
      return fail(ErrorCode::kEngine, "a type could not be measured",
                  trials_[i].label + ", " + formats_[trials_[i].format].print(),
                  "see fqlab status " + study.string() + "; leave the type out with --types");
    effects_[g][o] = model.cells[i];
    groups_[g].types[o].kl = model.cells[i].kl;
  }
  const std::vector<std::vector<double>> smoothed = smoothed_effects(groups_);
  for (const auto& [g, o] : option_of_) effects_[g][o].kl = smoothed[g][o];
  if (options_predicted() == 0) return {};
  predicted_ = predict_effects(groups_);
  for (size_t g = 0; g < groups_.size(); ++g)
    for (size_t o = 0; o < groups_[g].types.size(); ++o)
      if (!groups_[g].types[o].kl) effects_[g][o] = {predicted_.kl[g][o], predicted_.log_error[g], 1};
  return {};
}

bool PlanSingles::is_measured(size_t group, size_t option) const {
  return std::ranges::binary_search(measured_[group], option);
}

size_t PlanSingles::options() const {
  size_t n = 0;
  for (const GroupEffects& group : groups_) n += group.types.size();
  return n;
}

size_t PlanSingles::options_predicted() const {
  size_t n = options();
  for (const auto& group : measured_) n -= group.size();
  return n;
}

}  // namespace fqlab
