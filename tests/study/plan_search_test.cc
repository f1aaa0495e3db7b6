#include "study/plan_search.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "study/compare.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

GgmlType type(const char* name) { return ggml_type_info(std::string_view(name))->type; }

class PlanSearchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    request_.model = testing::shared_file("data/stories260k-f32.gguf");
    request_.corpora = {{"wikitext-2", testing::shared_file("data/wikitext-2-raw.test.txt")}};
    FQLAB_REQUIRE_FILE(request_.model);
    FQLAB_REQUIRE_FILE(request_.corpora.front().path);
    request_.study = folder_ / "plan.fqlab";
    request_.budget = "8bpw";
    request_.types = {type("q4_0"), type("q5_1"), type("q8_0")};
    request_.n_ctx = 64;
    request_.chunks = 4;
    request_.candidate_chunks = 8;
    request_.workers = 2;
    request_.command = {"fqlab", "plan"};
  }
  Result<PlanOutcome> search() {
    return search_plan(
        request_, [](const std::string&, const SweepProgress&) {}, [](const std::string&) {});
  }
  testing::TemporaryFolder folder_;
  PlanRequest request_;
};

TEST_F(PlanSearchTest, KeepsTheBudgetAndTakesTheBestCandidate) {
  const PlanOutcome outcome = search().value();
  const QuantizationPlan& plan = outcome.plan;
  EXPECT_LE(plan.file_bytes, plan.budget_bytes);
  ASSERT_GE(outcome.candidates.size(), 2u);
  for (const PlanCandidate& candidate : outcome.candidates) {
    EXPECT_LE(candidate.file_bytes, plan.budget_bytes) << candidate.label;
    if (candidate.chunks < 8) continue;
    EXPECT_GE(*candidate.measured_kl, *outcome.candidates.front().measured_kl) << candidate.label;
  }
  const double chosen = *outcome.candidates.front().measured_kl;
  EXPECT_NEAR(*plan.measured_kl, chosen, 5e-4 * chosen);  // four digits of it
  EXPECT_EQ(plan.measured_chunks, 8);
  EXPECT_THAT(plan.tensors, SizeIs(37));
  EXPECT_GT(plan.frontier.size(), 5u);
}

TEST_F(PlanSearchTest, MeasuresNothingTwice) {
  const PlanOutcome first = search().value();
  const PlanOutcome again = search().value();
  EXPECT_GT(first.runs_now, 0u);
  EXPECT_EQ(again.runs_now, 0u);
  EXPECT_EQ(print_plan(again.plan), print_plan(first.plan));
  request_.budget = "9bpw";  // another budget needs candidates of its own, but no singles
  const PlanOutcome larger = search().value();
  EXPECT_GT(larger.runs_before, 32u * 3);
}

TEST_F(PlanSearchTest, MeasuresACandidateAsTheFileThatIsBuiltFromIt) {
  const PlanOutcome outcome = search().value();
  QuantizeRequest build;
  for (const PlannedTensor& tensor : outcome.plan.tensors) build.types.push_back({tensor.name, tensor.type});
  build.output = folder_ / "out.gguf";
  const GgufFile file = GgufFile::open(request_.model).value();
  ASSERT_TRUE(write_quantized(file, build, {}));

  CompareRequest compared;
  compared.model = request_.model;
  compared.variant = build.output;
  compared.corpora = request_.corpora;
  compared.n_ctx = request_.n_ctx;
  compared.chunks = request_.candidate_chunks;
  compared.arithmetic = Arithmetic::kNative;
  compared.dialogue = compared.speed = false;
  compared.threads = 1;
  EXPECT_EQ(compare(compared, {}).value().front().kl.mean, *outcome.candidates.front().measured_kl);
}

