#include "study/sweep_schedule.h"

#include <algorithm>
#include <cmath>

namespace fqlab {
namespace {

// Of an open race, for the time left: as they come, and on chunks that stand for the text.
constexpr double kExpectedOverFirstRound = 2, kExpectedOnRepresentative = 1.5;
constexpr size_t kLeastOwnFloors = 8;  // cells that may get a floor of their own: these, or a tenth

}  // namespace

SweepSchedule::SweepSchedule(const SweepPlan& plan, const AllocationGoal& goal, std::vector<double> cost,
                             std::vector<int> cluster_of_chunk)
    : plan_(plan),
      cost_(std::move(cost)),
      cluster_of_chunk_(std::move(cluster_of_chunk)),
      most_chunks_(goal.chunks),
      measured_(plan.trials.size()),
      failed_(plan.trials.size()),
      vacuous_(plan.trials.size()) {
  std::map<size_t, Race> races;  // by format
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const SweepCell& cell = plan.cells[i];
    if (cell.mode == "all" || cell.mode == "mix") {
      for (int chunk = 0; chunk < goal.chunks; ++chunk) fixed_.push_back({cell.trial, chunk});
      continue;
    }
    Race& race = races[cell.format];
    race.goal = goal;
    const bool curve = cell.mode == "front" || cell.mode == "back";
    if (curve && goal.kind == AllocationGoal::Kind::kTop)  // every point of a curve counts
      race.goal.kind = AllocationGoal::Kind::kMap;
    race.cells.push_back(i);
    race.first_round += cost_[cell.trial];
  }
  for (auto& [format, race] : races) races_.push_back(std::move(race));
  if (goal.pilots) ask_for_pilots();
  for (const TrialChunk& pair : fixed_) want(pair, /*urgent=*/false);
  advance();
}

void SweepSchedule::ask_for_pilots() {
  std::vector<PilotTrial> competing;
  for (size_t r = 0; r < races_.size(); ++r)
    for (const size_t cell : races_[r].cells) competing.push_back({r, plan_.cells[cell].trial});
  for (const size_t i : choose_pilots(competing.size(), most_chunks_)) {
    pilots_.push_back(competing[i]);
    for (int chunk = 0; chunk < most_chunks_; ++chunk) {
      races_[competing[i].race].visible[competing[i].trial].insert(chunk);
      want({competing[i].trial, chunk}, /*urgent=*/true);
    }
  }
}

bool SweepSchedule::pilots_known() const {
  for (const PilotTrial& pilot : pilots_)
    for (int chunk = 0; chunk < most_chunks_; ++chunk)
      if (!is_known({pilot.trial, chunk})) return false;
  return true;
}

void SweepSchedule::start_races() {
  std::vector<Pilot> pilots;
  for (const PilotTrial& pilot : pilots_) {
    if (failed_[pilot.trial]) continue;
    pilots.push_back({pilot.race, {}});
    for (int chunk = 0; chunk < most_chunks_; ++chunk)
      pilots.back().chunk_kl.push_back(measured_[pilot.trial].at(chunk).kl_mean());
  }
  const std::optional<RepresentativeChunks> found = find_representative_chunks(pilots);
  if (!pilots_.empty())
    for (Race& race : races_) race.goal.representative = found;
  for (int i = 0; i < std::min(most_chunks_, kFloorChunks); ++i)
    floor_chunks_.push_back(found ? found->order[static_cast<size_t>(i)] : i);
  for (const size_t floor : plan_.joint_floors)
    for (const int chunk : floor_chunks_) fixed_.push_back({floor, chunk});
  for (const TrialChunk& pair : fixed_) want(pair, /*urgent=*/false);
}

bool SweepSchedule::is_known(const TrialChunk& pair) const {
  return failed_[pair.trial] || measured_[pair.trial].contains(pair.chunk);
}

void SweepSchedule::want(const TrialChunk& pair, bool urgent) {
  if (is_known(pair) || !queued_.insert(pair).second) return;
  cost_asked_ += cost_[pair.trial];
  wanted_.insert(wanted_.begin() + static_cast<std::ptrdiff_t>(urgent ? urgent_ : wanted_.size()), pair);
  urgent_ += urgent;
}

template <class Condition>
void SweepSchedule::drop_wanted(const Condition& condition) {
  const auto urgent_end = wanted_.begin() + static_cast<std::ptrdiff_t>(urgent_);
  urgent_ -= static_cast<size_t>(std::count_if(wanted_.begin(), urgent_end, condition));
  std::erase_if(wanted_, condition);
}

void SweepSchedule::take(const TrialChunk& pair) {
  drop_wanted([&](const TrialChunk& other) { return other == pair; });
}

void SweepSchedule::put_back(const TrialChunk& pair) {
  if (!queued_.contains(pair)) return;
  wanted_.push_front(pair);
  ++urgent_;
}

void SweepSchedule::know(const TrialChunk& pair, const MeasuredChunk& measured, bool changes_weights) {
  if (pair.chunk >= most_chunks_ || is_known(pair)) return;
  measured_[pair.trial].emplace(pair.chunk, measured);
  vacuous_[pair.trial] = !changes_weights;
  ++pairs_known_;
  if (queued_.erase(pair) > 0) cost_known_ += cost_[pair.trial];
  take(pair);
  advance();
}

