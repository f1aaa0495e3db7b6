#include "fqlab/map_report.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "base/utf8.h"
#include "map_fixture.h"
#include "report/page_text.h"
#include "report/terminal_width.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using testing::empty_map;
using ::testing::HasSubstr;
using testing::kMapKinds;
using ::testing::Not;
using testing::sweep_map;

std::string without_code(std::string html) {
  for (const char* pattern : {"<pre[^>]*>[^]*?</pre>", "<code[^>]*>[^]*?</code>", "<style>[^]*?</style>"})
    html = std::regex_replace(html, std::regex(pattern), " ");
  return html;
}

std::vector<std::vector<std::string>> csv_rows(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    rows.emplace_back();
    std::istringstream fields(line + ",");
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

TEST(MapJson, ReadsBackToTheSameMap) {
  for (const SensitivityMap& map : {sweep_map(), empty_map()}) {
    const std::string json = map_json(map);
    const Result<SensitivityMap> back = parse_map_json(json);
    ASSERT_TRUE(back.has_value()) << to_string(back.error());
    EXPECT_EQ(map_json(*back), json);
    ASSERT_EQ(back->cells.size(), map.cells.size());
    for (size_t i = 0; i < map.cells.size(); ++i) {
      EXPECT_EQ(back->cells[i].kl, map.cells[i].kl);
      EXPECT_EQ(back->cells[i].group, map.cells[i].group);
      EXPECT_EQ(back->cells[i].mode, map.cells[i].mode);
      EXPECT_EQ(back->cells[i].state, map.cells[i].state);
      EXPECT_EQ(back->cells[i].chunks.size(), map.cells[i].chunks.size());
    }
  }
}

TEST(MapJson, NamesFormatAndGroupOfEachCell) {
  const auto json = nlohmann::json::parse(map_json(sweep_map()));
  EXPECT_EQ(json["kind"], "sensitivity_map");
  EXPECT_EQ(json["cells"][0]["format"], "int4:g32");
  EXPECT_EQ(json["cells"][0]["group"], "blk.0.attn_q.weight");
  EXPECT_EQ(json["cells"][0]["mode"], "only");
  EXPECT_EQ(json["cells"][0]["chunks"].size(), 8u);
  EXPECT_EQ(json["additivity"][0]["format"], "int4:g32");
}

TEST(MapJson, SaysWhatIsWrongWithAnotherFile) {
  EXPECT_EQ(parse_map_json("no json").error().code, ErrorCode::kInput);
  EXPECT_EQ(parse_map_json(R"({"schema_version": 1})").error().where, "kind");
  auto json = nlohmann::json::parse(map_json(empty_map()));
  json["schema_version"] = 2;
  EXPECT_EQ(parse_map_json(json.dump()).error().where, "schema_version");
  json["schema_version"] = 1;
  json["cells"][3]["group"] = "elsewhere";
  EXPECT_EQ(parse_map_json(json.dump()).error().where, "cells.3.group");
  json["cells"] = 5;
  EXPECT_EQ(parse_map_json(json.dump()).error().code, ErrorCode::kInput);
}

TEST(MapCsv, HasARowForEachCellWithAsManyFieldsAsItsHeading) {
  const SensitivityMap map = sweep_map();
  for (const ExportFile& file : map_csv(map)) {
    const auto rows = csv_rows(file.content);
    ASSERT_GT(rows.size(), 1u) << file.name;
    for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size()) << file.name;
    if (file.name == "cells.csv") {
      EXPECT_EQ(rows.size(), map.cells.size() + 1);
    } else if (file.name == "curves.csv") {
      EXPECT_EQ(rows.size(), 61u);
    } else if (file.name == "additivity.csv") {
      EXPECT_EQ(rows.size(), 2u);
    } else {
      EXPECT_EQ(rows[1][5], "1.0");
    }
  }
}

TEST(MapPage, ShowsEveryStateOfACellByMoreThanColour) {
  const std::string html = map_html(sweep_map(), Language::kEnglish);
  EXPECT_EQ(occurrences(html, ">failed</text>"), 2u);
  EXPECT_THAT(html, AllOf(HasSubstr("class=\"hatch\""), HasSubstr("(not told from the floor)"),
                          HasSubstr(">≈"), HasSubstr("signal 9"), HasSubstr("<svg")));
}

