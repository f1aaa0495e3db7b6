#include "study/sweep_plan.h"

#include <gmock/gmock.h>

#include <set>

#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SweepPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::shared_file("data/stories260k-f32.gguf"));
    file_ = GgufFile::open(testing::shared_file("data/stories260k-f32.gguf")).value();
    formats({"int4:g32"});
  }
  void formats(const std::vector<const char*>& texts) {
    selection_.formats.clear();
    for (const char* text : texts) selection_.formats.push_back(FormatSpec::parse(text).value());
  }
  void select(const char* text) { selection_.select = Selector::parse(text).value(); }
  SweepPlan plan(const char* identity = "study") { return plan_sweep(*file_, selection_, identity).value(); }
  static std::vector<std::string> labels(const SweepPlan& plan) {
    std::vector<std::string> labels;
    for (const SweepCell& cell : plan.cells) labels.push_back(cell.mode + " " + cell.label);
    return labels;
  }
  std::vector<std::string> changed(const SweepPlan& plan, size_t cell) {
    std::vector<std::string> names;
    for (const TensorChange& change : plan.trials[plan.cells[cell].trial].changes)
      names.push_back(file_->tensors()[change.tensor].name);
    return names;
  }

  std::optional<GgufFile> file_;
  SweepSelection selection_;
};

TEST_F(SweepPlanTest, TakesAllMatricesAndNormsByThemselvesAndTogether) {
  const SweepPlan plan = this->plan();
  EXPECT_THAT(plan.cells, SizeIs(1 + 48));  // 37 matrices, 11 norms
  EXPECT_EQ(plan.cells[0].mode, "all");
  EXPECT_THAT(changed(plan, 0), SizeIs(48));
  EXPECT_THAT(plan.joint_floors, SizeIs(kFloorSeeds));
  EXPECT_EQ(std::set(plan.keys.begin(), plan.keys.end()).size(), plan.trials.size());
}

TEST_F(SweepPlanTest, GroupsByKindByLayerAndByBoth) {
  select("0-1/attn_q,ffn_norm");
  selection_.grouping = Grouping::kKind;
  EXPECT_THAT(labels(plan()), ElementsAre("all all", "only attn_q", "only ffn_norm"));
  selection_.grouping = Grouping::kLayer;
  EXPECT_THAT(labels(plan()), ElementsAre("all all", "only layer 0", "only layer 1"));
  selection_.grouping = Grouping::kLayerKind;
  EXPECT_THAT(labels(plan()),
              ElementsAre("all all", "only 0/attn_q", "only 0/ffn_norm", "only 1/attn_q", "only 1/ffn_norm"));
}

TEST_F(SweepPlanTest, WhatBelongsToNoLayerIsAGroupOfItsOwn) {
  select("re:/^(blk.0.ffn_up|output|output_norm)\\.weight$/");
  selection_.grouping = Grouping::kLayer;
  EXPECT_THAT(labels(plan()),
              ::testing::UnorderedElementsAre("all all", "only layer 0", "only output", "only output_norm"));
}

TEST_F(SweepPlanTest, ExceptChangesEverythingButTheGroup) {
  select("0-2/ffn_up");
  selection_.mode = SweepMode::kExcept;
  const SweepPlan plan = this->plan();
  EXPECT_EQ(plan.cells[2].label, "blk.1.ffn_up.weight");
  EXPECT_EQ(plan.cells[2].mode, "except");
  EXPECT_THAT(changed(plan, 2), ElementsAre("blk.0.ffn_up.weight", "blk.2.ffn_up.weight"));
  EXPECT_EQ(plan.cells[2].selector, "1/ffn_up") << "the selector names the group, not the rest";
}

