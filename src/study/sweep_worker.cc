#include "study/sweep_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/stopwatch.h"
#include "fqlab/metrics.h"
#include "fqlab/replay.h"
#include "study/trial_weights.h"

namespace fqlab {
namespace {

class Worker {
 public:
  Worker(const WorkerInputs& inputs, ReplayModel model)
      : inputs_(inputs), model_(std::move(model)), maker_(inputs.file) {}

  SweepAnswer answer(const SweepJob& job) {
    SweepAnswer answer;
    answer.job = job;
    engine_seconds_ = 0;
    const Stopwatch stopwatch;
    Result<void> done;
    switch (job.kind) {
      case SweepJob::Kind::kCapture:
        done = capture(job.chunk);
        break;
      case SweepJob::Kind::kVerify:
        done = verify(job.chunk, answer);
        break;
      case SweepJob::Kind::kCheckCut:
        done = check_cut(job, answer);
        break;
      case SweepJob::Kind::kTrial:
        done = run_trial(job, answer);
        break;
    }
    if (!done) {
      if (answer.state == SweepAnswer::State::kDone) answer.state = SweepAnswer::State::kFailed;
      answer.error.set(done.error());
    }
    answer.seconds = stopwatch.seconds();
    answer.engine_seconds = engine_seconds_;
    return answer;
  }

 private:
  std::span<const int32_t> tokens(int chunk) const {
    return inputs_.chunks[static_cast<size_t>(chunk)].tokens;
  }
  std::vector<int32_t> targets(int chunk) const {
    const auto begin = tokens(chunk).begin() + inputs_.scored.first + 1;
    return {begin, begin + inputs_.scored.count};
  }

  /// The scores of the original, computed once a chunk.
  const std::vector<PositionScore>& scores(int chunk) {
    const auto [found, added] = scores_.try_emplace(chunk);
    if (added) found->second = score_positions(inputs_.captured.logits(chunk), targets(chunk), 1);
    return found->second;
  }

  std::vector<PairedPosition> compared(int chunk, std::span<const float> logits) {
    return compare_positions(inputs_.captured.logits(chunk), scores(chunk), logits, targets(chunk), 1);
  }

  Result<std::span<const float>> evaluate(int cut, int chunk) {
    const Stopwatch stopwatch;
    const std::span<const float> stream =
        cut == 0 ? std::span<const float>() : inputs_.captured.stream(chunk, cut);
    Result<std::span<const float>> logits =
        model_.logits_from(cut, tokens(chunk), stream, inputs_.scored.first, inputs_.scored.count);
    engine_seconds_ += stopwatch.seconds();
    return logits;
  }

  void put_back() {
    model_.restore();
    weights_ = {};
    trial_.reset();
  }

  Result<void> capture(int chunk) {
    put_back();
    const Stopwatch stopwatch;
    const Result<std::span<const float>> logits = model_.capture(
        tokens(chunk), inputs_.scored.first, inputs_.scored.count, inputs_.captured.streams(chunk));
    engine_seconds_ += stopwatch.seconds();
    if (!logits) return tl::unexpected(logits.error());
    std::ranges::copy(*logits, inputs_.captured.logits(chunk).begin());
    return {};
  }

  Result<void> verify(int chunk, SweepAnswer& answer) {
    put_back();
    const Result<std::span<const float>> logits = evaluate(0, chunk);
    if (!logits) return tl::unexpected(logits.error());
    if (repeats_exactly(inputs_.captured.logits(chunk), *logits, compared(chunk, *logits))) return {};
    answer.state = SweepAnswer::State::kViolated;
    return fail(ErrorCode::kCheck, "the original differs from itself", inputs_.file.path().string(),
                "the numbers of this sweep must not be used; report the model");
  }