TEST(MapPage, DrawsEachFigureWithATableBehind) {
  const std::string html = map_html(sweep_map(), Language::kEnglish);
  const size_t figures = occurrences(html, "<figure>");
  EXPECT_EQ(figures, 3u + 2 + 3 + 1 + 2);  // heatmaps, profiles, rankings, curves, predictions
  EXPECT_EQ(occurrences(html, "<svg"), figures);
  EXPECT_EQ(occurrences(html, "<details>"), figures);
}

TEST(MapPage, TellsSizeAndVerdictOfEachFormatAndOnlyTheStatesThatCellsAreIn) {
  SensitivityMap map = sweep_map();
  std::string page = map_markdown(map, Language::kEnglish);
  EXPECT_THAT(
      page,
      HasSubstr("| Format | Bits a weight (size of all these) | All together (nats) | Against 0.01 nats | "
                "Perplexity change | "
                "Flipped top tokens | Measured | Not told from the floor | Stored exactly | Failed | Not "
                "measured |"));
  EXPECT_THAT(page, ContainsRegex(R"(\| `int4:g32` \| 5\.00 \(66\.4 MB\) \| 0\.[^|]* \| above \|)"));
  EXPECT_THAT(page, HasSubstr("| `bf16` | 16.00 | – | – |"));
  MapCell& joint = map.cells.back();
  joint.kl_interval = Interval{0.001, 0.009};
  EXPECT_THAT(map_markdown(map, Language::kEnglish), HasSubstr("| below |"));
  joint.kl_interval = Interval{0.001, 0.02};
  EXPECT_THAT(map_markdown(map, Language::kEnglish), HasSubstr("| open: more text |"));

  std::erase_if(map.cells, [](const MapCell& cell) { return cell.format != 0; });
  map.formats.resize(1);
  page = map_markdown(map, Language::kEnglish);
  EXPECT_THAT(page, HasSubstr("Flipped top tokens | Measured |\n"));
}

TEST(MapPage, CountsKindsOutsideTheLayersToo) {
  SensitivityMap map = sweep_map();
  map.groups.push_back({"token_embd.weight",
                        "tensor",
                        std::nullopt,
                        "token_embd",
                        "token_embd",
                        {"token_embd.weight"},
                        28'311'552});
  MapCell& cell = map.cells.emplace_back();
  cell.group = map.groups.size() - 1;
  cell.values_changed = 28'000'000;
  testing::measure(cell, 0.5, 8, 77);
  EXPECT_THAT(
      map_markdown(completed(std::move(map)), Language::kEnglish),
      HasSubstr(
          "By kind, `token_embd` cost the most in sum and for its number of weights (0.46 nats for 19 %"));
}

TEST(MapPage, TellsWhatTheNormsAddUpTo) {
  SensitivityMap map = sweep_map();
  EXPECT_THAT(map_markdown(map, Language::kEnglish), Not(HasSubstr("norms carry")));
  for (const int layer : {0, 1}) {
    const std::string tensor = "blk." + std::to_string(layer) + ".ffn_norm.weight";
    map.groups.push_back({tensor, "tensor", layer, "ffn_norm", tensor, {tensor}, 576});
    MapCell& cell = map.cells.emplace_back();
    cell.group = map.groups.size() - 1;
    cell.values_changed = 500;
    testing::measure(cell, 1e-4, 8, 77);
  }
  map = completed(std::move(map));
  EXPECT_THAT(
      map_markdown(map, Language::kEnglish),
      ContainsRegex("The 2 norms carry 0\\.[0-9]+ % of the sum of all effects, with 0\\.00[0-9]+ % of "
                    "the weights"));
  EXPECT_THAT(map_markdown(map, Language::kTraditionalChinese), HasSubstr("2 個正規化張量（norm）"));
}

