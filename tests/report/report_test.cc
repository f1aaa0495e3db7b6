#include "fqlab/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "report/fixture.h"
#include "report/page_text.h"
#include "report/sections.h"
#include "testing.h"

namespace fqlab {
namespace {

using report::Text;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

std::vector<Comparison> every_fixture() {
  return {testing::fp8_norm(), testing::vacuous(), testing::itself(), testing::native_unresolved(),
          testing::different()};
}

std::string chinese(const Comparison& c) {
  return comparison_markdown({&c, 1}, Language::kTraditionalChinese);
}
Json json_of(const Comparison& c) { return Json::parse(comparison_json({&c, 1})); }

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> list;
  for (const auto& [key, value] : json.items()) list.push_back(key);
  return list;
}

TEST(Language, IsChosenByItsTag) {
  EXPECT_EQ(parse_language("en").value(), Language::kEnglish);
  EXPECT_EQ(parse_language("zh-TW").value(), Language::kTraditionalChinese);
  EXPECT_EQ(parse_language("zh-CN").error().code, ErrorCode::kUsage);
}

TEST(Markdown, LeavesNoPlaceholderUnfilled) {
  for (const Comparison& c : every_fixture()) {
    for (const std::string& text : {english(c), chinese(c)}) {
      EXPECT_EQ(text.find('{'), std::string::npos) << text.substr(text.find('{'), 80);
    }
  }
}

TEST(Markdown, HasTheEightSectionsInOrder) {
  for (const Comparison& c : every_fixture()) {
    const std::string text = english(c);
    size_t at = 0;
    for (const char* title :
         {"## 1. Summary", "## 2. What was changed", "## 3. Perplexity and divergence", "## 4. Dialogue",
          "## 5. Performance", "## 6. Conclusions", "## 7. Limits and next experiments", "## 8. Reproduce"}) {
      const size_t next = text.find(std::string("\n") + title + "\n", at);
      ASSERT_NE(next, std::string::npos) << title;
      at = next;
    }
  }
}

TEST(Markdown, TellsTheVerdictBeforeAnyNumber) {
  const std::string text = english(testing::different());
  EXPECT_LT(text.find("**Different**"), text.find("| Metric"));
}

TEST(Markdown, WarnsOfAVacuousExperiment) {
  const std::string text = english(testing::vacuous());
  EXPECT_THAT(text, HasSubstr("0 of 576 values changed: this experiment cannot show sensitivity."));
  EXPECT_THAT(chinese(testing::vacuous()), HasSubstr("這個實驗無法顯示敏感度"));
}

TEST(Markdown, ShowsNoSignOfNoiseWhereAllLogitsAreEqual) {
  for (const Comparison& c : {testing::vacuous(), testing::itself()}) {
    const std::string text = english(c);
    const std::string row = text.substr(text.find("| KL divergence (nats) |"));
    EXPECT_THAT(row.substr(0, row.find('\n')), HasSubstr("| 0 |"));
    const std::string top = text.substr(text.find("| Same top token |"));
    EXPECT_THAT(top.substr(0, top.find('\n')), AllOf(HasSubstr("100 %"), Not(HasSubstr("["))));
    EXPECT_THAT(text, Not(HasSubstr("±")));
  }
}

TEST(Markdown, PrintsTheFloorBesideTheDivergence) {
  const std::string text = english(testing::fp8_norm());
  const std::string row = text.substr(text.find("| KL divergence (nats) |"));
  EXPECT_THAT(row.substr(0, row.find('\n')),
              AllOf(HasSubstr("0.000803 [0.000752, 0.000854]"), HasSubstr("1.02e-12 [8.1e-13, 1.23e-12]")));
}

TEST(Markdown, SaysWhatWasNotMeasuredAndHowToMeasureIt) {
  const std::string text = english(testing::fp8_norm());
  EXPECT_THAT(text,
              HasSubstr("Dialogue was not measured in this run: this version does not measure it yet."));
  EXPECT_THAT(text, HasSubstr("fqlab quantize models/SmolLM2-135M-Instruct.Q4_1.gguf --recipe "
                              "0/ffn_norm=fp8_e4m3 -o variant.gguf"));
  EXPECT_THAT(text, HasSubstr("llama-bench -m models/SmolLM2-135M-Instruct.Q4_1.gguf -m variant.gguf -t 2"));
  Comparison off = testing::fp8_norm();
  off.notes = {{"dialogue", "switched_off"}, {"speed.load_ms", "switched_off"}};
  EXPECT_THAT(english(off), AllOf(HasSubstr("without `--no-dialogue`"), HasSubstr("without `--no-speed`")));
}

TEST(Markdown, SaysWhyAMeasurementFailed) {
  Comparison c = testing::fp8_norm();
  c.notes = {{"speed", "failed", "no space left (/tmp/x). free some"}};
  const Result<std::vector<Comparison>> again = parse_comparison_json(comparison_json(std::span(&c, 1)));
  ASSERT_TRUE(again) << to_string(again.error());
  for (const Comparison& each : {c, again->front()})
    EXPECT_THAT(english(each), AllOf(HasSubstr("Speed was not measured in this run: the measurement failed."),
                                     HasSubstr("no space left (/tmp/x). free some")));
  EXPECT_THAT(chinese(c), HasSubstr("這次執行沒有測量速度：測量失敗。"));
}

TEST(Markdown, HasNoEnglishHeadingInChinese) {
  for (const Comparison& c : every_fixture()) {
    const std::string text = chinese(c);
    for (const char* word :
         {"Summary", "Conclusion", "Perplexity", "Verdict", "Dialogue", "Reproduce", "Noise floor"}) {
      EXPECT_THAT(text, Not(HasSubstr(word)));
    }
  }
}

TEST(Markdown, KeepsNumbersTheSameInBothLanguages) {
  for (const char* number : {"24.4974", "0.000803 [0.000752, 0.000854]", "540", "1.02e-12"}) {
    EXPECT_THAT(english(testing::fp8_norm()), HasSubstr(number));
    EXPECT_THAT(chinese(testing::fp8_norm()), HasSubstr(number));
  }
}

TEST(Markdown, KeepsTablesWholeWhenDataHoldsPipes) {
  Comparison c = testing::fp8_norm();
  c.tensors[0].name = "a|b";
  EXPECT_THAT(english(c), HasSubstr("`a\\|b`"));
}

TEST(Markdown, GivesSeveralRecipesARowAndASectionEach) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::vacuous(), testing::different()};
  const std::string text = comparison_markdown(all, Language::kEnglish);
  EXPECT_LT(text.find("| `0/ffn_norm=fp8_e4m3` | ? inconclusive | 540 / 576"),
            text.find("## Recipe `0/ffn_norm=fp8_e4m3`"));
  EXPECT_THAT(text, AllOf(HasSubstr("## Recipe `0/ffn_norm=bf16`"), HasSubstr("### 8. Reproduce")));
}

