#include "study/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "base/system.h"
#include "study/sweep_run.h"

namespace fqlab {
namespace {

std::vector<StudyChunk> study_chunks(const SweepSetup& setup) {
  std::vector<StudyChunk> chunks;
  for (const Chunk& chunk : setup.facts.chunks)
    chunks.push_back({chunk.cluster, sha256(std::as_bytes(std::span(chunk.tokens)))});
  return chunks;
}

std::vector<StoredTrial> stored_trials(const SweepPlan& plan) {
  std::vector<StoredTrial> trials;
  for (size_t t = 0; t < plan.trials.size(); ++t)
    trials.push_back({0, plan.keys[t], std::string(name(plan.trials[t].kind)), plan.trials[t].what, {}});
  return trials;
}

std::string rule_of(const AllocationGoal& goal) {
  switch (goal.kind) {
    case AllocationGoal::Kind::kExhaustive:
      return "every chunk";
    case AllocationGoal::Kind::kTop:
      return fmt::format("top {}", goal.top);
    case AllocationGoal::Kind::kEqual:
      return fmt::format("{} each", goal.each);
    case AllocationGoal::Kind::kMap:
      break;
  }
  return goal.precision_asked ? fmt::format("precision {}", goal.precision) : "until the order is settled";
}

/// Canonical text of what a sweep wants; the same text, the same sweep.
std::string request_text(const SweepRequest& request, const SweepSetup& setup) {
  std::string formats;
  for (const FormatSpec& format : request.selection.formats)
    formats += (formats.empty() ? "" : ",") + format.print();
  const AllocationGoal& goal = setup.goal;
  if (!request.selection.real.empty()) {
    std::string keys;
    for (const std::string& key : setup.plan.keys) keys += key;
    return fmt::format("{} trials of real types {} | at most {} chunks | {}", setup.plan.keys.size(),
                       sha256(std::as_bytes(std::span(keys))), goal.chunks, rule_of(goal));
  }
  return fmt::format("{} | {} | {} | {} | at most {} chunks | {} | seed {}", formats,
                     request.selection.select ? request.selection.select->print() : "all matrices and norms",
                     name(request.selection.grouping), name(request.selection.mode), goal.chunks,
                     rule_of(goal), request.selection.seed);
}

std::string grouping_of(const SweepCell& cell, Grouping grouping) {
  if (cell.mode == "all") return "all";
  return cell.mode == "front" || cell.mode == "back" ? "cumulative" : std::string(name(grouping));
}

std::vector<StoredCell> stored_cells(const SweepRequest& request, const SweepSetup& setup,
                                     std::span<const int64_t> ids) {
  std::vector<StoredCell> cells;
  const bool real = !request.selection.real.empty();
  for (const SweepCell& cell : setup.plan.cells) {
    if (cell.mode == "mix") continue;
    StoredCell stored{(real ? "real:" : "") + request.selection.formats[cell.format].print(), cell.mode};
    stored.grouping = grouping_of(cell, request.selection.grouping);
    stored.label = cell.label;
    stored.layer = cell.layer;
    stored.kind = cell.kind;
    stored.trial = ids[cell.trial];
    stored.selector = cell.selector;
    for (const size_t tensor : cell.tensors) {
      stored.tensors.push_back(setup.file.tensors()[tensor].name);
      stored.values += setup.file.tensors()[tensor].values();
    }
    for (const size_t floor : cell.own_floors) stored.own_floors.push_back(ids[floor]);
    cells.push_back(std::move(stored));
  }
  return cells;
}

Result<SweepOutcome> measure(const SweepRequest& request, const SweepSetup& setup, StudyStore& store,
                             const std::function<void(const SweepProgress&)>& progress,
                             const std::function<void(const std::string&)>& warn) {
  if (Result<void> added = store.add_chunks(study_chunks(setup)); !added)
    return tl::unexpected(added.error());
  if (request.retry_failed)
    if (Result<void> forgotten = store.forget_failures(); !forgotten)
      return tl::unexpected(forgotten.error());
  const Result<std::vector<int64_t>> ids = store.add_trials(stored_trials(setup.plan));
  if (!ids) return tl::unexpected(ids.error());
  std::vector<int64_t> joint_floors;
  for (const size_t floor : setup.plan.joint_floors) joint_floors.push_back((*ids)[floor]);
  const std::string words = request_text(request, setup);
  if (const Result<int64_t> added = store.add_sweep({0, words, request.command, utc_now(), {}},
                                                    stored_cells(request, setup, *ids), joint_floors);
      !added)
    return tl::unexpected(added.error());
  SweepSchedule schedule = make_schedule(setup);
  if (Result<void> recalled = recall(store, *ids, schedule); !recalled)
    return tl::unexpected(recalled.error());

  SweepOutcome outcome;
  if (schedule.done()) {
    outcome.runs_before = schedule.pairs_known();
  } else {
    std::optional<std::filesystem::path> folder;
    if (setup.on_disk) folder = request.study.has_parent_path() ? request.study.parent_path() : ".";
    const Result<CapturedChunks> captured =
        CapturedChunks::create(setup.facts, request.n_ctx, setup.scored, folder);
    if (!captured) return tl::unexpected(captured.error());
    SweepRun run(request, setup, *captured, store, *ids, schedule);
    Result<SweepOutcome> ran = run.run(progress, warn);
    if (!ran) return ran;
    outcome = std::move(*ran);
  }
  outcome.cells = setup.plan.cells.size();
  for (const SweepCell& cell : setup.plan.cells) outcome.measured.push_back(schedule.measured(cell.trial));
  outcome.cluster_of_chunk = setup.clusters();
  const Result<std::vector<StoredFailure>> failures = store.failures();
  if (!failures) return tl::unexpected(failures.error());
  outcome.failed = static_cast<size_t>(std::ranges::count_if(*failures, [&](const StoredFailure& failure) {
    return std::ranges::find(*ids, failure.trial) != ids->end();
  }));
  if (outcome.state == SweepOutcome::State::kFinished)
    if (Result<void> finished = store.finish_sweep(words); !finished) return tl::unexpected(finished.error());
  return outcome;
}

}  // namespace

// Results first: they came before the failure.
Result<void> recall(StudyStore& store, std::span<const int64_t> ids, SweepSchedule& schedule,
                    bool failures_too) {
  std::map<int64_t, size_t> trial_of_id;
  for (size_t t = 0; t < ids.size(); ++t) trial_of_id[ids[t]] = t;
  const Result<std::vector<StoredTrial>> trials = store.trials();
  if (!trials) return tl::unexpected(trials.error());
  std::map<int64_t, bool> changes;
  for (const StoredTrial& trial : *trials) changes[trial.id] = !trial.change || trial.change->changed > 0;
  const Result<std::vector<StoredFailure>> failures = store.failures();
  if (!failures) return tl::unexpected(failures.error());
  const Result<std::vector<StoredResult>> results = store.results();
  if (!results) return tl::unexpected(results.error());
  for (const StoredResult& result : *results)
    if (const auto found = trial_of_id.find(result.trial); found != trial_of_id.end())
      schedule.know({found->second, result.chunk}, result.measured, changes[result.trial]);
  for (const StoredFailure& failure : *failures)
    if (const auto found = trial_of_id.find(failure.trial); failures_too && found != trial_of_id.end())
      schedule.fail(found->second);
  return {};
}

Result<SweepOutcome> run_sweep(const SweepRequest& request,
                               const std::function<void(const SweepProgress&)>& progress,
                               const std::function<void(const std::string&)>& warn) {
  const Result<SweepSetup> setup = set_up_sweep(request, /*timed=*/false);
  if (!setup) return tl::unexpected(setup.error());
  if (warn)
    for (const std::string& warning : setup->warnings) warn(warning);
  Result<StudyStore> store = StudyStore::open_or_create(request.study, setup->properties);
  if (!store) return tl::unexpected(store.error());
  Result<SweepOutcome> outcome = measure(request, *setup, *store, progress, warn);
  const Result<void> released = store->release();  // after an error too; a full disk is told once
  if (!outcome) return outcome;
  if (!released) return tl::unexpected(released.error());
  outcome->warnings = setup->warnings;
  return outcome;
}

}  // namespace fqlab