TEST_F(PlanSearchTest, PredictsWhatItDoesNotMeasureAndSaysHowWell) {
  for (const char* more : {"q4_1", "q5_0"}) request_.types.push_back(type(more));
  request_.chunks = 1;
  request_.candidate_chunks = 4;
  request_.quick = true;
  const PlanOutcome some = search().value();
  EXPECT_EQ(some.singles, 32u * 5 + 5);  // blocks of 32 do not fit the rows of five tensors
  EXPECT_GT(some.singles_predicted, 10u);
  EXPECT_GT(some.singles_held_out, 3u * 7);  // each kind's first tensor
  EXPECT_GT(some.single_log_error, 0.01);
  EXPECT_LT(some.single_log_error, 0.5);
  size_t marked = 0;
  for (const PlannedTensor& tensor : some.plan.tensors) marked += tensor.kl_predicted;
  EXPECT_LT(marked, 4u);  // what the first optimum takes was measured; joint effects may change a few choices

  request_.quick = false;
  const PlanOutcome all = search().value();
  EXPECT_GT(all.runs_now, 0u);
  EXPECT_EQ(all.singles_predicted, 0u);
  EXPECT_EQ(all.singles_held_out, 0u);
  for (const PlannedTensor& tensor : all.plan.tensors) EXPECT_FALSE(tensor.kl_predicted);
  // Both are the best of measured candidates on the same text.
  EXPECT_NEAR(*some.plan.measured_kl / *all.plan.measured_kl, 1, 0.25);
}

TEST_F(PlanSearchTest, ATensorOf16BitsMayStayAsItIs) {
  const GgufFile wide = GgufFile::open(request_.model).value();
  QuantizeRequest halves;
  halves.types = stock_mix(wide, "Q8_0", false).value();
  for (TensorType& tensor : halves.types) tensor.type = GgmlType::kF16;
  request_.model = halves.output = folder_ / "f16.gguf";
  ASSERT_TRUE(write_quantized(wide, halves, {}));
  const GgufFile file = GgufFile::open(request_.model).value();
  EXPECT_THAT(default_plan_types(file), Contains(GgmlType::kF16));
  EXPECT_THAT(default_plan_types(wide), Not(Contains(GgmlType::kF16)));

  request_.budget = "11bpw";
  const double without = *search().value().plan.measured_kl;
  request_.types.push_back(GgmlType::kF16);
  const PlanOutcome outcome = search().value();
  EXPECT_LE(outcome.plan.file_bytes, outcome.plan.budget_bytes);
  size_t stay = 0;
  for (const PlannedTensor& tensor : outcome.plan.tensors) {
    if (tensor.type != GgmlType::kF16) continue;
    ++stay;
    EXPECT_EQ(tensor.kl, 0) << tensor.name << ": nothing to measure";
  }
  EXPECT_GT(stay, 0u);
  EXPECT_LT(stay, halves.types.size());
  EXPECT_LT(*outcome.plan.measured_kl, without);
}

TEST_F(PlanSearchTest, APinIsKept) {
  request_.pins = {{Selector::parse("output").value(), type("q5_1")}};
  const PlanOutcome outcome = search().value();
  const auto output = std::ranges::find(outcome.plan.tensors, "output.weight", &PlannedTensor::name);
  ASSERT_NE(output, outcome.plan.tensors.end());
  EXPECT_EQ(output->type, type("q5_1"));
}

TEST_F(PlanSearchTest, AStockMixIsNoCandidateAgainstWhatIsAsked) {
  request_.chunks = 1;
  request_.candidate_chunks = 2;
  request_.types = {type("mxfp4")};  // worse than any mix of this size
  request_.pins = {{Selector::parse("output,token_embd").value(), type("mxfp4")}};
  request_.budget = "290kB";
  const PlanOutcome small = search().value();
  EXPECT_THAT(small.candidates, SizeIs(1)) << "the stock mix with these types is the same";
  for (const PlannedTensor& tensor : small.plan.tensors)
    if (tensor.name == "output.weight" || tensor.name == "token_embd.weight" || tensor.type != type("f16")) {
      EXPECT_EQ(tensor.type, type("mxfp4")) << tensor.name;
    }
  request_.types.clear();
  request_.study = folder_ / "pinned.fqlab";
  const PlanOutcome pinned = search().value();
  for (const PlanCandidate& candidate : pinned.candidates)
    for (size_t i = 0; i < candidate.types.size(); ++i)
      if (pinned.plan.tensors[i].name == "output.weight") {
        EXPECT_EQ(candidate.types[i], type("mxfp4")) << candidate.label;
      }
  request_.grouping = Grouping::kKind;
  const PlanOutcome by_kind = search().value();
  for (const PlanCandidate& candidate : by_kind.candidates) {
    std::map<std::string, std::set<GgmlType>> types_of;  // kind; what fits no block stays as it is
    for (size_t i = 0; i < candidate.types.size(); ++i)
      if (candidate.types[i] != type("f16"))
        types_of[parse_tensor_name(by_kind.plan.tensors[i].name).kind].insert(candidate.types[i]);
    for (const auto& [kind, types] : types_of)
      EXPECT_THAT(types, SizeIs(1)) << candidate.label << ", " << kind;
  }
}

