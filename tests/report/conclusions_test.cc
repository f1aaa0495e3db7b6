#include "report/conclusions.h"

#include <gmock/gmock.h>

#include "report/fixture.h"
#include "report/next_experiments.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string conclusion(const Comparison& c, Key topic) {
  for (const Conclusion& one : conclusions(c, Text(Language::kEnglish))) {
    if (one.topic.index() == topic.index()) return one.text;
  }
  return "";
}

std::string commands(const Comparison& c) {
  std::string all;
  for (const Experiment& experiment : next_experiments(c)) all += experiment.command + "\n";
  return all;
}

TEST(Conclusions, SayThatAVacuousExperimentShowsNothing) {
  const Comparison c = testing::vacuous();
  EXPECT_THAT(conclusion(c, "conclusion.power"), HasSubstr("no difference could have appeared"));
  EXPECT_THAT(conclusion(c, "conclusion.sensitivity"), HasSubstr("unknown"));
  EXPECT_THAT(conclusion(c, "conclusion.safety"), HasSubstr("loses nothing"));
}

TEST(Conclusions, ComeFromTheVerdicts) {
  Comparison c = testing::fp8_norm();
  EXPECT_THAT(conclusion(c, "conclusion.sensitivity"),
              HasSubstr("low: `0/ffn_norm` in `fp8_e4m3` costs 0.0008 nats"));
  c.verdicts.kl = Verdict::kDifferent;
  EXPECT_THAT(conclusion(c, "conclusion.sensitivity"), HasSubstr("high"));
  c.verdicts.kl = Verdict::kInconclusive;
  EXPECT_THAT(conclusion(c, "conclusion.sensitivity"), HasSubstr("stays open"));
}

TEST(Conclusions, DoNotTakeAnUnresolvedEffectForSensitivity) {
  const Comparison c = testing::native_unresolved();
  EXPECT_THAT(conclusion(c, "conclusion.numbers"), HasSubstr("cannot be told from round-off"));
  EXPECT_THAT(conclusion(c, "conclusion.sensitivity"), HasSubstr("below what this arithmetic can show"));
  EXPECT_THAT(conclusion(c, "conclusion.power"), HasSubstr("Only 14 of 640 values changed"));
}

TEST(Conclusions, CountSaturatedAndFlushedValues) {
  EXPECT_THAT(conclusion(testing::different(), "conclusion.numbers"),
              AllOf(HasSubstr("12 values went beyond"), HasSubstr("5,210 values that were not zero")));
}

TEST(Conclusions, ClaimNoDirectionOfAPerplexityThatIsNoNumber) {
  Comparison c = testing::different();
  c.perplexity.log_ratio = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(conclusion(c, "conclusion.prediction"),
              AllOf(Not(HasSubstr("better")), Not(HasSubstr("worse"))));
}

TEST(Conclusions, ProposeReferenceArithmeticToNativeRunsOnly) {
  Comparison c = testing::fp8_norm();
  c.settings.margins.kl_nats = 1e-13;
  EXPECT_THAT(conclusion(c, "conclusion.power"), Not(HasSubstr("--arithmetic reference")));
  c.settings.arithmetic = Arithmetic::kNative;
  EXPECT_THAT(conclusion(c, "conclusion.power"), HasSubstr("--arithmetic reference"));
}

TEST(Conclusions, NameTheActivationsOfAFileThatWasExpanded) {
  Comparison c = testing::fp8_norm();
  c.variant_file = c.original;
  c.recipe.reset();
  EXPECT_THAT(comparison_markdown({&c, 1}, Language::kEnglish),
              HasSubstr("the rounding of activations by its kernels"));
  c.settings.arithmetic = Arithmetic::kNative;
  EXPECT_THAT(comparison_markdown({&c, 1}, Language::kEnglish),
              AllOf(Not(HasSubstr("the rounding of activations by its kernels")),
                    Not(HasSubstr("F32 expansion")), HasSubstr("Original, as stored")));
}

TEST(NextExperiments, AreOfKindsThatTheModelHasAndTheFormatHolds) {
  Comparison c = testing::fp8_norm();
  c.original.kinds = {"attn_norm", "attn_qkv", "ffn_down"};  // a model with one matrix for all three
  EXPECT_THAT(commands(c), AllOf(HasSubstr("ffn_down=fp8_e4m3"), Not(HasSubstr("attn_q,"))));
  c.tensors.front().format = "gguf:q4_k";
  EXPECT_THAT(commands(c), Not(HasSubstr("ffn_down=gguf:q4_k")));
}

