#include "study/sweep_schedule.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <string_view>

#include "base/random.h"

namespace fqlab {
namespace {

using ::testing::Contains;
using ::testing::Not;

constexpr int kCells = 12, kChunks = 4;
constexpr int kManyCells = 120;  // of which twelve are pilots

/// One format: "all", the groups, three joint floors, three own floors for each group.
SweepPlan plan(int cells) {
  SweepPlan plan;
  const auto add = [&](TrialSpec::Kind kind) {
    plan.trials.push_back({kind, {}, 0, {}});
    return plan.trials.size() - 1;
  };
  SweepCell all;
  all.mode = "all";
  all.trial = add(TrialSpec::Kind::kRecipe);
  plan.cells.push_back(all);
  for (int i = 0; i < cells; ++i) {
    SweepCell cell;
    cell.mode = "only";
    cell.trial = add(TrialSpec::Kind::kRecipe);
    for (int seed = 0; seed < 3; ++seed) cell.own_floors.push_back(add(TrialSpec::Kind::kFloor));
    plan.cells.push_back(cell);
  }
  for (int seed = 0; seed < 3; ++seed) plan.joint_floors.push_back(add(TrialSpec::Kind::kFloor));
  return plan;
}

const std::vector<int> kClusters = {0, 1, 2, 3};

class SweepScheduleTest : public ::testing::Test {
 protected:
  SweepSchedule schedule(AllocationGoal::Kind kind) {
    AllocationGoal goal;
    goal.kind = kind;
    goal.chunks = kChunks;
    goal.top = 3;
    return {plan_, goal, std::vector<double>(plan_.trials.size(), 0.5), kClusters};
  }

  /// What the model would say: groups differ by steps and scatter from chunk to chunk; floors are far below.
  MeasuredChunk truth(const TrialChunk& pair) const {
    MeasuredChunk measured;
    measured.sums.n = 100;
    Random random(pair.trial * 1000 + static_cast<size_t>(pair.chunk));
    const bool floor = plan_.trials[pair.trial].kind == TrialSpec::Kind::kFloor;
    const double size = floor ? floor_ : 1e-3 * std::exp(0.05 * static_cast<double>(pair.trial));
    measured.sums.kl_nats = 100 * size * std::exp(0.3 * random.normal());
    return measured;
  }

  /// Runs to the end; the pairs in the order of their results. `from` decides which wanted pair comes next.
  std::set<TrialChunk> run(SweepSchedule& schedule, uint64_t order, size_t stop_after = 1'000'000) const {
    std::set<TrialChunk> ran;
    Random random(order);
    while (!schedule.done() && ran.size() < stop_after) {
      EXPECT_FALSE(schedule.wanted().empty()) << "nothing runs, nothing is wanted, and it is not done";
      if (schedule.wanted().empty()) break;
      const TrialChunk pair = schedule.wanted()[random.below(schedule.wanted().size())];
      schedule.take(pair);
      EXPECT_TRUE(ran.insert(pair).second) << "asked for twice";
      schedule.know(pair, truth(pair), true);
    }
    return ran;
  }

  SweepPlan plan_ = plan(kCells);
  double floor_ = 1e-12;
};

class SweepWithPilotsTest : public SweepScheduleTest {
 protected:
  SweepWithPilotsTest() { plan_ = plan(kManyCells); }