TEST(Verdict, SaysHowManyMoreChunksWouldDecide) {
  Comparison c = testing::fp8_norm();
  // Top token flips 0.98 %, 90 % interval [0.75, 1.28] %, margin 1 %: half-width 0.265, distance 0.02, 16
  // chunks
  // -> 16 * (0.265/0.02)^2 = 2809 chunks, 2793 more, in two digits 2800.
  EXPECT_EQ(report::chunks_to_decide(c), 2800);
  EXPECT_THAT(report::verdict_sentence(c, Text(Language::kEnglish)),
              HasSubstr("About 2,800 more chunks would decide."));
}

TEST(Verdict, TellsAnEffectFromRoundOffOnlyWhenResolved) {
  const Text text(Language::kEnglish);
  EXPECT_THAT(report::verdict_sentence(testing::fp8_norm(), text), HasSubstr("The effect is real"));
  EXPECT_THAT(report::verdict_sentence(testing::native_unresolved(), text),
              HasSubstr("cannot be told from round-off"));
  EXPECT_THAT(report::verdict_sentence(testing::vacuous(), text), Not(HasSubstr("round-off")));
}

TEST(Verdict, NamesWhatLiesOutsideItsMargin) {
  const std::string sentence = report::verdict_sentence(testing::different(), Text(Language::kEnglish));
  EXPECT_THAT(sentence,
              AllOf(HasSubstr("perplexity +27.4 %"), HasSubstr("margin 0.01 nats"), HasSubstr("top token")));
}

