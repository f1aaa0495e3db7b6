// Which trial runs on which chunk next. Pure: knows results, not processes. What it asks for follows from the
// results alone, in rounds, so that a sweep that was killed and resumed asks for the same trials as an
// undisturbed one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "plan/allocation.h"
#include "study/floor_rule.h"
#include "study/measured.h"
#include "study/sweep_plan.h"

namespace fqlab {

/// One trial on one chunk.
struct TrialChunk {
  size_t trial = 0;
  int chunk = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): it takes <=> for a 0
  friend auto operator<=>(const TrialChunk&, const TrialChunk&) = default;
};

class SweepSchedule {
 public:
  /// `cost` of one chunk of each trial, relative to the whole model; `goal.chunks` is the most a cell gets.
  /// `plan` must outlive the schedule.
  SweepSchedule(const SweepPlan& plan, const AllocationGoal& goal, std::vector<double> cost,
                std::vector<int> cluster_of_chunk);

  /// A result, measured now or before. May ask for more. A study may hold more chunks than are wanted now:
  /// they are left out.
  void know(const TrialChunk& pair, const MeasuredChunk& measured, bool changes_weights);
  /// A trial that gives no result. Its cell leaves the race.
  void fail(size_t trial);

  /// What is to run, most urgent first; take() what is started.
  const std::deque<TrialChunk>& wanted() const { return wanted_; }
  void take(const TrialChunk& pair);
  /// Back to wanted(): the process that ran it died.
  void put_back(const TrialChunk& pair);
  bool done() const { return stage_ == Stage::kDone; }

  /// Whole-model chunks: known, and expected in all (a guess while races are open).
  double cost_known() const { return cost_known_; }
  double cost_expected() const;
  double cost(size_t trial) const { return cost_[trial]; }
  size_t pairs_known() const { return pairs_known_; }
  const MeasuredChunks& measured(size_t trial) const { return measured_[trial]; }

 private:
  /// The cells of one format that compete; each sees only what it asked for.
  struct Race {
    std::vector<size_t> cells;  // of the plan
    std::map<size_t, std::set<int>> visible;
    std::vector<TrialChunk> asked;  // in this round
    AllocationGoal goal;
    double allocated = 0, first_round = 0;  // costs
    bool done = false;
  };
  struct PilotTrial {
    size_t race = 0, trial = 0;
  };
  enum class Stage { kPilots, kRaces, kOwnFloors, kDone };

  bool is_known(const TrialChunk& pair) const;
  void want(const TrialChunk& pair, bool urgent);
  template <class Condition>
  void drop_wanted(const Condition& condition);
  void advance();
  void ask_for_pilots();
  bool pilots_known() const;
  void start_races();
  bool advance_race(Race& race);
  void ask_for_own_floors();
  /// Of what is known, the chunks that the race asked for.
  MeasuredChunks seen_by(const Race& race, size_t trial) const;
  bool fixed_known() const;

  const SweepPlan& plan_;
  std::vector<double> cost_;
  std::vector<int> cluster_of_chunk_;
  int most_chunks_;                       // of a cell
  std::vector<MeasuredChunks> measured_;  // by trial
  std::vector<bool> failed_, vacuous_;    // by trial
  std::vector<Race> races_;
  std::vector<PilotTrial> pilots_;  // on every chunk, before the races start
  std::vector<TrialChunk> fixed_;   // asked for whatever the races say
  std::vector<int> floor_chunks_;   // on which noise floors are measured
  std::deque<TrialChunk> wanted_;   // the first urgent_ are what races ask for
  size_t urgent_ = 0;
  std::set<TrialChunk> queued_;  // wanted or running
  Stage stage_ = Stage::kPilots;
  double cost_known_ = 0, cost_asked_ = 0;
  size_t pairs_known_ = 0;
};

/// Chunks on which noise floors are measured, at most.
inline constexpr int kFloorChunks = 4;

}  // namespace fqlab