TEST(NextExperiments, AskForMoreTextOnlyWhereItWouldDecideAndThereIsSome) {
  Comparison c = testing::fp8_norm();
  c.kld_table.positions = 4080;
  c.verdicts.kl = c.verdicts.overall = Verdict::kInconclusive;
  c.verdicts.perplexity = c.verdicts.same_top = Verdict::kEquivalent;
  c.power.kl = 250000;
  EXPECT_EQ(chunks_to_decide(c), 250000);
  EXPECT_THAT(commands(c), HasSubstr("--chunks 250016"));
  c.warnings = {"fewer_chunks"};
  EXPECT_THAT(commands(c), Not(HasSubstr("--chunks 250016")));
  c.warnings.clear();
  c.power.kl.reset();
  EXPECT_THAT(commands(c), Not(HasSubstr("--chunks 64")));
}

TEST(Conclusions, DoNotPraiseALowerPerplexity) {
  Comparison c = testing::different();
  c.perplexity.log_ratio = -0.05;
  EXPECT_THAT(conclusion(c, "conclusion.prediction"),
              AllOf(HasSubstr("-4.877 %"), HasSubstr("no proof of quality")));
}

TEST(Conclusions, NameWhatCannotBeJudgedYet) {
  EXPECT_THAT(conclusion(testing::fp8_norm(), "conclusion.prediction"),
              HasSubstr("the perplexity ratio and the KL divergence lie inside their margins. The top token "
                        "cannot be judged"));
}

TEST(Conclusions, CountDialoguesThatDiffer) {
  EXPECT_THAT(conclusion(testing::different(), "conclusion.dialogue"), HasSubstr("1 of 2 answers differ"));
  EXPECT_THAT(conclusion(testing::fp8_norm(), "conclusion.dialogue"), HasSubstr("not measured"));
}

TEST(NextExperiments, ProposeAnotherFormatAfterAVacuousOne) {
  const auto list = next_experiments(testing::vacuous());
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(list.front().why.index(), Key("next.other_format").index());
  EXPECT_EQ(list.front().command,
            "fqlab compare models/SmolLM2-135M-Instruct.Q4_1.gguf --recipe 0/ffn_norm=fp8_e4m3 "
            "--corpus wikitext-2-raw.test.txt --chunks 16 --out next-1");
}

TEST(NextExperiments, SpreadOtherLayersOverTheDepth) {
  const std::string all = commands(testing::fp8_norm());
  EXPECT_THAT(all, HasSubstr("--recipe 7/ffn_norm=fp8_e4m3 --recipe 15/ffn_norm=fp8_e4m3 --recipe "
                             "22/ffn_norm=fp8_e4m3 --recipe 29/ffn_norm=fp8_e4m3"));
  EXPECT_THAT(all, HasSubstr("--recipe 0-2/ffn_norm=fp8_e4m3"));
  EXPECT_THAT(all, HasSubstr("--recipe 0/attn_q,attn_k,attn_v,attn_output=fp8_e4m3"));
}

TEST(NextExperiments, ProposeNoLayersWhereTheirNumberIsUnknown) {
  Comparison c = testing::fp8_norm();
  c.original.layers = 0;
  EXPECT_THAT(commands(c), AllOf(Not(HasSubstr("15/ffn_norm")), HasSubstr("ffn_down")));
}

TEST(NextExperiments, ProposeMoreChunksWhereTheResultIsOpen) {
  EXPECT_THAT(commands(testing::fp8_norm()), HasSubstr("--chunks 2816"));
}

TEST(NextExperiments, ProposeReferenceArithmeticAfterAnUnresolvedNativeRun) {
  const auto list = next_experiments(testing::native_unresolved());
  const bool proposed = std::any_of(list.begin(), list.end(), [](const Experiment& experiment) {
    return experiment.why.index() == Key("next.reference").index() &&
           experiment.command.find("native") == std::string::npos;
  });
  EXPECT_TRUE(proposed);
}

TEST(NextExperiments, AreNoneForTwoFiles) { EXPECT_TRUE(next_experiments(testing::itself()).empty()); }

TEST(Selector, CompressesLayersToRanges) {
  std::vector<TensorReport> tensors(5);
  const int layers[] = {0, 1, 2, 5, 5};
  for (size_t i = 0; i < 5; ++i)
    tensors[i].layer = layers[i], tensors[i].kind = i == 4 ? "attn_q" : "ffn_norm";
  EXPECT_THAT(selectors_of(tensors), ElementsAre("0-2,5/ffn_norm", "5/attn_q"));
  tensors[1].kind = "token_embd", tensors[1].layer.reset();
  EXPECT_THAT(selectors_of(tensors), ElementsAre("0,2,5/ffn_norm", "token_embd", "5/attn_q"));
}

}  // namespace
}  // namespace fqlab::report