TEST(MapPage, SaysWhichColumnsAreOfOtherTextWherePartsHaveOtherChunks) {
  SensitivityMap map = sweep_map();
  for (MapCell& cell : map.cells)
    if (cell.measured()) cell.chunks.resize(8);
  EXPECT_THAT(map_markdown(map, Language::kEnglish), Not(HasSubstr("the same text in every column")));
  map.cells.front().chunks.resize(2);
  EXPECT_THAT(map_markdown(map, Language::kEnglish), HasSubstr("the same text in every column"));
  EXPECT_THAT(map_markdown(map, Language::kTraditionalChinese), HasSubstr("每一欄都是同樣的文本"));
}

TEST(MapPage, NamesTheMostSensitivePartAndCommandsToPaste) {
  SensitivityMap map = sweep_map();
  map.study.n_ctx = 128;
  const std::string html = map_html(map, Language::kEnglish);
  EXPECT_THAT(
      html, AllOf(HasSubstr("Largest single effects"), HasSubstr("best use of bytes"), HasSubstr("0/attn_v"),
                  HasSubstr("0/ffn_down"), HasSubstr("--retry-failed"), HasSubstr("=f32")));
  EXPECT_THAT(html, HasSubstr("times the effect of everything together"));
  for (const char* command : {"fqlab compare", "fqlab sweep", "fqlab plan"})
    EXPECT_THAT(html, ContainsRegex(std::string(command) + "[^<]* --ctx 128 "));
}

TEST(MapPage, ProtectsFirstWhatHelpsMostWhereAllButOnePartChange) {
  SensitivityMap map = testing::small_study();
  map.formats = {"mxfp4"};
  for (int kind = 0; kind < 5; ++kind) {
    map.groups.push_back({kMapKinds[kind], "kind", std::nullopt, kMapKinds[kind], kMapKinds[kind], {}, 1000});
    MapCell& cell = map.cells.emplace_back();
    cell.group = map.groups.size() - 1;
    cell.mode = MapMode::kExcept;
    cell.values_changed = 1000;
    testing::measure(cell, 0.05 - 0.01 * kind, 8, kind);
  }
  map.cells.back().values_changed = 0;  // all but this part is stored exactly, so it alone does the damage
  const std::string text = map_markdown(completed(map), Language::kEnglish);
  EXPECT_THAT(text, AllOf(HasSubstr("Protect first for `mxfp4`: `ffn_gate`, `attn_output` and `attn_v`."),
                          HasSubstr("with everything but `ffn_gate` changed the least is lost"),
                          HasSubstr("ffn_gate=f32"), Not(HasSubstr("times the median"))));
}

TEST(MapPage, NamesNoPartToProtectWhereNothingHasAnEffect) {
  SensitivityMap map = testing::small_study();
  map.formats = {"f32"};
  map.groups.push_back({"ffn_up", "kind", std::nullopt, "ffn_up", "ffn_up", {}, 1000});
  testing::measure(map.cells.emplace_back(), 0, 8, 1);
  EXPECT_THAT(map_markdown(completed(map), Language::kEnglish),
              AllOf(Not(HasSubstr("Largest single")), HasSubstr("no part has an effect")));
}

TEST(MapPage, OfAPlansStudySpeaksOfRealTypes) {
  SensitivityMap map = sweep_map();
  map.formats = {"real:gguf:q4_0", "real:gguf:q8_0", "real:gguf:q5_0"};
  map.study.command = {"fqlab", "plan", "m.gguf"};
  map.study.warnings = {"few_chunks"};
  const std::string text = map_markdown(map, Language::kEnglish);
  EXPECT_THAT(
      text, AllOf(HasSubstr("to the real types of llama.cpp"), HasSubstr("the changed part in its real type"),
                  Not(HasSubstr("fake quantization keeps only"))));
  EXPECT_THAT(
      text, AllOf(Not(HasSubstr("--retry-failed\n")), Not(HasSubstr("--recipe")), Not(HasSubstr("--mode"))));
  EXPECT_THAT(text, AllOf(HasSubstr("fewer than 10 chunks"), Not(HasSubstr("--top"))));
  map.formats = sweep_map().formats;
  EXPECT_THAT(map_markdown(map, Language::kEnglish),
              AllOf(HasSubstr("fewer than 10 chunks"), HasSubstr("`--top 10`")));
}

