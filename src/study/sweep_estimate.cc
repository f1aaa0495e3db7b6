// What a sweep would take, without running it.
#include <algorithm>
#include <map>
#include <set>

#include "study/sweep_setup.h"

namespace fqlab {
namespace {

/// Pairs of the plan's trials and chunks that an existing study holds.
Result<std::set<TrialChunk>> known_pairs(const SweepRequest& request, const SweepSetup& setup) {
  std::set<TrialChunk> known;
  std::error_code ignored;
  if (!std::filesystem::exists(request.study, ignored)) return known;
  Result<StudyStore> store = StudyStore::open(request.study);
  if (!store) return tl::unexpected(store.error());
  std::map<std::string, size_t> index;
  for (size_t t = 0; t < setup.plan.keys.size(); ++t) index[setup.plan.keys[t]] = t;
  const Result<std::vector<StoredTrial>> trials = store->trials();
  if (!trials) return tl::unexpected(trials.error());
  std::map<int64_t, size_t> trial_of_id;
  for (const StoredTrial& trial : *trials)
    if (const auto found = index.find(trial.key); found != index.end()) trial_of_id[trial.id] = found->second;
  const Result<std::vector<StoredResult>> results = store->results();
  if (!results) return tl::unexpected(results.error());
  for (const StoredResult& result : *results)
    if (const auto found = trial_of_id.find(result.trial); found != trial_of_id.end())
      known.insert({found->second, result.chunk});
  return known;
}

}  // namespace

Result<SweepEstimate> estimate_sweep(const SweepRequest& request) {
  const Result<SweepSetup> setup = set_up_sweep(request, /*timed=*/true);
  if (!setup) return tl::unexpected(setup.error());
  const Result<std::set<TrialChunk>> known = known_pairs(request, *setup);
  if (!known) return tl::unexpected(known.error());
  std::set<TrialChunk> least, most;
  std::set<size_t> trials;
  const bool exhaustive = setup->goal.kind == AllocationGoal::Kind::kExhaustive;
  for (const SweepCell& cell : setup->plan.cells) {
    trials.insert(cell.trial);
    for (int chunk = 0; chunk < setup->goal.chunks; ++chunk) {
      most.insert({cell.trial, chunk});
      if (chunk == 0 || exhaustive || cell.mode == "all") least.insert({cell.trial, chunk});
    }
  }
  for (const size_t floor : setup->plan.joint_floors) {
    trials.insert(floor);
    for (int chunk = 0; chunk < std::min(setup->goal.chunks, kFloorChunks); ++chunk)
      for (auto* pairs : {&least, &most}) pairs->insert({floor, chunk});
  }
  SweepEstimate estimate;
  estimate.cells = setup->plan.cells.size();
  estimate.trials = trials.size();
  estimate.runs_known = static_cast<size_t>(
      std::ranges::count_if(most, [&](const TrialChunk& pair) { return known->contains(pair); }));
  const auto sum_up = [&](const std::set<TrialChunk>& pairs, size_t& runs, uint64_t& tokens,
                          double& seconds) {
    double cost = 0;
    for (const TrialChunk& pair : pairs) {
      if (known->contains(pair)) continue;
      ++runs;
      cost += setup->trial_cost[pair.trial];
    }
    tokens = runs * static_cast<uint64_t>(request.n_ctx);
    if (runs > 0) cost += setup->goal.chunks + 2 * setup->workers;  // captures and checks
    seconds = cost * setup->facts.capture_seconds / setup->workers;
  };
  sum_up(least, estimate.runs_least, estimate.tokens_least, estimate.seconds_least);
  sum_up(most, estimate.runs_most, estimate.tokens_most, estimate.seconds_most);
  estimate.memory_bytes = setup->fixed_bytes + std::ranges::max(setup->trial_bytes);
  estimate.workers = setup->workers;
  estimate.on_disk = setup->on_disk;
  estimate.warnings = setup->warnings;
  return estimate;
}

}  // namespace fqlab