TEST(Markdown, KeepsALongPromptOutOfItsHeading) {
  Comparison c = testing::different();
  c.dialogue[0].prompt = "First line.\n## Second line";
  EXPECT_THAT(english(c), HasSubstr("### Prompt: First line. …\n\n```\nFirst line.\n## Second line\n```"));
}

TEST(Markdown, CountsTokensFromOne) {
  EXPECT_THAT(english(testing::different()), HasSubstr("The answers part at token 10."));  // index 9
}

TEST(Markdown, NamesTheModelsWhereTheyDiffer) {
  std::vector<Comparison> all = {testing::fp8_norm(), testing::native_unresolved()};
  all[1].original.sha256 = std::string(64, 'c');
  const std::string text = comparison_markdown(all, Language::kEnglish);
  EXPECT_THAT(text, AllOf(HasSubstr("# Fake quantization report: 2 comparisons of several models"),
                          HasSubstr("| `gemma-3-270m-q4_k_m 0/ffn_norm=bf16` |")));
}

TEST(Markdown, DoubtsASpeedDifferenceThatTheSameFileShowsToo) {
  Comparison c = testing::different();
  EXPECT_THAT(english(c), Not(HasSubstr("may be the machine's own noise")));
  c.prompt_tps->aa_interval = Interval{0.4, 1.2};
  EXPECT_THAT(english(c),
              HasSubstr("(A/A) differs as much, so this difference may be the machine's own noise."));
}

TEST(Table, FitsATerminalOf120Columns) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::vacuous(), testing::native_unresolved()};
  std::istringstream lines(comparison_table(all, Language::kEnglish));
  std::string line;
  while (std::getline(lines, line))
    EXPECT_LE(line.size(), 124u);  // the verdict's sign takes 3 bytes, one column
}

TEST(Table, AlignsColumnsWithWideCharacters) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::vacuous()};
  for (const Language language : {Language::kEnglish, Language::kTraditionalChinese}) {
    const std::string table = comparison_table(all, language);
    EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
    EXPECT_THAT(table, AllOf(HasSubstr("540 / 576"), HasSubstr("0 / 576"), Not(HasSubstr("`"))));
  }
}

TEST(Table, IsFollowedByHowEachVerdictComesAbout) {
  const std::vector<Comparison> all = {testing::different(), testing::vacuous()};
  const std::vector<std::string> reasons = comparison_reasons(all, Language::kEnglish);
  ASSERT_THAT(reasons, ::testing::SizeIs(1)) << "a vacuous one says all in its row";
  EXPECT_THAT(reasons[0], AllOf(HasSubstr(": Different: outside its margin: "), HasSubstr("(margin "),
                                Not(HasSubstr("**"))));
}

