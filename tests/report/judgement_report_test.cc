#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "fqlab/report.h"
#include "report/fixture.h"
#include "report/page_text.h"
#include "report/sections.h"
#include "report/visible.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Everything that judgement.h has a place for.
Comparison judged() {
  Comparison c = testing::fp8_norm();
  c.kld_table.positions = 4080;
  c.kld_table.ppl_q = {24.5031, 1.12};
  c.kld_table.kld_quantiles[0] = 0.021;
  c.kld_table.delta_p_quantiles[12] = -0.25;
  c.kld_table.rms_delta_p = {0.0123, 0.0004};
  c.power.same_top = 137;
  c.right_wrong = {9, 5, 0.424, 0.643, 0.4227};
  c.perplexity.design_effect = 1.25;
  c.same_top.design_effect = 2;
  c.same_top.effective_n = 2040;
  c.token_classes = {{"digits", 80, 7, 0.002, Interval{0.001, 0.003}, 0.05},
                     {"words", 4000, 16, 0.0008, {}, 0.95}};
  c.worst = {{"", 3, 300, 0.021, "a |\tb\n", " dog", 0.5, 0.25, " cat", "\u200B", 0.625, 0.75}};
  c.corpora = {
      {"news", "texts/news", std::string(64, 'c'), 1000, 3, 8, 2040, 20, 20.1, 0.005, Interval{-0.001, 0.011},
       0.0007, Interval{0.0006, 0.0008}, 0.99, Interval{0.98, 0.995}, "document", 3, 1.5},
      {"code",
       "texts/code.txt",
       std::string(64, 'd'),
       2000,
       1,
       8,
       2040,
       30,
       30.2,
       0.007,
       {},
       0.0009,
       {},
       0.98,
       {},
       "chunk",
       8,
       {}}};
  c.dialogue = {{"Hello", "Hi", "Ho", false, 1, 0.5, false, 0, 2, 0.125, SampledTurn{0.25, 0.75, 40, 1, 0.5}},
                {"Bye", "", "", true, {}, {}, false, 1, 0, {}, {}}};
  c.dialogue_summary = DialogueSummary{{2, 2, 0.125, Interval{0, 0.4}, 0.5, Interval{0.1, 0.9}},
                                       8,
                                       0.75,
                                       ForcedAnswers{40, 1, 0.25, {}, 0.75, {}}};
  return c;
}

TEST(JudgementReport, ReadsBackFromJsonToTheLastBit) {
  const Comparison c = judged();
  const std::string text = comparison_json({&c, 1});
  const std::vector<Comparison> back = parse_comparison_json(text).value();
  EXPECT_EQ(comparison_json(back), text);
  EXPECT_EQ(back[0].power.same_top, 137);
  EXPECT_EQ(back[0].kld_table.delta_p_quantiles[12], -0.25);
  EXPECT_EQ(back[0].worst[0].variant_top, "\u200B");
  EXPECT_EQ(back[0].corpora[1].name, "code");
  EXPECT_EQ(back[0].corpora[0].kl_interval->high, 0.0008);
  EXPECT_EQ(back[0].dialogue[0].sampled->distinct_variant, 0.5);
  EXPECT_EQ(back[0].dialogue_summary->sampled->kl_mean, 0.25);
  EXPECT_EQ(back[0].same_top.design_effect, 2);
}

TEST(JudgementReport, ReadsAReportOfAnEarlierVersion) {
  const Comparison c = testing::fp8_norm();
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(comparison_json({&c, 1}));
  for (const char* key : {"power", "right_wrong", "kld_table", "token_classes", "worst_positions", "corpora",
                          "dialogue_summary"})
    EXPECT_EQ(json.erase(key), 1u) << key;
  EXPECT_TRUE(parse_comparison_json(json.dump()));
}