TEST_F(SweepPlanTest, CumulativeRunsFromTheFrontAndFromTheBack) {
  select("ffn_up");
  selection_.mode = SweepMode::kCumulative;
  selection_.grouping = Grouping::kLayer;
  const SweepPlan plan = this->plan();
  EXPECT_THAT(labels(plan),
              ElementsAre("all all", "front layer 0", "front layers 0-1", "front layers 0-2",
                          "front layers 0-3", "front layers 0-4", "back layers 0-4", "back layers 1-4",
                          "back layers 2-4", "back layers 3-4", "back layer 4"));
  EXPECT_EQ(plan.cells[0].trial, plan.cells[5].trial) << "all layers are one trial, whatever it is called";
  EXPECT_EQ(plan.cells[5].trial, plan.cells[6].trial);
  EXPECT_THAT(changed(plan, 8), SizeIs(3));
}

TEST_F(SweepPlanTest, SelectorsOfGroupsSelectThemAgain) {
  selection_.grouping = Grouping::kLayerKind;
  for (const SweepCell& cell : plan().cells) {
    ASSERT_FALSE(cell.selector.empty()) << cell.label;
    EXPECT_EQ(fqlab::select(Selector::parse(cell.selector).value(), file_->tensors()).value(), cell.tensors);
  }
}

TEST_F(SweepPlanTest, FormatsShareTheirFloors) {
  formats({"int4:g32", "fp8_e4m3"});
  select("0/ffn_up,attn_q");
  const SweepPlan plan = this->plan();
  EXPECT_THAT(plan.cells, SizeIs(6));
  EXPECT_EQ(plan.cells[1].own_floors, plan.cells[4].own_floors);
  EXPECT_NE(plan.cells[1].trial, plan.cells[4].trial);
}

TEST_F(SweepPlanTest, KeysFollowEverythingThatChangesNumbers) {
  select("0/ffn_up");
  const SweepPlan plan = this->plan(), again = this->plan(), elsewhere = this->plan("another study");
  EXPECT_EQ(plan.keys, again.keys);
  for (size_t t = 0; t < plan.keys.size(); ++t) EXPECT_NE(plan.keys[t], elsewhere.keys[t]);
  selection_.seed = 9;
  const SweepPlan seeded = this->plan();
  EXPECT_EQ(seeded.keys[seeded.cells[0].trial], plan.keys[plan.cells[0].trial]) << "a recipe has no seed";
  EXPECT_NE(seeded.keys[seeded.joint_floors[0]], plan.keys[plan.joint_floors[0]]);
}

TEST_F(SweepPlanTest, TensorsThatAFormatDoesNotFitAreLeftOutOfItWithAWarning) {
  formats({"gguf:q4_0", "int4:g32"});
  select("0/ffn_down,ffn_up");  // rows of 172 and of 64 values
  const SweepPlan plan = this->plan();
  EXPECT_THAT(labels(plan), ElementsAre("all all", "only blk.0.ffn_up.weight", "all all",
                                        "only blk.0.ffn_down.weight", "only blk.0.ffn_up.weight"));
  ASSERT_THAT(plan.warnings, SizeIs(1));
  EXPECT_THAT(plan.warnings[0], HasSubstr("gguf:q4_0 does not fit 1 of 2 tensors"));
}

TEST_F(SweepPlanTest, SaysWhatCannotBePlanned) {
  const auto what = [&] { return plan_sweep(*file_, selection_, "").error().what; };
  select("0/ffn_down");
  formats({"gguf:q4_0"});
  EXPECT_THAT(what(), HasSubstr("fits none"));
  formats({"int4:g32"});
  selection_.mode = SweepMode::kExcept;
  EXPECT_THAT(what(), HasSubstr("one group"));
  selection_.mode = SweepMode::kCumulative;
  EXPECT_THAT(what(), HasSubstr("accumulates"));
  selection_.grouping = Grouping::kLayer;
  select("output");
  EXPECT_THAT(what(), HasSubstr("no selected tensor belongs to a layer"));
  formats({});
  EXPECT_THAT(what(), HasSubstr("no format"));
  EXPECT_THAT(parse_grouping("layers").error().hint, HasSubstr("tensor, kind, layer, layer-kind"));
  EXPECT_THAT(parse_sweep_mode("").error().hint, HasSubstr("only, except, cumulative"));
}

}  // namespace
}  // namespace fqlab