TEST(Json, HasTheKeysOfTheSchemaInOrder) {
  const Json json = json_of(testing::different());
  EXPECT_THAT(keys(json),
              ElementsAre("schema_version", "tool", "command", "created", "original", "variant", "settings",
                          "changes", "as_stored", "storage_effect", "perplexity", "kl", "same_top",
                          "clusters", "dialogue", "speed", "verdicts", "environment", "logits_identical",
                          "per_chunk", "timing", "warnings", "power", "right_wrong", "kld_table",
                          "token_classes", "worst_positions", "corpora", "dialogue_summary", "notes"));
  EXPECT_THAT(keys(json["tool"]), ElementsAre("name", "version", "engine"));
  EXPECT_THAT(keys(json["original"]),
              ElementsAre("path", "sha256", "architecture", "parameters", "bytes", "layers", "kinds"));
  EXPECT_THAT(keys(json["changes"]["tensors"][0]),
              ElementsAre("name", "kind", "layer", "from", "format", "stored_as", "values", "changed",
                          "saturated", "flushed_to_zero", "relative_mse", "snr_db", "max_abs_error"));
  EXPECT_THAT(
      keys(json["perplexity"]),
      ElementsAre("original", "variant", "difference", "log_ratio", "log_ratio_interval", "original_interval",
                  "variant_interval", "seconds", "log_ratio_interval90", "design_effect"));
  EXPECT_THAT(keys(json["kl"]),
              ElementsAre("mean", "interval", "median", "p90", "p95", "p99", "p999", "max", "resolved",
                          "noise_floor", "matched_control", "interval90", "histogram", "by_position"));
  EXPECT_THAT(keys(json["dialogue"][0]),
              ElementsAre("prompt", "original", "variant", "identical", "first_divergent_token",
                          "teacher_forced_agreement", "chat_template", "conversation", "tokens", "kl_mean",
                          "sampled"));
  EXPECT_THAT(keys(json["speed"]["load_ms"]),
              ElementsAre("original", "variant", "ratio", "interval", "interval90", "aa_interval",
                          "aa_interval90", "blocks"));
  EXPECT_THAT(keys(json["verdicts"]), ElementsAre("weights", "perplexity", "kl", "same_top", "dialogue",
                                                  "load", "prompt", "generation", "overall"));
}

TEST(Json, SaysHowGeluWasComputedAndReadsItBack) {
  Comparison c = testing::fp8_norm();
  EXPECT_TRUE(json_of(c)["settings"]["gelu"].is_null());
  EXPECT_THAT(english(c), Not(HasSubstr("GELU")));
  for (const auto& [gelu, word] : {std::pair(Gelu::kExact, "exact"), std::pair(Gelu::kEngine, "engine")}) {
    c.settings.gelu = gelu;
    EXPECT_EQ(json_of(c)["settings"]["gelu"], word);
    EXPECT_EQ(parse_comparison_json(comparison_json({&c, 1})).value()[0].settings.gelu, gelu);
  }
  EXPECT_THAT(english(c),
              HasSubstr("| GELU | llama.cpp's own, rounded to 16 bits where the model has GELU, and"));
  EXPECT_THAT(chinese(c), HasSubstr("| GELU | llama.cpp 自身的做法：模型若有 GELU 則捨入到 16 位元，"));
}

TEST(Json, ReadsBackToTheSameDouble) {
  Comparison c = testing::fp8_norm();
  c.kl.mean = 0.1 + 0.2;
  c.kl.max = 5e-324;
  c.perplexity.original = 24.497400000000001;
  const Json json = json_of(c);
  EXPECT_EQ(json["kl"]["mean"].get<double>(), 0.1 + 0.2);
  EXPECT_EQ(json["kl"]["max"].get<double>(), 5e-324);
  EXPECT_EQ(json["perplexity"]["original"].get<double>(), 24.497400000000001);
}

void collect_nulls(const Json& json, const std::string& path, std::vector<std::string>& nulls) {
  if (json.is_null()) nulls.push_back(path);
  if (json.is_structured()) {
    for (const auto& [key, value] : json.items())
      collect_nulls(value, path.empty() ? key : path + "." + key, nulls);
  }
}

TEST(Json, ExplainsEveryNull) {
  for (const Comparison& c : every_fixture()) {
    const Json json = json_of(c);
    std::vector<std::string> nulls;
    collect_nulls(json, "", nulls);
    for (const std::string& path : nulls) {
      const bool explained = std::any_of(json["notes"].begin(), json["notes"].end(), [&](const Json& note) {
        const std::string key = note["key"];
        return path == key || path.starts_with(key + ".");
      });
      EXPECT_TRUE(explained) << path;
    }
  }
}

TEST(Json, WritesANumberThatIsNotFiniteAsNullWithANote) {
  Comparison c = testing::fp8_norm();
  c.perplexity.variant = std::numeric_limits<double>::infinity();
  const Json json = json_of(c);
  EXPECT_TRUE(json["perplexity"]["variant"].is_null());
  EXPECT_THAT(json["notes"].dump(), HasSubstr("not_finite"));
}

