// Everything that a sweep needs before its first trial: the inputs, the plan, what the engine knows, and how
// much memory goes where.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/engine.h"
#include "study/study_store.h"
#include "study/sweep.h"
#include "study/sweep_schedule.h"
#include "study/sweep_shared.h"

namespace fqlab {

struct SweepSetup {
  GgufFile file;
  Corpora corpora;
  std::vector<StudyProperty> properties;
  std::string identity;  ///< hash of the properties that can change numbers
  SweepPlan plan;
  EvaluatorOptions options;
  ScoredRange scored;
  std::unique_ptr<WeightImage> image;
  SweepFacts facts;
  AllocationGoal goal;  ///< with the chunks that the text has
  std::vector<std::string> warnings;

  std::vector<int> trial_cut;      ///< by trial
  std::vector<double> trial_cost;  ///< by trial: its share of the whole model's operations
  std::vector<uint64_t> trial_bytes;

  // Memory.
  uint64_t limit_bytes = 0;
  uint64_t fixed_bytes = 0;  ///< weights, workers and, unless on disk, the captured original
  int workers = 1;
  bool on_disk = false;
  /// For the changed values of all workers together.
  uint64_t trial_budget() const { return limit_bytes > fixed_bytes ? limit_bytes - fixed_bytes : 0; }

  std::vector<int> clusters() const;
};

/// Reads, plans and loads; the study's file is looked at but not made. `timed`: also times one chunk.
Result<SweepSetup> set_up_sweep(const SweepRequest& request, bool timed);

SweepSchedule make_schedule(const SweepSetup& setup);

/// Tells the schedule what the study holds; `ids` are the study's ids of the plan's trials, -1 for none.
Result<void> recall(StudyStore& store, std::span<const int64_t> ids, SweepSchedule& schedule,
                    bool failures_too = true);

}  // namespace fqlab