TEST(MapPage, OfAStudyOfBothKindsSaysSo) {
  SensitivityMap map = sweep_map();
  map.formats.back() = "real:gguf:q5_0";
  EXPECT_THAT(
      map_markdown(map, Language::kEnglish),
      AllOf(
          HasSubstr("by fake quantization, or (`real:`) to the real types of llama.cpp, whose kernels round "
                    "the activations too, everything else"),
          HasSubstr("fake quantization keeps only")));
}

TEST(MapPage, ProposesARaceWhereTheTenLargestAreOpen) {
  const auto with_ranks = [](double reach) {
    SensitivityMap map = sweep_map();
    for (MapCell& cell : map.cells)
      if (cell.rank) cell.rank_interval = Interval{*cell.rank, *cell.rank + reach};
    return map_markdown(map, Language::kEnglish);
  };
  EXPECT_THAT(with_ranks(0), Not(HasSubstr("the ten largest")));
  EXPECT_THAT(with_ranks(1), AllOf(HasSubstr("the ten largest"), HasSubstr("--top 10")));
}

TEST(MapPage, AsksNothingOfTheNetworkAndRunsNoScript) {
  const std::string html = map_html(sweep_map(), Language::kEnglish);
  for (const char* part : {"<script", "src=", "url(", "@import", "javascript:"})
    EXPECT_THAT(html, Not(HasSubstr(part)));
}

TEST(MapPage, HasUniqueIds) {
  const std::string html = map_html(sweep_map(), Language::kEnglish);
  static const std::regex kId(" id=\"([^\"]*)\"");
  std::vector<std::string> ids(std::sregex_token_iterator(html.begin(), html.end(), kId, 1), {});
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  EXPECT_GT(ids.size(), 8u);
}

TEST(MapPage, LeavesNoEnglishSentenceInChinese) {
  static const std::regex kSentence(R"([A-Za-z]{2,} [a-z]{2,} [a-z]{2,})");
  for (const SensitivityMap& map : {sweep_map(), empty_map()}) {
    const std::string html = map_html(map, Language::kTraditionalChinese);
    EXPECT_THAT(html, HasSubstr("lang=\"zh-Hant-TW\""));
    const std::string prose = std::regex_replace(without_code(html), std::regex("<[^>]*>"), "\n");
    std::smatch found;
    EXPECT_FALSE(std::regex_search(prose, found, kSentence)) << found.str();
  }
}

TEST(MapPage, LeavesNoPlaceholderUnfilled) {
  for (const Language language : {Language::kEnglish, Language::kTraditionalChinese})
    for (const SensitivityMap& map : {sweep_map(), empty_map()}) {
      EXPECT_THAT(without_code(map_html(map, language)), Not(HasSubstr("{")));
      EXPECT_THAT(map_markdown(map, language), Not(HasSubstr("{")));
    }
}

TEST(MapPage, DrawsFormatsThatAreDecadesApartInFiguresOfTheirOwn) {
  const std::string html = map_html(sweep_map(), Language::kEnglish);
  EXPECT_THAT(html, AllOf(HasSubstr(">int4:g32 and fp8_e4m3: KL divergence along"),
                          HasSubstr(">bf16: KL divergence along")));
}

TEST(MapPage, SaysThatNothingWasMeasured) {
  const std::string html = map_html(empty_map(), Language::kEnglish);
  EXPECT_THAT(html, AllOf(HasSubstr("Nothing has been measured yet."), HasSubstr("No noise floor"),
                          HasSubstr("all layers")));
}

TEST(MapPage, IsTheSameEveryTime) {
  EXPECT_EQ(map_html(sweep_map(), Language::kEnglish), map_html(sweep_map(), Language::kEnglish));
  EXPECT_EQ(map_markdown(sweep_map(), Language::kEnglish), map_markdown(sweep_map(), Language::kEnglish));
}

TEST(MapMarkdown, KeepsRankingsShort) {
  const std::string markdown = map_markdown(sweep_map(), Language::kEnglish);
  EXPECT_LT(occurrences(markdown, "\n"), 500u);
  EXPECT_THAT(markdown, HasSubstr("| Part | Rank [95 %] |"));
}