  SweepSchedule schedule() const {
    AllocationGoal goal;
    goal.chunks = kChunks;
    goal.pilots = true;
    return {plan_, goal, std::vector<double>(plan_.trials.size(), 0.5), kClusters};
  }
  std::set<size_t> trials(std::string_view mode) const {
    std::set<size_t> found;
    for (const SweepCell& cell : plan_.cells)
      if (cell.mode == mode) found.insert(cell.trial);
    return found;
  }
};

TEST_F(SweepScheduleTest, ExhaustiveAsksForEveryCellOnEveryChunk) {
  SweepSchedule schedule = this->schedule(AllocationGoal::Kind::kExhaustive);
  const std::set<TrialChunk> ran = run(schedule, 1);
  EXPECT_EQ(ran.size(), (1 + kCells + 3u) * kChunks);
  EXPECT_EQ(schedule.cost_known(), 0.5 * static_cast<double>(ran.size()));
  EXPECT_EQ(schedule.cost_expected(), schedule.cost_known());
}

TEST_F(SweepScheduleTest, ChunksBeyondThoseWantedAreLeftOut) {
  SweepSchedule schedule = this->schedule(AllocationGoal::Kind::kExhaustive);
  for (size_t trial = 0; trial < plan_.trials.size(); ++trial)
    for (int chunk = 0; chunk < 2 * kChunks; ++chunk)
      schedule.know({trial, chunk}, truth({trial, chunk}), true);
  EXPECT_TRUE(schedule.done());
  for (size_t trial = 0; trial < plan_.trials.size(); ++trial)
    EXPECT_EQ(schedule.measured(trial).size(), static_cast<size_t>(kChunks));
}

TEST_F(SweepScheduleTest, TheOrderInWhichResultsArriveDoesNotChangeWhatIsMeasured) {
  for (const auto kind : {AllocationGoal::Kind::kMap, AllocationGoal::Kind::kTop}) {
    SweepSchedule first = schedule(kind);
    const std::set<TrialChunk> expected = run(first, 1);
    for (uint64_t order = 2; order < 30; ++order) {
      SweepSchedule schedule = this->schedule(kind);
      EXPECT_EQ(run(schedule, order), expected);
    }
  }
}

TEST_F(SweepScheduleTest, AResumedSweepMeasuresTheSameAsAnUndisturbedOne) {
  SweepSchedule undisturbed = schedule(AllocationGoal::Kind::kMap);
  const std::set<TrialChunk> expected = run(undisturbed, 1);
  for (size_t killed_after = 0; killed_after < expected.size(); ++killed_after) {
    SweepSchedule first = schedule(AllocationGoal::Kind::kMap);
    std::set<TrialChunk> all = run(first, killed_after, killed_after);
    SweepSchedule second = schedule(AllocationGoal::Kind::kMap);
    for (const TrialChunk& pair : all) second.know(pair, truth(pair), true);
    for (const TrialChunk& pair : run(second, killed_after + 7)) EXPECT_TRUE(all.insert(pair).second);
    EXPECT_EQ(all, expected) << killed_after;
  }
}

TEST_F(SweepScheduleTest, ResultsOfAnotherSweepDoNotChangeWhatThisOneAsksFor) {
  SweepSchedule alone = schedule(AllocationGoal::Kind::kMap);
  const std::set<TrialChunk> expected = run(alone, 1);
  SweepSchedule schedule = this->schedule(AllocationGoal::Kind::kMap);
  std::set<TrialChunk> known;
  for (const SweepCell& cell : plan_.cells) known.insert({cell.trial, kChunks - 1});
  for (const TrialChunk& pair : known) schedule.know(pair, truth(pair), true);
  std::set<TrialChunk> all = run(schedule, 3);
  for (const TrialChunk& pair : expected)
    if (known.contains(pair)) all.insert(pair);
  EXPECT_EQ(all, expected);
}

TEST_F(SweepScheduleTest, AFailedTrialDoesNotHoldTheOthersUp) {
  SweepSchedule schedule = this->schedule(AllocationGoal::Kind::kExhaustive);
  const size_t broken = plan_.cells[4].trial;
  schedule.fail(broken);
  for (const TrialChunk& pair : run(schedule, 1)) EXPECT_NE(pair.trial, broken);
  EXPECT_TRUE(schedule.done());
}

TEST_F(SweepScheduleTest, WhatFailedIsNoLongerExpected) {
  SweepSchedule schedule = this->schedule(AllocationGoal::Kind::kExhaustive);
  const double all = schedule.cost_expected();
  schedule.fail(plan_.cells[4].trial);
  EXPECT_DOUBLE_EQ(schedule.cost_expected(), all - 0.5 * kChunks);
}

TEST_F(SweepScheduleTest, WhatAWorkerDiedOnIsWantedAgain) {
  SweepSchedule schedule = this->schedule(AllocationGoal::Kind::kExhaustive);
  const TrialChunk pair = schedule.wanted().front();
  schedule.take(pair);
  EXPECT_THAT(schedule.wanted(), Not(Contains(pair)));
  schedule.put_back(pair);
  EXPECT_EQ(schedule.wanted().front(), pair);
  EXPECT_EQ(run(schedule, 1).size(), (1 + kCells + 3u) * kChunks);
}

TEST_F(SweepScheduleTest, OnlyWhatTheJointFloorHidesGetsAFloorOfItsOwn) {
  SweepSchedule far = schedule(AllocationGoal::Kind::kExhaustive);
  std::set<size_t> own;
  for (const SweepCell& cell : plan_.cells) own.insert(cell.own_floors.begin(), cell.own_floors.end());
  for (const TrialChunk& pair : run(far, 1)) EXPECT_FALSE(own.contains(pair.trial));
  floor_ = 1;
  SweepSchedule hidden = schedule(AllocationGoal::Kind::kExhaustive);
  std::set<size_t> measured;
  for (const TrialChunk& pair : run(hidden, 1))
    if (own.contains(pair.trial)) measured.insert(pair.trial);
  EXPECT_EQ(measured.size(), 8 * 3u) << "of at most eight cells, the largest first";
  EXPECT_TRUE(measured.contains(plan_.cells[kCells].own_floors[0]));
}

TEST_F(SweepWithPilotsTest, PilotsAreKnownOnEveryChunkBeforeAnotherCellIsAskedFor) {
  SweepSchedule schedule = this->schedule();
  const std::set<size_t> only = trials("only");
  std::map<size_t, size_t> pilots;  // trial, chunks
  for (const TrialChunk& pair : schedule.wanted())
    if (only.contains(pair.trial)) ++pilots[pair.trial];
  EXPECT_EQ(pilots.size(), 12u);
  for (const auto& [trial, chunks] : pilots) EXPECT_EQ(chunks, size_t{kChunks});
  const std::set<TrialChunk> ran = run(schedule, 1);
  EXPECT_TRUE(schedule.done());
  std::map<int, size_t> cells_on;  // chunk
  std::set<size_t> measured;
  for (const TrialChunk& pair : ran)
    if (only.contains(pair.trial)) {
      measured.insert(pair.trial);
      cells_on[pair.chunk] += !pilots.contains(pair.trial);
    }
  EXPECT_EQ(measured, only);
  const auto first = std::ranges::max_element(cells_on, {}, [](const auto& entry) { return entry.second; });
  EXPECT_EQ(first->second, kManyCells - 12u) << "every cell is measured on the chunk that stands for all";
}

TEST_F(SweepWithPilotsTest, FloorsAreMeasuredOnTheChunksOfTheCells) {
  // Twice as many chunks as floors are measured on, so that it matters which.
  constexpr int kMany = 2 * kChunks;
  AllocationGoal goal;
  goal.kind = AllocationGoal::Kind::kMap;
  goal.chunks = kMany;
  goal.pilots = true;
  SweepSchedule schedule(plan_, goal, std::vector<double>(plan_.trials.size(), 0.5),
                         {0, 1, 2, 3, 4, 5, 6, 7});
  const std::set<TrialChunk> ran = run(schedule, 1);
  std::map<size_t, std::set<int>> chunks;  // trial
  for (const auto& [trial, chunk] : ran) chunks[trial].insert(chunk);
  std::set<int> of_cells;
  for (const size_t trial : trials("only"))
    if (chunks[trial].size() < kMany) of_cells.insert(chunks[trial].begin(), chunks[trial].end());
  ASSERT_FALSE(of_cells.empty());
  EXPECT_GE(*of_cells.rbegin(), kChunks) << "else the first chunks would do, too";
  EXPECT_THAT(chunks[plan_.joint_floors[0]], ::testing::IsSupersetOf(of_cells));
  EXPECT_LT(chunks[plan_.joint_floors[0]].size(), kMany);
}

TEST_F(SweepWithPilotsTest, AResumedSweepMeasuresTheSameAsAnUndisturbedOne) {
  SweepSchedule undisturbed = schedule();
  const std::set<TrialChunk> expected = run(undisturbed, 1);
  for (size_t killed_after = 0; killed_after < expected.size(); killed_after += 7) {
    SweepSchedule first = schedule();
    std::set<TrialChunk> all = run(first, killed_after, killed_after);
    SweepSchedule second = schedule();
    for (const TrialChunk& pair : all) second.know(pair, truth(pair), true);
    for (const TrialChunk& pair : run(second, killed_after + 7)) EXPECT_TRUE(all.insert(pair).second);
    EXPECT_EQ(all, expected) << killed_after;
  }
}

TEST_F(SweepWithPilotsTest, APilotThatFailsHoldsNobodyUp) {
  SweepSchedule schedule = this->schedule();
  const std::set<size_t> only = trials("only");
  std::set<size_t> pilots;
  for (const TrialChunk& pair : schedule.wanted())
    if (only.contains(pair.trial)) pilots.insert(pair.trial);
  for (const size_t pilot : pilots) schedule.fail(pilot);
  run(schedule, 1);
  EXPECT_TRUE(schedule.done());
}

TEST_F(SweepWithPilotsTest, EqualCellsOfAllFormatsAreMeasuredOnTheChunksThatWereGiven) {
  for (size_t i = 0; i < plan_.cells.size(); ++i) plan_.cells[i].format = i % 3;
  AllocationGoal goal;
  goal.kind = AllocationGoal::Kind::kEqual;
  goal.each = 2;
  goal.chunks = kChunks;
  goal.representative = RepresentativeChunks{{3, 1, 0, 2}, {0.3, 0.2, 0.1, 0}};
  SweepSchedule schedule(plan_, goal, std::vector<double>(plan_.trials.size(), 0.5), kClusters);
  std::map<size_t, std::set<int>> chunks;
  for (const auto& [trial, chunk] : run(schedule, 1)) chunks[trial].insert(chunk);
  for (const size_t trial : trials("only")) EXPECT_EQ(chunks[trial], (std::set<int>{1, 3}));
}

}  // namespace
}  // namespace fqlab
