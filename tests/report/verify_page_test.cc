#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "report/page_text.h"
#include "report/pareto_figure.h"
#include "report/verify_fixture.h"
#include "report/verify_view.h"

namespace fqlab::report {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::full_verification;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::small_verification;
using ::testing::StartsWith;

const Text kEnglish(Language::kEnglish), kChinese(Language::kTraditionalChinese);

std::string without_style(const std::string& html) {
  return std::regex_replace(html, std::regex("<style>[^<]*</style>"), "");
}

TEST(VerificationHeadline, NamesTheFileOfTheNearestSizeAndHowMuchLowerItsDivergenceIs) {
  const Verification v = full_verification();
  const std::string sentence = headline(v, v.texts[0], kEnglish);
  EXPECT_THAT(sentence, AllOf(HasSubstr("`smol-plan.gguf` (105,454,368 bytes)"),
                              HasSubstr("KL divergence of 0.02850 [0.0276"),
                              HasSubstr("`smol-Q4_K_M.gguf` (105,454,368 bytes)"),
                              HasSubstr("**lower by 46.1 % [43.1 %, 49.1 %]**")));
  EXPECT_THAT(headline(v, v.texts[0], kChinese), HasSubstr("**低 46.1 % [43.1 %, 49.1 %]**"));
}

TEST(VerificationHeadline, SaysHigherAndOpenAsPlainly) {
  Verification v = full_verification();
  PairOnText& pair = v.texts[0].against[2];
  pair = testing::pair_on_text(3, 0.066, 0.0528, 1, 1);
  EXPECT_THAT(headline(v, v.texts[0], kEnglish), HasSubstr("**higher by 25.0 % [22.0 %, 28.0 %]**"));
  pair.standing = Standing::kNotTold;
  EXPECT_THAT(headline(v, v.texts[0], kEnglish), HasSubstr("no difference that these positions can show"));
}

TEST(VerificationHeadline, SpeaksOfTheOriginalWhereNoFileStandsBeside) {
  const Verification v = small_verification();
  EXPECT_THAT(headline(v, v.texts[0], kEnglish),
              AllOf(HasSubstr("38.93 % of the original"), HasSubstr("0.0285")));
  EXPECT_THAT(standings(v, kEnglish), IsEmpty());
  EXPECT_FALSE(overall(v).has_value());
}

TEST(VerificationStandings, GroupFilesAndSayWhereItDependsOnTheText) {
  const std::vector<std::string> sentences = standings(full_verification(), kEnglish);
  EXPECT_THAT(
      sentences,
      ElementsAre("Better than `smol-Q4_K_M.gguf`: a lower KL divergence at no more bytes.",
                  "A lower KL divergence than `smol-Q3_K_M.gguf` and `smol-Q4_K_S.gguf`, but a larger file.",
                  "A higher KL divergence than `smol-Q6_K.gguf`, but a smaller file.",
                  "Beside `smol-Q5_K_M.gguf` it depends on the text."));
}

TEST(VerificationNames, LoseWhatAllHaveInCommonUpToASeparator) {
  EXPECT_THAT(short_names(full_verification()),
              ElementsAre("plan", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K"));
  EXPECT_THAT(short_names(small_verification()), ElementsAre("smol-plan"));
  Verification v = full_verification();
  v.files.resize(2);
  v.files[0].name = "Q4_K_M.gguf";
  v.files[1].name = "Q4_K_S.gguf";
  EXPECT_THAT(short_names(v), ElementsAre("Q4_K_M", "Q4_K_S"));
}

TEST(VerificationPage, AsksNothingOfTheNetworkRunsNoScriptAndClosesWhatItOpens) {
  static const std::regex kTag("<(/?)([a-z][a-z0-9]*)([^>]*)>");
  for (const Verification& v : {small_verification(), full_verification()}) {
    const std::string html = verification_html(v, Language::kEnglish);
    for (const char* part : {"<script", "src=", "url(", "@import", "javascript:"})
      EXPECT_THAT(html, Not(HasSubstr(part)));
    std::vector<std::string> open;
    for (std::sregex_iterator it(html.begin(), html.end(), kTag), end; it != end; ++it) {
      const std::string name = (*it)[2], rest = (*it)[3];
      if (name == "meta" || name == "link" || rest.ends_with('/')) continue;
      if ((*it)[1] != "/") {
        open.push_back(name);
        continue;
      }
      ASSERT_FALSE(open.empty()) << name;
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    }
    EXPECT_TRUE(open.empty());
    static const std::regex kId("id=\"([^\"]*)\"");
    std::set<std::string> ids;
    for (std::sregex_iterator it(html.begin(), html.end(), kId), end; it != end; ++it)
      EXPECT_TRUE(ids.insert((*it)[1]).second) << (*it)[1];
    EXPECT_EQ(occurrences(html, "<svg"), v.texts.size());
    EXPECT_EQ(occurrences(html, "<figure>"), occurrences(html, "<details>"));
  }
}

TEST(VerificationPage, BeginsWithWhatCameOut) {
  const std::string html = verification_html(full_verification(), Language::kEnglish);
  EXPECT_LT(html.find("lower by 46.1 %"), html.find("<svg"));
  EXPECT_LT(html.find("<svg"), html.find("against each of the others"));
  EXPECT_LT(html.find("against each of the others"), html.find("Every file against the original"));
  EXPECT_LT(html.find("Every file against the original"), html.find("Answers of every file"));
  EXPECT_LT(html.find("Answers of every file"), html.find("Token generation speed"));
  EXPECT_LT(html.find("Token generation speed"), html.find("Native arithmetic"));
}

TEST(VerificationPage, SpeaksBothLanguagesCompletely) {
  for (const Verification& v : {small_verification(), full_verification()}) {
    const std::string chinese = without_style(verification_html(v, Language::kTraditionalChinese));
    EXPECT_THAT(chinese,
                AllOf(HasSubstr("lang=\"zh-Hant-TW\""), HasSubstr("檔案大小"), HasSubstr("原生運算")));
    for (const char* english :
         {"KL divergence", "lower by", "Size (bytes)", "Bits a weight", "intervals are"})
      EXPECT_THAT(chinese, Not(HasSubstr(english)));
    for (const Language language : {Language::kEnglish, Language::kTraditionalChinese}) {
      EXPECT_FALSE(
          std::regex_search(without_style(verification_html(v, language)), std::regex("\\{[a-z_]+\\}")))
          << "a placeholder was not filled in";
    }
    // A really quantized file is no fake-quantized one.
    EXPECT_THAT(chinese, Not(HasSubstr("偽量化")));
  }
}

TEST(VerificationPage, WarnsOfATextThatWasPlannedOnAndNamesIt) {
  EXPECT_THAT(verification_html(full_verification(), Language::kEnglish),
              HasSubstr("<code>even addresses</code>: This text was planned on"));
  EXPECT_THAT(verification_html(full_verification(), Language::kTraditionalChinese),
              HasSubstr("<code>even addresses</code>：計畫曾使用此文本"));
}

TEST(VerificationPage, SaysWhatWasSwitchedOff) {
  const std::string markdown = verification_markdown(small_verification(), Language::kEnglish);
  EXPECT_THAT(markdown, AllOf(HasSubstr("Dialogue was not measured in this run: it was switched off"),
                              HasSubstr("Speed was not measured in this run: it was switched off")));
  EXPECT_THAT(markdown, Not(HasSubstr("The plan")));
}

TEST(ParetoFigure, TellsItsMarksByShapeAndNamesEachOnce) {
  const Verification v = full_verification();
  const std::string svg = pareto_figure(pareto_points(v, v.texts[0]), v.plan->frontier, "figure", kEnglish);
  EXPECT_EQ(occurrences(svg, "class=\"point\""), 6u);  // five files and the legend
  EXPECT_EQ(occurrences(svg, "class=\"m1\""), 2u);     // the verified file and the legend
  EXPECT_EQ(occurrences(svg, "<polyline"), 1u);
  EXPECT_EQ(occurrences(svg, "class=\"whisker\""), 6u);
  for (const std::string& name : short_names(v)) EXPECT_EQ(occurrences(svg, ">" + name + "<"), 1u) << name;
}

TEST(ParetoFigure, ShowsOnlyThePartOfTheFrontierNearTheFiles) {
  const Verification v = full_verification();
  const std::vector<ParetoPoint> points = pareto_points(v, v.texts[0]);
  for (const PlanPoint& point : near_points(points, v.plan->frontier)) {
    EXPECT_GT(point.file_bytes, 85'000'000u);
    EXPECT_LT(point.file_bytes, 145'000'000u);
  }
  const std::string without = pareto_figure(points, {}, "figure", kEnglish);
  EXPECT_THAT(without, AllOf(Not(HasSubstr("<polyline")), Not(HasSubstr("prediction"))));
}

TEST(ParetoFigure, HoldsNoNumberThatIsNotFiniteAndShowsAnExactZero) {
  std::vector<ParetoPoint> points = {{"same", 100, 0, {}, true},
                                     {"low", 100, 1e-4, Interval{-1e-4, 3e-4}, false},
                                     {"bad", 100, std::nan(""), {}, false}};
  const std::vector<PlanPoint> frontier = {{100, 0}, {100, std::nan("")}, {101, 0.5}};
  const std::string svg = pareto_figure(points, frontier, "figure", kEnglish);
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf\"")), HasSubstr("same (0)")));
  EXPECT_EQ(pareto_figure({}, frontier, "figure", kEnglish), "");
}