TEST(Json, ReadsNoNumberAsAnother) {
  Json json = json_of(testing::fp8_norm());
  const auto read_back = [&] { return parse_comparison_json(json.dump()); };
  json["perplexity"]["log_ratio"] = nullptr;
  EXPECT_TRUE(std::isnan(read_back().value()[0].perplexity.log_ratio));
  json["verdicts"]["overall"] = "Different";
  EXPECT_EQ(read_back().error().code, ErrorCode::kInput);
  json["verdicts"]["overall"] = "different";
  for (const char* key : {"chunks", "n_ctx"})
    for (const Json& wrong : {Json(-5), Json(1e300)}) {
      Json other = json;
      other["settings"][key] = wrong;
      EXPECT_EQ(parse_comparison_json(other.dump()).error().code, ErrorCode::kInput) << key << wrong;
    }
  EXPECT_EQ(parse_comparison_json(R"({"schema_version": 1, "comparisons": []})").error().code,
            ErrorCode::kInput);
}

TEST(Json, LeavesOutWhatSaturatedWhereNobodyCounts) {
  Comparison c = testing::fp8_norm();
  c.tensors.front().saturated.reset();
  EXPECT_TRUE(json_of(c)["changes"]["tensors"][0]["saturated"].is_null());
  EXPECT_FALSE(parse_comparison_json(comparison_json({&c, 1})).value()[0].tensors.front().saturated);
  EXPECT_THAT(english(c), HasSubstr("| 576 | 540 | – | 3 |"));
}

TEST(Report, PrintsPromptsAsTheyAre) {
  Comparison c = testing::different();
  ASSERT_FALSE(c.dialogue.empty());
  c.dialogue.front().prompt = "What is 2**3**4 in `C`?";
  EXPECT_THAT(english(c), AllOf(HasSubstr("Prompt 1\n"), HasSubstr("What is 2**3**4 in `C`?")));
  EXPECT_THAT(english(c), Not(HasSubstr("Prompt: What is 2**3")));
}

TEST(Json, HoldsSeveralComparisonsUnderOneKey) {
  const std::vector<Comparison> all = {testing::fp8_norm(), testing::vacuous()};
  const Json json = Json::parse(comparison_json(all));
  EXPECT_EQ(json["schema_version"], 1);
  ASSERT_EQ(json["comparisons"].size(), 2u);
  EXPECT_EQ(json["comparisons"][1]["verdicts"]["overall"], "vacuous");
}

TEST(WriteReport, WritesOneReportALanguage) {
  const testing::TemporaryFolder folder;
  const Comparison c = testing::fp8_norm();
  const Language languages[] = {Language::kEnglish, Language::kTraditionalChinese};
  const auto written = write_report({&c, 1}, languages, folder / "deep/out");
  ASSERT_TRUE(written.has_value()) << to_string(written.error());
  for (const char* name : {"report.json", "report.md", "report.zh-TW.md"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / "deep/out" / name)) << name;
  }
  EXPECT_EQ(testing::read_file(folder / "deep/out/report.md"), english(c));
}

TEST(WriteReport, RefusesAFolderThatCannotBeMade) {
  const testing::TemporaryFolder folder;
  testing::write_file(folder / "file", "");
  const Comparison c = testing::fp8_norm();
  const Language languages[] = {Language::kEnglish};
  EXPECT_EQ(write_report({&c, 1}, languages, folder / "file/out").error().code, ErrorCode::kSystem);
}

TEST(ShellQuote, LetsTheShellReadTheSameBack) {
  EXPECT_EQ(report::shell_quote("0/ffn_norm=fp8_e4m3"), "0/ffn_norm=fp8_e4m3");
  EXPECT_EQ(report::shell_quote("*=f32"), "'*=f32'");
  EXPECT_EQ(report::shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(report::shell_quote(""), "''");
}

}  // namespace
}  // namespace fqlab