TEST(JudgementReport, StandsInBothLanguagesWithEveryNumber) {
  const Comparison c = judged();
  for (const Language language : {Language::kEnglish, Language::kTraditionalChinese}) {
    const std::string text = comparison_markdown({&c, 1}, language);
    for (const char* part : {"| Mean PPL(Q) | 24.5031 | 1.12 |", "| RMS Δp | 1.23 % | 0.04 % |",
                             "| Minimum Δp | -25 % |", "140", "`news`", "2,040"})
      EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(comparison_markdown({&c, 1}, Language::kTraditionalChinese), HasSubstr("位置與 Token"));
  EXPECT_THAT(english(c), HasSubstr("Positions and tokens"));
}

TEST(JudgementReport, SaysBesideAnOpenVerdictHowManyMoreChunksDecide) {
  Comparison c = judged();
  EXPECT_THAT(english(c),
              HasSubstr("Open: the top token. About 140 more chunks would decide, with probability 0.9."));
  EXPECT_EQ(report::chunks_to_decide(c), 140);
  c.power.same_top.reset();
  EXPECT_THAT(english(c), HasSubstr("Open: the top token. It lies so close to its margin"));
  EXPECT_FALSE(report::chunks_to_decide(c).has_value());
}

TEST(JudgementReport, ShowsTokensSoThatTheyCanBeReadAndTheTableHolds) {
  const std::string text = english(judged());
  EXPECT_THAT(text, HasSubstr("| 3 | 300 | 0.021 | `a \\|\\tb\\n` | `␣dog` (50 % → 25 %) | `␣cat` (62.5 %) | "
                              "`\\u{200B}` (75 %) |"));
}

TEST(JudgementReport, HasTheLlamaRowsInItsOrder) {
  const std::string text = english(judged());
  size_t at = 0;
  for (const char* row : {"Mean PPL(Q)",
                          "Mean PPL(base)",
                          "Cor(ln(PPL(Q)), ln(PPL(base)))",
                          "Mean ln(PPL(Q)/PPL(base))",
                          "Mean PPL(Q)/PPL(base)",
                          "Mean PPL(Q)-PPL(base)",
                          "Mean KLD",
                          "Maximum KLD",
                          "99.9% KLD",
                          "99.0% KLD",
                          "95.0% KLD",
                          "90.0% KLD",
                          "Median KLD",
                          "10.0% KLD",
                          "5.0% KLD",
                          "1.0% KLD",
                          "0.1% KLD",
                          "Minimum KLD",
                          "Mean Δp",
                          "Maximum Δp",
                          "99.9% Δp",
                          "99.0% Δp",
                          "95.0% Δp",
                          "90.0% Δp",
                          "75.0% Δp",
                          "Median Δp",
                          "25.0% Δp",
                          "10.0% Δp",
                          "5.0% Δp",
                          "1.0% Δp",
                          "0.1% Δp",
                          "Minimum Δp",
                          "RMS Δp",
                          "Same top p"}) {
    const size_t found = text.find(std::string("\n| ") + row + " |", at);
    ASSERT_NE(found, std::string::npos) << row;
    at = found;
  }
}

TEST(JudgementReport, SaysNothingOfCertaintyWhereEveryLogitIsEqual) {
  Comparison c = testing::vacuous();
  c.kld_table.positions = 4080;
  EXPECT_THAT(english(c), Not(HasSubstr("How sure these numbers are")));
}

TEST(JudgementReport, ProposesTheSameCorporaForTheNextRun) {
  EXPECT_THAT(english(judged()), HasSubstr("--corpus news=texts/news --corpus code=texts/code.txt --chunks"));
}

TEST(Visible, SpellsWhatNobodySees) {
  using report::visible;
  EXPECT_EQ(visible(""), "∅");
  EXPECT_EQ(visible(" "), "`␣`");
  EXPECT_EQ(visible("a b"), "`a b`");
  EXPECT_EQ(visible("\n"), "`\\n`");
  EXPECT_EQ(visible("\x1b[31m"), "`\\u{1B}[31m`");
  EXPECT_EQ(visible("`"), "`ˋ`");
  EXPECT_EQ(visible("\xE8"), "`<0xE8>`");
  EXPECT_EQ(visible("語🤖"), "`語🤖`");
}

}  // namespace
}  // namespace fqlab