TEST(VerificationJson, HoldsTheNumbersAndNamesItsKind) {
  const Verification v = full_verification();
  const json page = json::parse(verification_json(v));
  EXPECT_EQ(page["schema_version"], 1);
  EXPECT_EQ(page["kind"], "verification");
  EXPECT_EQ(page["files"].size(), 6u);
  EXPECT_EQ(page["texts"].size(), 2u);
  const json& text = page["texts"][0];
  EXPECT_EQ(text["files"][0]["kl"]["mean"].get<double>(), v.texts[0].files[0].kl.mean);
  EXPECT_EQ(text["against"][2]["file"], "smol-Q4_K_M.gguf");
  EXPECT_EQ(text["against"][2]["ratio"]["interval"][0].get<double>(),
            v.texts[0].against[2].ratio.interval->low);
  EXPECT_EQ(text["against"][2]["standing"], "better");
  EXPECT_EQ(text["planned_on"], nullptr);
  EXPECT_EQ(page["plan"]["frontier"].size(), v.plan->frontier.size());
  EXPECT_EQ(json::parse(verification_json(small_verification()))["plan"], nullptr);
}

TEST(VerificationJson, IsNotTakenForAComparison) {
  const auto comparisons = parse_comparison_json(verification_json(small_verification()));
  ASSERT_FALSE(comparisons);
  EXPECT_THAT(comparisons.error().where, HasSubstr("verification"));
}