TEST_F(PlanSearchTest, ATextOfFewerChunksThanAskedForIsEnough) {
  request_.candidate_chunks = 1'000'000;
  std::filesystem::create_directory(folder_ / "text");
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Once upon a time there were " + std::to_string(i * i) + " birds. ";
  testing::write_file(folder_ / "text/a.txt", text);
  request_.corpora = {{"short", folder_ / "text/a.txt"}};
  const PlanOutcome outcome = search().value();
  EXPECT_LT(outcome.plan.measured_chunks, 32);
  ASSERT_TRUE(outcome.plan.predicted_kl);
  const PlanCandidate& chosen = outcome.candidates.front();
  if (chosen.raw_kl) {
    EXPECT_NE(*outcome.plan.predicted_kl, *chosen.raw_kl) << "scaled by joint over sum";
  }
}

TEST_F(PlanSearchTest, SaysTheSmallestPossibleSizeWhereABudgetIsImpossible) {
  request_.budget = "1bpw";
  const Result<PlanOutcome> outcome = search();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUsage);
  EXPECT_THAT(to_string(outcome.error()), HasSubstr("the smallest has"));
  EXPECT_FALSE(std::filesystem::exists(request_.study));

  request_.budget = "8bpw";
  request_.pins = {{Selector::parse("*").value(), type("q8_0")}};
  EXPECT_THAT(to_string(search().error()), HasSubstr("norm"));  // which cannot be pinned
  request_.pins = {
      {Selector::parse("ffn_gate,ffn_up,attn_q,attn_k,attn_v,attn_output,token_embd,output").value(),
       type("q8_0")}};
  EXPECT_THAT(to_string(search().error()), HasSubstr("with these pins"));
}

TEST_F(PlanSearchTest, WhatNeedsAnImatrixIsNoCandidateWithoutOne) {
  const GgufFile file = GgufFile::open(request_.model).value();
  const PlanSpace space = PlanSpace::create(file, {}, request_.types, {}, Grouping::kTensor).value();
  std::vector<GgmlType> types(space.tensors().size(), type("q8_0"));
  EXPECT_TRUE(space.changes(types));
  const auto in_a_layer = [&](size_t tensor) { return file.tensors()[tensor].name.starts_with("blk."); };
  types[static_cast<size_t>(std::ranges::find_if(space.tensors(), in_a_layer) - space.tensors().begin())] =
      type("iq3_xxs");
  const auto refused = space.changes(types);
  ASSERT_FALSE(refused);
  EXPECT_THAT(to_string(refused.error()), HasSubstr("imatrix"));
}

TEST_F(PlanSearchTest, UnderstandsTheFormsOfABudget) {
  const GgufFile file = GgufFile::open(request_.model).value();
  const PlanSpace space = PlanSpace::create(file, {}, request_.types, {}, Grouping::kTensor).value();
  EXPECT_EQ(parse_budget("105MB", space, false).value(), 105'000'000u);
  EXPECT_EQ(parse_budget("1.5MiB", space, false).value(), 1'572'864u);
  EXPECT_EQ(parse_budget("like:" + request_.model.string(), space, false).value(), file.file_bytes());
  EXPECT_GT(parse_budget("like:q8_0", space, false).value(), parse_budget("like:Q4_0", space, false).value());
  for (const char* wrong : {"", "MB", "-3MB", "12XB", "bpw", "like:", "like:Q9_Z", "1e400MB", "nan"}) {
    const Result<uint64_t> refused = parse_budget(wrong, space, false);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage) << wrong;
  }
}

}  // namespace
}  // namespace fqlab
