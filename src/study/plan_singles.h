// What each option of each group of a plan costs alone: measured for some, predicted for the others.
// See docs/decisions/0008 and 0011.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "fqlab/result.h"
#include "plan/chunk_model.h"
#include "plan/type_effects.h"
#include "study/plan_options.h"
#include "study/sweep.h"

namespace fqlab {

class PlanSingles {
 public:
  /// Chooses what is measured: every option, or, where `quick`, the anchors of every group and every option
  /// of groups whose largest one has more than `heavy_bytes` and of every eighth group of a kind.
  static Result<PlanSingles> choose(const PlanSpace& space, bool quick, uint64_t heavy_bytes, int threads);

  /// A few options of all types and kinds, which are to say what chunks stand for a text of so many.
  static Result<PlanSingles> pilots(const PlanSpace& space, int chunks);

  /// What has to be measured; the formats of the trials are indices into formats().
  const std::vector<RealTrial>& trials() const { return trials_; }
  const std::vector<FormatSpec>& formats() const { return formats_; }
  /// Adds options to what has to be measured; those that are measured already are left as they are. Number
  /// added.
  Result<size_t> also_measure(const PlanSpace& space,
                              std::span<const std::pair<size_t, size_t>> group_options);
  /// Estimates every option from a finished sweep of trials(), steadied (smoothed_effects). kEngine where one
  /// of them has no result; `study`, the sweep's file, is for the message.
  Result<void> take(const SweepOutcome& outcome, const std::filesystem::path& study);

  /// Of a group's option; `kl` is known after take().
  const CellEstimate& effect(size_t group, size_t option) const { return effects_[group][option]; }
  bool is_measured(size_t group, size_t option) const;
  size_t options() const;
  size_t options_predicted() const;
  const PredictedEffects& predicted() const { return predicted_; }

 private:
  Result<void> add_trial(const PlanSpace& space, size_t group, size_t option);
  Result<size_t> format_of(GgmlType type);

  std::vector<GroupEffects> groups_;                // kl of what was measured
  std::vector<std::vector<size_t>> measured_;       // by group: options, ascending
  std::vector<std::vector<CellEstimate>> effects_;  // by group, option
  std::vector<RealTrial> trials_;
  std::vector<std::pair<size_t, size_t>> option_of_;  // parallel: group, option
  std::vector<FormatSpec> formats_;
  std::vector<GgmlType> format_types_;  // parallel
  PredictedEffects predicted_;
};

}  // namespace fqlab
