// The workers of a sweep, seen from the parent: who is idle, what came back, who died.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fqlab/result.h"
#include "study/child_process.h"
#include "study/interrupts.h"
#include "study/sweep_worker.h"

namespace fqlab {

/// What happened to one worker.
struct WorkerEvent {
  size_t worker = 0;
  std::optional<SweepAnswer> answer;  ///< absent: the worker died
  std::optional<SweepJob> job;        ///< what it was doing when it died
  std::string how;                    ///< how it died
};

class WorkerPool {
 public:
  /// Nothing is started yet. `inputs` must outlive the pool.
  WorkerPool(const WorkerInputs& inputs, size_t workers) : inputs_(inputs), slots_(workers) {}

  /// Starts every worker that is not running.
  Result<void> start_missing();
  size_t size() const { return slots_.size(); }
  bool is_idle(size_t worker) const;
  bool any_busy() const;
  /// Gives an idle worker something to do.
  void give(size_t worker, const SweepJob& job);
  /// Waits for something to happen; empty after an interrupt or the time.
  std::vector<WorkerEvent> wait(const Interrupts& interrupts, int timeout_ms);
  /// Kills all.
  void stop() { slots_.clear(); }

 private:
  struct Slot {
    std::optional<ChildProcess> process;
    bool ready = false;  // its model is loaded
    std::optional<SweepJob> job;
  };
  WorkerEvent read(size_t worker);
  const WorkerInputs& inputs_;
  std::vector<Slot> slots_;
};

}  // namespace fqlab
