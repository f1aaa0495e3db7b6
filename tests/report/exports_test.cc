#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fqlab/report.h"
#include "report/fixture.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::ordered_json;

std::string exported(const std::vector<Comparison>& all, ExportFormat format, const std::string& name) {
  const auto files = export_comparisons(all, format);
  for (const ExportFile& file : files) {
    if (file.name == name) return file.content;
  }
  return "no file " + name;
}

size_t fields(const std::string& line) {
  size_t count = 1;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++count;
  }
  return count;
}

TEST(ReadJson, GivesTheSameReportAgain) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::vacuous(), testing::itself(),
                                       testing::native_unresolved(), testing::different()};
  for (const Comparison& c : all) {
    const auto again = parse_comparison_json(comparison_json({&c, 1}));
    ASSERT_TRUE(again.has_value()) << to_string(again.error());
    ASSERT_EQ(again->size(), 1u);
    for (const Language language : {Language::kEnglish, Language::kTraditionalChinese}) {
      EXPECT_EQ(comparison_markdown(*again, language), comparison_markdown({&c, 1}, language));
    }
  }
  EXPECT_EQ(parse_comparison_json(comparison_json(all))->size(), all.size());
}

TEST(ReadJson, GivesTheSameJsonAgain) {
  const Comparison c = testing::different();
  const std::string json = comparison_json({&c, 1});
  const auto again = parse_comparison_json(json);
  Json first = Json::parse(json), second = Json::parse(comparison_json(*again));
  first.erase("notes"), second.erase("notes");  // notes that were inferred come back as given ones
  EXPECT_EQ(first, second);
}

TEST(ReadJson, RefusesWhatIsNoReport) {
  for (const char* text :
       {"", "[]", "{}", "{\"schema_version\": 2}", "{\"schema_version\": 1}",
        "{\"schema_version\":1,\"perplexity\":3,\"kl\":[],\"same_top\":{},\"verdicts\":{}}"}) {
    const auto result = parse_comparison_json(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().code, ErrorCode::kInput);
  }
}

TEST(Csv, HasAsManyFieldsAsItsHeaderInEveryRow) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::vacuous(), testing::different()};
  const auto files = export_comparisons(all, ExportFormat::kCsv);
  ASSERT_EQ(files.size(), 6u);
  for (const ExportFile& file : files) {
    std::istringstream lines(file.content);
    std::string header, line;
    std::getline(lines, header);
    while (std::getline(lines, line)) EXPECT_EQ(fields(line), fields(header)) << file.name << ": " << line;
  }
}

TEST(Csv, QuotesWhatNeedsQuotes) {
  EXPECT_THAT(exported({testing::different()}, ExportFormat::kCsv, "dialogue.csv"),
              HasSubstr("\"In a small town lived a robot named Zeta, who loved <gears> & \"\"music\"\".\""));
}

TEST(Csv, KeepsFullPrecision) {
  Comparison c = testing::fp8_norm();
  c.kl.mean = 0.1 + 0.2;
  EXPECT_THAT(exported({c}, ExportFormat::kCsv, "comparisons.csv"), HasSubstr(",0.30000000000000004,"));
}

TEST(JsonLines, HasOneObjectALine) {
  std::istringstream lines(
      exported({testing::fp8_norm(), testing::vacuous()}, ExportFormat::kJsonLines, "report.jsonl"));
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    ++count;
    EXPECT_EQ(Json::parse(line)["schema_version"], 1);
  }
  EXPECT_EQ(count, 2);
}

TEST(LlamaBench, ListsPromptAndGenerationOfBothFiles) {
  const Json list =
      Json::parse(exported({testing::different()}, ExportFormat::kLlamaBench, "llama-bench.json"));
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0]["n_prompt"], 512);
  EXPECT_EQ(list[0]["avg_ts"], 311.2);
  EXPECT_EQ(list[0].size(), 43u);  // all keys of llama-bench, samples_ns and samples_ts included
  EXPECT_TRUE(list[0]["type_k"].is_null());
  EXPECT_EQ(list[3]["n_gen"], 128);
  EXPECT_THAT(list[3]["model_filename"].get<std::string>(), HasSubstr("*=mxfp4"));
}

TEST(LlamaBench, IsAnEmptyListWhereNoSpeedWasMeasured) {
  EXPECT_EQ(exported({testing::fp8_norm()}, ExportFormat::kLlamaBench, "llama-bench.json"), "[]\n");
}