TEST(MapFiles, AreWrittenForEachLanguage) {
  const testing::TemporaryFolder folder;
  const Language languages[] = {Language::kEnglish, Language::kTraditionalChinese};
  const auto written = write_map_report(sweep_map(), languages, folder / "map");
  ASSERT_TRUE(written.has_value());
  std::vector<std::string> names;
  for (const auto& path : *written) names.push_back(path.filename().string());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("map.json", "map.html", "map.md", "map.zh-TW.html",
                                                     "map.zh-TW.md", "cells.csv", "ranking.csv",
                                                     "additivity.csv", "curves.csv"));
}

TEST(MapText, PrintsTheCurvesOfSeveralLayersAtOnce) {
  SensitivityMap map = sweep_map();
  EXPECT_THAT(map_text(map, {}), HasSubstr("KL divergence as more layers change"));
  std::erase_if(map.cells, [](const MapCell& cell) {
    return cell.mode != MapMode::kCumulativeFront && cell.mode != MapMode::kCumulativeBack;
  });
  const std::string curves = map_text(map, {});
  EXPECT_THAT(curves, HasSubstr("KL divergence as more layers change"));
  EXPECT_EQ(std::ranges::count(curves, '\n'), 3 + 1 + map.study.layers);  // model, blank, title, head
}

size_t widest_line(const std::string& text) {
  size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    widest = std::max(
        widest, static_cast<size_t>(std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; })));
  return widest;
}

TEST(MapText, FitsEightyColumnsWithoutColour) {
  const std::string text = map_text(sweep_map(), {});
  EXPECT_LE(widest_line(text), 80u);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_THAT(text, AllOf(HasSubstr("0/attn_v"), HasSubstr("ffn_down"), HasSubstr("█")));
}

TEST(TerminalWidth, CutsBetweenCharacters) {
  using report::cut_end, report::cut_start;
  EXPECT_EQ(cut_start("attn_output", 20), "attn_output");
  EXPECT_EQ(cut_start("attn_output", 7), "…output");
  EXPECT_EQ(cut_end("attn_output", 7), "attn_o…");
  EXPECT_EQ(cut_start("所有種類", 8), "所有種類");
  for (const size_t most : {2, 3, 4, 5, 6, 7}) {
    EXPECT_LE(report::display_width(cut_start("所有種類", most)), most);
    EXPECT_LE(report::display_width(cut_end("所有種類", most)), most);
    EXPECT_EQ(with_broken_bytes_spelled(cut_start("所有種類", most)).find('<'), std::string::npos);
    EXPECT_EQ(with_broken_bytes_spelled(cut_end("所有種類", most)).find('<'), std::string::npos);
  }
}

TEST(MapFindings, ProposeKindsThatWereMeasuredInTheFormat) {
  SensitivityMap map = sweep_map();
  std::erase_if(map.cells, [&](const MapCell& cell) {
    return cell.format == 0 && cell.mode == MapMode::kOnly && map.groups[cell.group].kind == "ffn_down";
  });
  map.study.corpora = {"a=one.txt", "b=two.txt"};
  const std::string page = map_markdown(map, Language::kEnglish);
  EXPECT_THAT(page, HasSubstr("attn_q,attn_k,attn_v,attn_output,ffn_gate,ffn_up=int4:g32"));
  EXPECT_THAT(page, HasSubstr("--chunks 4 --out protected"));  // of each of the two
}

TEST(MapFindings, SayWhereTheSumOfSinglesLacksParts) {
  SensitivityMap map = sweep_map();
  ASSERT_FALSE(map.additivity.empty());
  EXPECT_THAT(map_markdown(map, Language::kEnglish), Not(HasSubstr("so the sum is too small")));
  map.additivity[0].missing = 70;
  map.additivity[0].groups = 140;
  EXPECT_THAT(map_markdown(map, Language::kEnglish), HasSubstr("210 parts were asked for"));
}

TEST(MapFindings, EndBoldTextSoThatMarkdownSeesIt) {
  EXPECT_THAT(map_markdown(sweep_map(), Language::kTraditionalChinese), Not(HasSubstr("。**在")));
}

TEST(MapFindings, GoOnWithTheSweepThatIsOpen) {
  SensitivityMap map = sweep_map();
  map.study.open_command = {"fqlab", "sweep", "open.gguf"};
  map.study.failed_command = {"fqlab", "sweep", "failed.gguf"};
  const std::string page = map_markdown(map, Language::kEnglish);
  EXPECT_THAT(page,
              AllOf(HasSubstr("fqlab sweep open.gguf"), HasSubstr("fqlab sweep failed.gguf --retry-failed")));
}

