// The parent of a sweep at work: one event loop between the schedule, the study and the workers.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "study/interrupts.h"
#include "study/study_store.h"
#include "study/sweep_setup.h"
#include "study/worker_pool.h"

namespace fqlab {

class SweepRun {
 public:
  /// `ids` are the study's ids of the plan's trials.
  SweepRun(const SweepRequest& request, const SweepSetup& setup, const CapturedChunks& captured,
           StudyStore& store, std::vector<int64_t> ids, SweepSchedule& schedule);

  /// Runs until nothing is left, an interrupt, or the time is over.
  Result<SweepOutcome> run(const std::function<void(const SweepProgress&)>& progress,
                           const std::function<void(const std::string&)>& warn);

 private:
  enum class Known { kNo, kRunning, kYes };
  enum class Cut { kUnknown, kRunning, kUsable, kUnusable };

  enum class Holder { kThis, kNone, kOther };  ///< the worker that has a trial's values

  bool stopping() const;
  Holder holder_of(size_t trial, size_t worker) const;
  Result<void> dispatch();
  Result<std::optional<SweepJob>> next_job(size_t worker);
  Result<std::optional<SweepJob>> job_for(size_t worker, const TrialChunk& pair);
  std::optional<SweepJob> capture_ahead();
  SweepJob capture_job(int chunk);
  bool may_hold(size_t worker, size_t trial) const;
  void free_memory();
  std::vector<TrialChunk> wanted_by(size_t worker) const;
  Result<void> handle(WorkerEvent& event);
  Result<void> handle_answer(size_t worker, const SweepAnswer& answer);
  Result<void> handle_trial(const SweepAnswer& answer);
  Result<void> handle_death(const WorkerEvent& event);
  Result<void> fail_trial(const TrialChunk& pair, const std::string& reason);
  Result<void> look_at_taken();
  Result<void> verify_again();
  void tell(const TrialChunk& pair, const MeasuredChunk& measured);
  Error undo(Error error);

  const SweepRequest& request_;
  const SweepSetup& setup_;
  StudyStore& store_;
  std::vector<int64_t> ids_;
  SweepSchedule& schedule_;
  WorkerInputs inputs_;
  Interrupts interrupts_;
  WorkerPool pool_;
  std::function<void(const SweepProgress&)> progress_;
  std::function<void(const std::string&)> warn_;

  std::vector<bool> changes_all_;            // by trial: everything at once, or a floor of that
  std::vector<Known> captured_;              // by chunk
  std::vector<Cut> cuts_;                    // by layer
  std::vector<bool> verified_;               // by worker
  std::vector<std::optional<size_t>> held_;  // by worker: the trial whose values it has
  std::map<TrialChunk, int> deaths_;
  std::map<int, int> capture_deaths_;  // by chunk
  int deaths_elsewhere_ = 0;           // at anything but a trial, since the last answer but a check's
  std::vector<TrialChunk> taken_;      // another process is at it, or was
  bool look_now_ = false;              // one of them is done
  std::vector<TrialChunk> saved_;
  size_t known_before_ = 0;
  double cost_before_ = 0, worker_seconds_ = 0, engine_seconds_ = 0;
  Stopwatch stopwatch_;
  SweepOutcome outcome_;
};

}  // namespace fqlab