  Result<void> check_cut(const SweepJob& job, SweepAnswer& answer) {
    put_back();
    const Stopwatch stopwatch;
    const Result<std::optional<std::string>> problem =
        model_.cut_problem(job.cut, tokens(job.chunk), inputs_.captured.streams(job.chunk));
    engine_seconds_ += stopwatch.seconds();
    if (!problem) return tl::unexpected(problem.error());
    answer.cut_usable = !*problem;
    if (*problem) answer.error.what = **problem;
    return {};
  }

  /// Replaces the tensors of a trial, unless they are replaced already.
  Result<void> change_weights(int trial) {
    if (trial_ == trial) return {};
    put_back();
    Result<TrialWeights> made = maker_.make(inputs_.trials[static_cast<size_t>(trial)]);
    if (!made) return tl::unexpected(made.error());
    weights_ = std::move(*made);
    for (const ReplacedTensor& tensor : weights_.tensors) {
      Result<void> replaced = tensor.stored
                                  ? model_.replace(tensor.name, tensor.stored->type, tensor.stored->bytes)
                                  : model_.replace(tensor.name, tensor.values);
      if (!replaced) return replaced;
    }
    trial_ = trial;
    return {};
  }

  Result<void> run_trial(const SweepJob& job, SweepAnswer& answer) {
    if (Result<void> changed = change_weights(job.trial); !changed) {
      put_back();
      answer.state = SweepAnswer::State::kRefused;
      return changed;
    }
    answer.change = weights_.change;
    // Where no weight differs the logits cannot: the first chunk is evaluated as proof, the others are known.
    // Kernels of real types round the activations, whatever the weights are.
    const bool real = inputs_.trials[static_cast<size_t>(job.trial)].kind == TrialSpec::Kind::kReal;
    const bool may_differ = real || weights_.change.changed > 0;
    std::span<const float> logits = inputs_.captured.logits(job.chunk);
    if (may_differ || proven_.insert(job.trial).second) {
      const Result<std::span<const float>> evaluated = evaluate(job.cut, job.chunk);
      if (!evaluated) return tl::unexpected(evaluated.error());
      logits = *evaluated;
    }
    const bool identical = same_bits(inputs_.captured.logits(job.chunk), logits);
    if (!may_differ && !identical) {
      answer.state = SweepAnswer::State::kViolated;
      return fail(ErrorCode::kCheck, "a trial that changes no value gives other logits than the original",
                  inputs_.trials[static_cast<size_t>(job.trial)].what,
                  "the numbers of this sweep must not be used; report the model");
    }
    answer.measured = measured_chunk(compared(job.chunk, logits), identical);
    Result<void> finite = check_finite(answer.measured.sums, inputs_.file.path().string(),
                                       inputs_.trials[static_cast<size_t>(job.trial)].what);
    if (!finite) answer.state = SweepAnswer::State::kRefused;
    return finite;
  }

  const WorkerInputs& inputs_;
  ReplayModel model_;
  TrialWeightMaker maker_;
  std::optional<int> trial_;
  TrialWeights weights_;
  std::map<int, std::vector<PositionScore>> scores_;
  std::set<int> proven_;  // trials without a changed weight that were evaluated once
  double engine_seconds_ = 0;
};

}  // namespace

int run_sweep_worker(const WorkerInputs& inputs, int socket) {
  SweepAnswer hello;
  hello.state = SweepAnswer::State::kReady;
  Result<ReplayModel> model = ReplayModel::create(inputs.file, inputs.image, inputs.options);
  if (!model) {
    hello.state = SweepAnswer::State::kFailed;
    hello.error.set(model.error());
    send_message(socket, hello);
    return 1;
  }
  keep_engine_messages();
  if (!send_message(socket, hello)) return 1;
  Worker worker(inputs, std::move(*model));
  for (SweepJob job; receive_message(socket, job);) {
    if (inputs.before_job) inputs.before_job(job);
    const SweepAnswer answer = worker.answer(job);
    keep_engine_messages();
    if (!send_message(socket, answer)) return 1;
  }
  return 0;
}

}  // namespace fqlab