TEST(MapPage, GivesTheCommandOfEverySweep) {
  SensitivityMap map = sweep_map();
  map.study.commands = {{"fqlab", "sweep", "first.gguf"}, {"fqlab", "sweep", "second.gguf"}};
  const Result<SensitivityMap> again = parse_map_json(map_json(map));
  ASSERT_TRUE(again);
  EXPECT_THAT(map_markdown(*again, Language::kEnglish),
              AllOf(HasSubstr("fqlab sweep first.gguf"), HasSubstr("fqlab sweep second.gguf")));
}

TEST(MapJson, RefusesPredictionsWithoutANumberAndLayersBeyondReason) {
  nlohmann::json json = nlohmann::json::parse(map_json(sweep_map()));
  nlohmann::json interval = json, layer = json;
  for (nlohmann::json& cell : json["cells"])
    if (cell["state"] == "predicted") cell["predicted_kl"] = nullptr;
  EXPECT_EQ(parse_map_json(json.dump()).error().code, ErrorCode::kInput);
  interval["cells"][0]["kl_interval"] = {0.001, nullptr};
  EXPECT_FALSE(parse_map_json(interval.dump()).value().cells[0].kl_interval);
  layer["groups"][0]["layer"] = 2147483647;
  EXPECT_EQ(parse_map_json(layer.dump()).error().code, ErrorCode::kInput);
}

TEST(MapText, MarksWhatIsPredicted) {
  SensitivityMap map = sweep_map();
  const std::string with_some = map_text(map, {});
  EXPECT_THAT(with_some, AllOf(HasSubstr("predicted, not measured"), HasSubstr("≈ "), HasSubstr("░≈")));
  EXPECT_THAT(map_text(map, {.unicode = false}), HasSubstr("0?"));
  for (MapCell& cell : map.cells)
    if (cell.format == 1) {
      cell.state = CellState::kPredicted;
      cell.kl.reset();
      cell.predicted_kl = 1e-4;
    }
  const std::string all = map_text(map, {});
  EXPECT_THAT(all, HasSubstr("fp8_e4m3: the first 10 of 210 predicted"));
  EXPECT_THAT(all, Not(HasSubstr("fp8_e4m3: Nothing has been measured")));
  std::erase_if(map.cells, [](const MapCell& cell) { return cell.state == CellState::kPredicted; });
  const std::string none = map_text(map, {});
  EXPECT_THAT(none, AllOf(Not(HasSubstr("predicted")), Not(HasSubstr("fp8_e4m3"))));
}

TEST(MapText, UsesColourAndAsciiWhenAsked) {
  EXPECT_NE(map_text(sweep_map(), {.colour = true}).find('\x1b'), std::string::npos);
  const std::string plain = map_text(sweep_map(), {.unicode = false});
  EXPECT_THAT(plain, AllOf(Not(HasSubstr("█")), HasSubstr("9 is")));
}

TEST(MapText, ShowsAsManyRanksAsAskedFor) {
  EXPECT_THAT(map_text(sweep_map(), {.top = 3}), HasSubstr("the first 3 of 210"));
  EXPECT_THAT(map_text(sweep_map(), {.top = 0}), HasSubstr("the first 210 of 210"));
}

TEST(MapReport, LeavesOutTheHeatmapOfAFormatThatWasNotAskedForInAMode) {
  SensitivityMap map = sweep_map();
  const std::string all = map_html(map, Language::kEnglish);
  std::erase_if(map.cells,
                [](const MapCell& cell) { return cell.format == 1 && cell.mode == MapMode::kOnly; });
  const std::string some = map_html(map, Language::kEnglish);
  const auto heatmap_of_format_1 =
      "<figcaption>" + map.formats[1] + ": KL divergence when only this part changes";
  EXPECT_EQ(occurrences(all, heatmap_of_format_1), 1u);
  EXPECT_EQ(occurrences(some, heatmap_of_format_1), 0u);
}

}  // namespace
}  // namespace fqlab
