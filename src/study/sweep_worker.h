// One worker of a sweep: a child process with a model of its own, one thread, and one job at a time.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "fqlab/engine.h"
#include "fqlab/gguf.h"
#include "study/child_process.h"
#include "study/measured.h"
#include "study/sweep_shared.h"
#include "study/trial.h"
#include "study/wire.h"

namespace fqlab {

/// What a worker is asked to do.
struct SweepJob {
  enum class Kind {
    kCapture,   ///< the original on a chunk: fills its streams and logits
    kVerify,    ///< the whole original on a captured chunk: the same bits, a divergence of exactly 0
    kCheckCut,  ///< may `cut` be used? the replay without a change on a captured chunk
    kTrial,     ///< a trial on a captured chunk, from `cut` on
  } kind = Kind::kTrial;
  int trial = 0, chunk = 0, cut = 0;
};

struct SweepAnswer {
  enum class State {
    kReady,  ///< the first message: the model is loaded
    kDone,
    kRefused,   ///< the same every time: a format that refuses a value, logits that are no numbers
    kViolated,  ///< an always-on check found a difference: the sweep must stop
    kFailed,    ///< the engine or the system failed
  } state = State::kDone;
  SweepJob job;
  MeasuredChunk measured;  ///< of a trial
  WeightChange change;     ///< of a trial
  bool cut_usable = true;  ///< of kCheckCut; the error says why not
  double seconds = 0, engine_seconds = 0;
  WireError error;
};

/// What the parent had made when it forked the worker.
struct WorkerInputs {
  const GgufFile& file;
  const WeightImage& image;
  EvaluatorOptions options;  ///< one thread
  ScoredRange scored;
  std::span<const Chunk> chunks;
  const CapturedChunks& captured;
  std::span<const TrialSpec> trials;
  std::function<void(const SweepJob&)> before_job = {};  ///< for tests
};

/// The worker's life: answers jobs until the socket closes. Returns its exit code.
int run_sweep_worker(const WorkerInputs& inputs, int socket);

}  // namespace fqlab