TEST(VerificationCsv, HasARowForEveryFileAndPair) {
  const std::vector<ExportFile> files = verification_csv(full_verification());
  std::vector<std::string> names;
  for (const ExportFile& file : files) names.push_back(file.name);
  EXPECT_THAT(names, ElementsAre("files.csv", "against.csv", "chunks.csv", "dialogue.csv", "speed.csv",
                                 "frontier.csv"));
  EXPECT_EQ(occurrences(files[0].content, "\n"), 1u + 12);
  EXPECT_EQ(occurrences(files[1].content, "\n"), 1u + 10);
  EXPECT_EQ(occurrences(files[2].content, "\n"), 1u + 12 * 64);
  const auto columns = [](const std::string& line) { return occurrences(line, ","); };
  for (const ExportFile& file : files) {
    if (file.name == "dialogue.csv") continue;  // answers hold commas
    const size_t end = file.content.find('\n');
    const std::string head = file.content.substr(0, end),
                      first = file.content.substr(end + 1, file.content.find('\n', end + 1) - end - 1);
    EXPECT_EQ(columns(head), columns(first)) << file.name;
  }
  EXPECT_EQ(verification_csv(small_verification()).size(), 3u);
}

TEST(VerificationText, FitsATerminalAndCarriesNoMarkup) {
  const std::string text = verification_text(full_verification(), Language::kEnglish);
  EXPECT_THAT(text, AllOf(StartsWith("On wikitext-2"), Not(HasSubstr("`")), Not(HasSubstr("**")),
                          HasSubstr("smol-Q6_K.gguf")));
}

}  // namespace
}  // namespace fqlab::report
