// `fqlab sweep`: how sensitive is each part of a model? Plans the trials of a map, runs those that its study
// does not hold yet in worker processes, and remembers each. See docs/decisions/0005.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/result.h"
#include "plan/allocation.h"
#include "study/corpora.h"
#include "study/floor_rule.h"
#include "study/sweep_plan.h"
#include "study/sweep_worker.h"

namespace fqlab {

enum class ScoredPart { kSecondHalf, kAll };

/// Positions of a chunk whose next token is scored: its second half, as llama-perplexity does, or all but the
/// first 32 (half of a short chunk).
ScoredRange scored_range(int n_ctx, ScoredPart part);

struct SweepRequest {
  std::filesystem::path model, study;
  std::vector<CorpusSource> corpora;  ///< at least one; several take turns, chunk by chunk
  SweepSelection selection;
  AllocationGoal goal;  ///< `chunks` is the most that a cell gets
  int n_ctx = 512;
  ScoredPart scored = ScoredPart::kSecondHalf;
  int workers = 1;                      ///< processes with one thread each
  std::optional<double> limit_seconds;  ///< stop then, resumable
  std::optional<uint64_t> limit_bytes;  ///< of memory; absent: what is available
  bool retry_failed = false;
  std::vector<std::string> command;
  std::function<void(const SweepJob&)> before_job;  ///< for tests: runs in the worker
};

/// What a sweep is going to take.
struct SweepEstimate {
  size_t cells = 0, trials = 0;  ///< noise floors included in the trials
  size_t runs_known = 0;         ///< of a trial on a chunk, that the study holds
  size_t runs = 0;               ///< still to run
  bool exact = false;  ///< else the number of runs depends on results, and made-up ones stood for them
  uint64_t tokens = 0;
  double seconds = 0;
  uint64_t memory_bytes = 0;
  int workers = 0;
  bool on_disk = false;  ///< the captured original lies in a temporary file beside the study
  std::vector<std::string> warnings;
};

struct SweepProgress {
  size_t runs_done = 0, runs_expected = 0;
  double share = 0;  ///< of the work of this run that is done
  std::string now;
};

struct SweepOutcome {
  enum class State { kFinished, kInterrupted, kOutOfTime } state = State::kFinished;
  std::vector<MeasuredChunks> measured;  ///< by cell of the plan; what the study held before included
  std::vector<int> cluster_of_chunk;
  size_t cells = 0, runs_now = 0, runs_before = 0, failed = 0;
  double seconds = 0;
  double engine_share = 0;  ///< of the workers' time that was spent inside the engine
  std::vector<std::string> warnings;
};

/// What `run_sweep` would do. Loads the model and times one chunk; writes nothing.
Result<SweepEstimate> estimate_sweep(const SweepRequest& request);

/// Measures what the study lacks. Errors: kUsage and kInput as the parts give them; kUsage for a study of
/// something else; kSystem where memory or disk do not suffice (what was measured is kept); kCheck where an
/// always-on check fails: what this run measured is then taken out of the study. Call before any thread is
/// started.
Result<SweepOutcome> run_sweep(const SweepRequest& request,
                               const std::function<void(const SweepProgress&)>& progress,
                               const std::function<void(const std::string&)>& warn);

}  // namespace fqlab
