// What a sweep would take: its schedule, run on made-up results.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "study/sweep_setup.h"

namespace fqlab {
namespace {

// Of real maps: how far groups' log KL lie apart, and how far chunks scatter around their group.
constexpr double kGroupSpread = 1.5, kChunkScatter = 0.3;
constexpr double kTypicalKl = 1e-3, kTypicalFloor = 1e-12;

MeasuredChunk made_up(const SweepPlan& plan, const TrialChunk& pair) {
  Random group(pair.trial + 1), chunk((pair.trial + 1) * 4099 + static_cast<size_t>(pair.chunk));
  const bool floor = plan.trials[pair.trial].kind == TrialSpec::Kind::kFloor;
  const double spread = std::exp(kGroupSpread * group.normal() + kChunkScatter * chunk.normal());
  MeasuredChunk measured;
  measured.sums.n = 1;
  measured.sums.kl_nats = floor ? kTypicalFloor : kTypicalKl * spread;
  return measured;
}

/// Tells the schedule what an existing study holds.
Result<void> recall_existing(const SweepRequest& request, const SweepSetup& setup, SweepSchedule& schedule) {
  std::error_code ignored;
  if (!std::filesystem::exists(request.study, ignored)) return {};
  Result<StudyStore> store = StudyStore::open(request.study);
  if (!store) return tl::unexpected(store.error());
  const Result<std::vector<StoredTrial>> trials = store->trials();
  if (!trials) return tl::unexpected(trials.error());
  std::map<std::string, int64_t> id_of_key;
  for (const StoredTrial& trial : *trials) id_of_key[trial.key] = trial.id;
  std::vector<int64_t> ids;
  for (const std::string& key : setup.plan.keys) {
    const auto found = id_of_key.find(key);
    ids.push_back(found == id_of_key.end() ? -1 : found->second);
  }
  return recall(*store, ids, schedule, /*failures_too=*/!request.retry_failed);
}

}  // namespace

Result<SweepEstimate> estimate_sweep(const SweepRequest& request) {
  const Result<SweepSetup> setup = set_up_sweep(request, /*timed=*/true);
  if (!setup) return tl::unexpected(setup.error());
  SweepSchedule schedule = make_schedule(*setup);
  if (Result<void> recalled = recall_existing(request, *setup, schedule); !recalled)
    return tl::unexpected(recalled.error());
  SweepEstimate estimate;
  estimate.runs_known = schedule.pairs_known();
  double cost = 0;
  std::set<int> chunks;
  while (!schedule.done() && !schedule.wanted().empty()) {
    const TrialChunk pair = schedule.wanted().front();
    schedule.take(pair);
    schedule.know(pair, made_up(setup->plan, pair), /*changes_weights=*/true);
    ++estimate.runs;
    cost += schedule.cost(pair.trial);
    chunks.insert(pair.chunk);
  }
  if (estimate.runs > 0)  // the captures, and two checks for each worker
    cost += static_cast<double>(chunks.size()) + 2 * setup->workers;
  std::set<size_t> trials(setup->plan.joint_floors.begin(), setup->plan.joint_floors.end());
  for (const SweepCell& cell : setup->plan.cells) trials.insert(cell.trial);
  estimate.cells = setup->plan.cells.size();
  estimate.trials = trials.size();
  estimate.exact = setup->goal.kind == AllocationGoal::Kind::kExhaustive;
  estimate.tokens = estimate.runs * static_cast<uint64_t>(request.n_ctx);
  estimate.seconds = cost * setup->facts.capture_seconds / setup->workers;
  estimate.memory_bytes = setup->fixed_bytes + std::ranges::max(setup->trial_bytes);
  estimate.workers = setup->workers;
  estimate.on_disk = setup->on_disk;
  estimate.warnings = setup->warnings;
  return estimate;
}

}  // namespace fqlab
