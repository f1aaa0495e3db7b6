#include "study/sweep_run.h"

#include <fmt/format.h>

#include <algorithm>

namespace fqlab {
namespace {

/// The trials that hold a second whole model.
std::vector<bool> trials_that_change_all(const SweepPlan& plan) {
  std::vector<bool> all(plan.trials.size(), false);
  for (const SweepCell& cell : plan.cells)
    if (cell.mode == "all") all[cell.trial] = true;
  for (const size_t floor : plan.joint_floors) all[floor] = true;
  return all;
}

constexpr int kMostDeaths = 2;  // of a trial or a capture: the first one is retried in a fresh worker
constexpr int kTakenMilliseconds = 200;  // between looks at what another process measures

}  // namespace

SweepRun::SweepRun(const SweepRequest& request, const SweepSetup& setup, const CapturedChunks& captured,
                   StudyStore& store, std::vector<int64_t> ids, SweepSchedule& schedule)
    : request_(request),
      setup_(setup),
      store_(store),
      ids_(std::move(ids)),
      schedule_(schedule),
      inputs_{setup.file,         *setup.image, setup.options,     setup.scored,
              setup.facts.chunks, captured,     setup.plan.trials, request.before_job},
      pool_(inputs_, static_cast<size_t>(setup.workers)),
      changes_all_(trials_that_change_all(setup.plan)),
      captured_(setup.facts.chunks.size()),
      cuts_(static_cast<size_t>(std::max(1, setup.facts.layers))),
      verified_(pool_.size()),
      held_(pool_.size()),
      known_before_(schedule.pairs_known()),
      cost_before_(schedule.cost_known()) {
  cuts_[0] = Cut::kUsable;
}

bool SweepRun::stopping() const {
  return interrupts_.count() > 0 ||
         (request_.limit_seconds && stopwatch_.seconds() > *request_.limit_seconds);
}

SweepJob SweepRun::capture_job(int chunk) {
  captured_[static_cast<size_t>(chunk)] = Known::kRunning;
  return {SweepJob::Kind::kCapture, 0, chunk, 0};
}

/// A chunk that something is going to need.
std::optional<SweepJob> SweepRun::capture_ahead() {
  std::set<int> needed;
  for (const TrialChunk& pair : schedule_.wanted())
    if (captured_[static_cast<size_t>(pair.chunk)] == Known::kNo) needed.insert(pair.chunk);
  if (needed.empty()) return std::nullopt;
  return capture_job(*needed.begin());
}

/// The changed values of all workers fit into memory, and one worker at a time changes everything.
bool SweepRun::may_hold(size_t worker, size_t trial) const {
  uint64_t others = 0;
  for (size_t w = 0; w < held_.size(); ++w) {
    if (w == worker || !held_[w]) continue;
    if (changes_all_[trial] && changes_all_[*held_[w]]) return false;
    others += setup_.trial_bytes[*held_[w]];
  }
  return others == 0 || others + setup_.trial_bytes[trial] <= setup_.trial_budget();
}

/// The job that brings a wanted pair forward; none where it has to wait or is no longer wanted.
Result<std::optional<SweepJob>> SweepRun::job_for(size_t worker, const TrialChunk& pair) {
  const size_t chunk = static_cast<size_t>(pair.chunk);
  if (captured_[chunk] == Known::kNo) return std::optional(capture_job(pair.chunk));
  if (captured_[chunk] == Known::kRunning) return std::optional<SweepJob>();
  const int cut = setup_.trial_cut[pair.trial];
  Cut& state = cuts_[static_cast<size_t>(cut)];
  if (state == Cut::kRunning || !may_hold(worker, pair.trial)) return std::optional<SweepJob>();
  if (state == Cut::kUnknown) {
    state = Cut::kRunning;
    return std::optional(SweepJob{SweepJob::Kind::kCheckCut, 0, 0, cut});
  }
  const Result<StudyStore::Claim> claim = store_.claim(ids_[pair.trial], pair.chunk);
  if (!claim) return tl::unexpected(claim.error());
  schedule_.take(pair);
  switch (*claim) {
    case StudyStore::Claim::kMine:
      held_[worker] = pair.trial;
      return std::optional(SweepJob{SweepJob::Kind::kTrial, static_cast<int>(pair.trial), pair.chunk,
                                    state == Cut::kUsable ? cut : 0});
    case StudyStore::Claim::kDone:
    case StudyStore::Claim::kFailed:
      look_now_ = true;
      [[fallthrough]];
    case StudyStore::Claim::kTaken:
      taken_.push_back(pair);
      break;
  }
  return std::optional<SweepJob>();
}

SweepRun::Holder SweepRun::holder_of(size_t trial, size_t worker) const {
  if (held_[worker] == trial) return Holder::kThis;
  return std::ranges::find(held_, std::optional(trial)) == held_.end() ? Holder::kNone : Holder::kOther;
}

/// In the schedule's order; but of several workers the first begins with what only one may have at a time,
/// lest the others wait for it at the end.
std::vector<TrialChunk> SweepRun::wanted_by(size_t worker) const {
  std::vector<TrialChunk> wanted(schedule_.wanted().begin(), schedule_.wanted().end());
  if (worker == 0 && pool_.size() > 1)
    std::stable_partition(wanted.begin(), wanted.end(),
                          [&](const TrialChunk& pair) { return changes_all_[pair.trial]; });
  return wanted;
}

Result<std::optional<SweepJob>> SweepRun::next_job(size_t worker) {
  if (schedule_.wanted().empty()) return std::optional<SweepJob>();
  if (captured_[0] == Known::kNo) return std::optional(capture_job(0));
  if (captured_[0] == Known::kRunning) return capture_ahead();
  if (!verified_[worker]) return std::optional(SweepJob{SweepJob::Kind::kVerify});
  const std::vector<TrialChunk> wanted = wanted_by(worker);
  // First what the worker has the values for, then what no other has.
  for (const Holder holder : {Holder::kThis, Holder::kNone, Holder::kOther}) {
    for (const TrialChunk& pair : wanted) {
      if (holder_of(pair.trial, worker) != holder) continue;
      Result<std::optional<SweepJob>> job = job_for(worker, pair);
      if (!job || *job) return job;
    }
  }
  return std::optional<SweepJob>();
}

Result<void> SweepRun::dispatch() {
  for (size_t worker = 0; worker < pool_.size(); ++worker) {
    if (!pool_.is_idle(worker)) continue;
    Result<std::optional<SweepJob>> job = next_job(worker);
    if (!job) return tl::unexpected(job.error());
    if (*job) pool_.give(worker, **job);
  }
  if (!pool_.any_busy() && taken_.empty() && !look_now_ && !schedule_.wanted().empty()) free_memory();
  return {};
}

/// Where what idle workers still hold leaves room for nothing that is wanted: the check of the original puts
/// its values back.
void SweepRun::free_memory() {
  for (size_t worker = 0; worker < pool_.size(); ++worker)
    if (pool_.is_idle(worker) && held_[worker]) pool_.give(worker, {SweepJob::Kind::kVerify});
}

void SweepRun::tell(const TrialChunk& pair, const MeasuredChunk& measured) {
  if (!progress_) return;
  SweepProgress now;
  now.runs_done = schedule_.pairs_known() - known_before_;
  const double done = schedule_.cost_known() - cost_before_,
               expected = std::max(done, schedule_.cost_expected() - cost_before_);
  now.share = expected > 0 ? done / expected : 1;
  now.runs_expected = now.share > 0 ? static_cast<size_t>(static_cast<double>(now.runs_done) / now.share) : 0;
  now.now = fmt::format("{}  KL {:.3g}", setup_.plan.trials[pair.trial].what, measured.kl_mean());
  progress_(now);
}

Result<void> SweepRun::fail_trial(const TrialChunk& pair, const std::string& reason) {
  if (Result<void> saved = store_.save_failure(ids_[pair.trial], pair.chunk, reason); !saved) return saved;
  warn_(fmt::format("{} failed: {}", setup_.plan.trials[pair.trial].what, reason));
  schedule_.fail(pair.trial);
  return {};
}

Result<void> SweepRun::handle_trial(const SweepAnswer& answer) {
  const TrialChunk pair{static_cast<size_t>(answer.job.trial), answer.job.chunk};
  if (answer.state == SweepAnswer::State::kRefused) return fail_trial(pair, to_string(answer.error.get()));
  if (Result<void> saved =
          store_.save(ids_[pair.trial], pair.chunk, answer.measured, answer.change, answer.seconds);
      !saved)
    return saved;
  saved_.push_back(pair);
  schedule_.know(pair, answer.measured, answer.change.changed > 0);
  tell(pair, answer.measured);
  return {};
}

Result<void> SweepRun::handle_answer(size_t worker, const SweepAnswer& answer) {
  if (answer.state == SweepAnswer::State::kReady) return {};
  if (answer.job.kind != SweepJob::Kind::kVerify) deaths_elsewhere_ = 0;  // every new worker does that much
  worker_seconds_ += answer.seconds;
  engine_seconds_ += answer.engine_seconds;
  if (answer.state == SweepAnswer::State::kViolated) return tl::unexpected(undo(answer.error.get()));
  if (answer.state == SweepAnswer::State::kFailed) return tl::unexpected(answer.error.get());
  switch (answer.job.kind) {
    case SweepJob::Kind::kCapture:
      captured_[static_cast<size_t>(answer.job.chunk)] = Known::kYes;
      break;
    case SweepJob::Kind::kVerify:
      verified_[worker] = true;
      break;
    case SweepJob::Kind::kCheckCut:
      cuts_[static_cast<size_t>(answer.job.cut)] = answer.cut_usable ? Cut::kUsable : Cut::kUnusable;
      if (!answer.cut_usable)
        warn_(fmt::format("changes of layer {} are measured by the whole model: {}", answer.job.cut,
                          answer.error.what.view()));
      break;
    case SweepJob::Kind::kTrial:
      return handle_trial(answer);
  }
  if (answer.job.kind != SweepJob::Kind::kTrial) held_[worker].reset();
  return {};
}

Result<void> SweepRun::handle_death(const WorkerEvent& event) {
  verified_[event.worker] = false;
  held_[event.worker].reset();
  if (event.job && event.job->kind == SweepJob::Kind::kTrial) {
    const TrialChunk pair{static_cast<size_t>(event.job->trial), event.job->chunk};
    if (++deaths_[pair] >= kMostDeaths) return fail_trial(pair, event.how);
    warn_(fmt::format("a worker died at {} and the trial is tried again: {}",
                      setup_.plan.trials[pair.trial].what, event.how));
    schedule_.put_back(pair);
    return {};
  }
  const bool capture = event.job && event.job->kind == SweepJob::Kind::kCapture;
  if (++deaths_elsewhere_ > static_cast<int>(pool_.size()) ||
      (capture && ++capture_deaths_[event.job->chunk] >= kMostDeaths))
    return fail(ErrorCode::kEngine, "the workers die: " + event.how, setup_.file.path().string(),
                "see whether llama-cli of the same version runs the file");
  if (!event.job) return {};
  if (capture) {
    captured_[static_cast<size_t>(event.job->chunk)] = Known::kNo;
    warn_(fmt::format("a worker died at the original's chunk {}, which is tried again: {}", event.job->chunk,
                      event.how));
  }
  if (event.job->kind == SweepJob::Kind::kCheckCut) {
    cuts_[static_cast<size_t>(event.job->cut)] = Cut::kUnusable;
    warn_(fmt::format("changes of layer {} are measured by the whole model: {}", event.job->cut, event.how));
  }
  return {};
}

Result<void> SweepRun::handle(WorkerEvent& event) {
  return event.answer ? handle_answer(event.worker, *event.answer) : handle_death(event);
}

/// What was not ours to run: has its owner finished, or died?
Result<void> SweepRun::look_at_taken() {
  std::vector<TrialChunk> taken;
  taken.swap(taken_);
  for (const TrialChunk& pair : taken) {
    const int64_t id = ids_[pair.trial];
    const Result<std::optional<MeasuredChunk>> result = store_.result(id, pair.chunk);
    if (!result) return tl::unexpected(result.error());
    if (*result) {
      const Result<std::optional<WeightChange>> change = store_.change(id);
      if (!change) return tl::unexpected(change.error());
      schedule_.know(pair, **result, !*change || (*change)->changed > 0);
      continue;
    }
    const Result<bool> failed = store_.has_failed(id);
    if (!failed) return tl::unexpected(failed.error());
    if (*failed)
      schedule_.fail(pair.trial);
    else
      schedule_.put_back(pair);
  }
  return {};
}

/// The check after the work: the whole original again, on every worker that measured something.
Result<void> SweepRun::verify_again() {
  for (size_t worker = 0; worker < pool_.size(); ++worker)
    if (pool_.is_idle(worker) && verified_[worker]) pool_.give(worker, {SweepJob::Kind::kVerify});
  while (pool_.any_busy()) {
    for (WorkerEvent& event : pool_.wait(interrupts_, -1)) {
      if (!event.answer)
        return fail(ErrorCode::kEngine, "a worker died in the check after the work: " + event.how,
                    setup_.file.path().string(), "run the same command again");
      if (Result<void> handled = handle(event); !handled) return handled;
    }
    if (interrupts_.count() > 1) return {};
  }
  return {};
}

/// Takes what this run measured out of the study again: a check says that it cannot be trusted.
Error SweepRun::undo(Error error) {
  pool_.stop();
  for (const TrialChunk& pair : saved_)
    if (Result<void> gone = store_.forget(ids_[pair.trial], pair.chunk); !gone) {
      error.hint = "what this run measured could not be taken out of the study; delete the file";
      return error;
    }
  error.what += fmt::format("; the {} results of this run were taken out of the study", saved_.size());
  return error;
}

Result<SweepOutcome> SweepRun::run(const std::function<void(const SweepProgress&)>& progress,
                                   const std::function<void(const std::string&)>& warn) {
  progress_ = progress;
  warn_ = warn ? warn : [](const std::string&) {};
  while (!schedule_.done() || pool_.any_busy()) {
    if (interrupts_.count() > 1) break;  // asked twice: now
    const bool stop = stopping();
    if (stop && !pool_.any_busy()) break;
    if (!stop) {
      if (Result<void> looked = look_at_taken(); !looked) return tl::unexpected(looked.error());
      if (schedule_.done() && !pool_.any_busy()) break;
      if (Result<void> started = pool_.start_missing(); !started) return tl::unexpected(started.error());
      if (Result<void> given = dispatch(); !given) return tl::unexpected(given.error());
    }
    const bool poll = !taken_.empty() || request_.limit_seconds.has_value();
    const int timeout_ms = look_now_ ? 0 : poll ? kTakenMilliseconds : -1;
    look_now_ = false;
    for (WorkerEvent& event : pool_.wait(interrupts_, timeout_ms))
      if (Result<void> handled = handle(event); !handled) return tl::unexpected(handled.error());
  }
  if (interrupts_.count() < 2)
    if (Result<void> verified = verify_again(); !verified) return tl::unexpected(verified.error());
  using State = SweepOutcome::State;
  outcome_.state = schedule_.done()          ? State::kFinished
                   : interrupts_.count() > 0 ? State::kInterrupted
                                             : State::kOutOfTime;
  outcome_.runs_now = saved_.size();
  outcome_.runs_before = known_before_;
  outcome_.seconds = stopwatch_.seconds();
  outcome_.engine_share = worker_seconds_ > 0 ? engine_seconds_ / worker_seconds_ : 0;
  return outcome_;
}

}  // namespace fqlab