TEST(Exports, HaveTheirNamesBeforeAnythingIsMeasured) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::different()};
  for (const ExportFormat format :
       {ExportFormat::kCsv, ExportFormat::kJsonLines, ExportFormat::kLlamaBench, ExportFormat::kLmEval}) {
    std::vector<std::string> names;
    for (const ExportFile& file : export_comparisons(all, format)) names.push_back(file.name);
    EXPECT_EQ(export_file_names(format, all.size()), names);
  }
}

TEST(LmEval, PutsMetricsUnderTheTask) {
  const Json json =
      Json::parse(exported({testing::fp8_norm()}, ExportFormat::kLmEval, "results_variant.json"));
  EXPECT_EQ(json["results"]["wikitext-2-raw.test"]["token_perplexity,none"], 24.5031);
  EXPECT_EQ(json["results"]["wikitext-2-raw.test"]["kl_mean,none"], 0.000803);
  EXPECT_EQ(json["higher_is_better"]["wikitext-2-raw.test"]["same_top"], true);
  EXPECT_THAT(json["config"]["model_args"].get<std::string>(), StartsWith("pretrained=models/SmolLM2"));
}

TEST(LmEval, NamesATaskAfterAFolderOrAfterAllTexts) {
  Comparison c = testing::fp8_norm();
  c.settings.corpus.path = "texts/letters/";
  EXPECT_TRUE(Json::parse(exported({c}, ExportFormat::kLmEval, "results_variant.json"))["results"].contains(
      "letters"));
  c.corpora.resize(2);
  c.corpora[0].name = "wiki", c.corpora[1].name = "letters";
  EXPECT_TRUE(Json::parse(exported({c}, ExportFormat::kLmEval, "results_variant.json"))["results"].contains(
      "wiki+letters"));
}

TEST(ExportFormat, IsChosenByName) {
  EXPECT_EQ(parse_export_format("lm-eval").value(), ExportFormat::kLmEval);
  EXPECT_EQ(parse_export_format("xml").error().code, ErrorCode::kUsage);
}

TEST(Thresholds, AreReadAsNatsAndFractions) {
  const auto list = parse_thresholds("kl=0.01,ppl=1%,top=0.02");
  ASSERT_TRUE(list.has_value());
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ((*list)[0].limit, 0.01);
  EXPECT_EQ((*list)[1].limit, 0.01);
  EXPECT_EQ((*list)[2].limit, 0.02);
}

TEST(Thresholds, RefuseWhatTheyDoNotKnow) {
  for (const char* text :
       {"", "kl", "kl=", "kl=1%", "kl=-1", "kl=nan", "kl=inf", "ppl=1 %", "speed=1", "kl=0.1,", "kl=0.1x"}) {
    EXPECT_EQ(parse_thresholds(text).error().code, ErrorCode::kUsage) << text;
  }
}

TEST(Thresholds, AreCrossedByThePointEstimate) {
  const auto limits = parse_thresholds("kl=0.0008,ppl=1%,top=1%");
  const auto checks = check_thresholds(testing::fp8_norm(), *limits);
  EXPECT_TRUE(checks[0].crossed);     // 0.000803 exceeds 0.0008
  EXPECT_EQ(checks[0].clear, false);  // but its interval begins at 0.000752
  EXPECT_FALSE(checks[1].crossed);
  EXPECT_EQ(checks[1].clear, true);
  EXPECT_FALSE(checks[2].crossed);    // 0.98 %
  EXPECT_EQ(checks[2].clear, false);  // up to 1.34 %
  EXPECT_THAT(describe(checks[0], Language::kEnglish),
              HasSubstr("exceeds the limit of 0.0008 nats. The interval reaches across"));
  EXPECT_THAT(describe(checks[0], Language::kTraditionalChinese), HasSubstr("超過上限"));
}

TEST(Thresholds, AreNotKeptByWhatIsNoNumber) {
  Comparison c = testing::fp8_norm();
  c.kl.mean = std::nan("");
  EXPECT_TRUE(check_thresholds(c, *parse_thresholds("kl=0.01"))[0].crossed);
}

TEST(Thresholds, LetALowerPerplexityPass) {
  Comparison c = testing::different();
  c.perplexity.log_ratio = -0.2;
  c.perplexity.log_ratio_interval = Interval{-0.25, -0.15};
  EXPECT_FALSE(check_thresholds(c, *parse_thresholds("ppl=1%"))[0].crossed);
}

TEST(Thresholds, OfZeroAreKeptByAnIdenticalPair) {
  for (const ThresholdCheck& check :
       check_thresholds(testing::itself(), *parse_thresholds("kl=0,ppl=0,top=0"))) {
    EXPECT_FALSE(check.crossed);
    EXPECT_EQ(check.clear, true);
  }
}

}  // namespace
}  // namespace fqlab