void SweepSchedule::fail(size_t trial) {
  failed_[trial] = true;
  drop_wanted([&](const TrialChunk& pair) { return pair.trial == trial; });
  cost_asked_ -= cost_[trial] * static_cast<double>(std::erase_if(
                                    queued_, [&](const TrialChunk& pair) { return pair.trial == trial; }));
  advance();
}

bool SweepSchedule::advance_race(Race& race) {
  if (race.done || !std::ranges::all_of(race.asked, [&](const TrialChunk& p) { return is_known(p); }))
    return false;
  for (const TrialChunk& pair : race.asked) race.visible[pair.trial].insert(pair.chunk);
  race.asked.clear();
  std::vector<CellEvidence> evidence;
  for (const size_t cell : race.cells) {
    const size_t trial = plan_.cells[cell].trial;
    CellEvidence seen;
    seen.cost = cost_[trial];
    seen.closed = failed_[trial];
    seen.chunk_kl.resize(static_cast<size_t>(race.goal.chunks));
    for (const int chunk : race.visible[trial])
      if (const auto found = measured_[trial].find(chunk); found != measured_[trial].end())
        seen.chunk_kl[static_cast<size_t>(chunk)] = found->second.kl_mean();
    evidence.push_back(std::move(seen));
  }
  const CellChunks next = allocate_next(evidence, race.goal);
  race.done = next.empty();
  for (const auto& [cell, chunk] : next) {
    const size_t trial = plan_.cells[race.cells[cell]].trial;
    race.asked.push_back({trial, chunk});
    race.allocated += cost_[trial];
  }
  for (const TrialChunk& pair : race.asked) want(pair, /*urgent=*/true);
  return true;
}

bool SweepSchedule::fixed_known() const {
  return std::ranges::all_of(fixed_, [&](const TrialChunk& pair) { return is_known(pair); });
}

MeasuredChunks SweepSchedule::seen_by(const Race& race, size_t trial) const {
  MeasuredChunks seen;
  if (const auto visible = race.visible.find(trial); visible != race.visible.end())
    for (const int chunk : visible->second)
      if (const auto found = measured_[trial].find(chunk); found != measured_[trial].end())
        seen.insert(*found);
  return seen;
}

// The floor of everything together is above that of any part, so only what it hides needs a floor of its own.
void SweepSchedule::ask_for_own_floors() {
  std::vector<MeasuredChunks> joint;
  for (const size_t floor : plan_.joint_floors) joint.push_back(measured_[floor]);
  std::vector<std::pair<double, size_t>> hidden;  // mean KL, cell
  std::map<size_t, std::vector<int>> own_chunks;  // of them, on which a floor is measured
  size_t only = 0;
  for (const Race& race : races_)
    for (const size_t i : race.cells) {
      const SweepCell& cell = plan_.cells[i];
      if (cell.own_floors.empty()) continue;
      ++only;
      const MeasuredChunks effect = seen_by(race, cell.trial);
      if (effect.empty() || vacuous_[cell.trial] ||
          effect_is_resolved(effect, joint, cluster_of_chunk_).value_or(true))
        continue;
      hidden.emplace_back(-effect.begin()->second.kl_mean(), i);
      for (const auto& [chunk, measured] : effect)
        if (std::ranges::find(floor_chunks_, chunk) != floor_chunks_.end()) own_chunks[i].push_back(chunk);
    }
  std::ranges::sort(hidden);
  hidden.resize(std::min(hidden.size(), std::max(kLeastOwnFloors, only / 10)));
  for (const auto& [unused, i] : hidden) {
    const SweepCell& cell = plan_.cells[i];
    for (const size_t floor : cell.own_floors)
      for (const int chunk : own_chunks[i]) fixed_.push_back({floor, chunk});
  }
}

void SweepSchedule::advance() {
  if (stage_ == Stage::kPilots && pilots_known()) {
    stage_ = Stage::kRaces;
    start_races();
  }
  if (stage_ == Stage::kPilots) return;
  for (Race& race : races_)
    while (advance_race(race)) {
    }
  const bool over = std::ranges::all_of(races_, [](const Race& race) { return race.done; });
  if (stage_ == Stage::kRaces && over && fixed_known()) {
    stage_ = Stage::kOwnFloors;
    ask_for_own_floors();
    for (const TrialChunk& pair : fixed_) want(pair, /*urgent=*/false);
  }
  if (stage_ == Stage::kOwnFloors && fixed_known()) stage_ = Stage::kDone;
}

double SweepSchedule::cost_expected() const {
  double expected = cost_asked_;
  for (const Race& race : races_)
    if (!race.done && race.goal.kind != AllocationGoal::Kind::kExhaustive && race.goal.chunks > 1) {
      const double rounds = race.goal.kind == AllocationGoal::Kind::kEqual ? race.goal.each
                            : race.goal.representative                     ? kExpectedOnRepresentative
                                                                           : kExpectedOverFirstRound;
      expected += std::max(0.0, rounds * race.first_round - race.allocated);
    }
  return expected;
}

}  // namespace fqlab
