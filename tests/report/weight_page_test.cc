#include <gmock/gmock.h>

#include <regex>

#include "fqlab/weight_report.h"
#include "report/weight_figures.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

FormatDamage damage(double relative_mse) {
  FormatDamage under;
  under.sums.counts.values = 100;
  under.sums.counts.changed = relative_mse > 0 ? 50 : 0;
  under.sums.energy = 1;
  under.sums.error = under.sums.largest_error = relative_mse;
  return under;
}

// Two layers of two kinds and an embedding; one tensor is refused, one unchanged.
WeightReport example() {
  WeightReport report{"models/a<b.gguf", "", "llama", "", {}, {}};
  report.damage.formats = {FormatSpec::parse("fp4_e2m1").value()};
  const auto add = [&](const std::string& name, FormatDamage under) {
    WeightProfile profile;
    profile.add(std::vector<float>(100, 0.5f));
    report.damage.tensors.push_back(
        {{name, GgmlType::kF32, {10, 10}, 0, 400}, parse_tensor_name(name), profile, {std::move(under)}});
  };
  add("token_embd.weight", damage(1e-2));
  add("blk.0.ffn_up.weight", damage(1e-4));
  add("blk.0.ffn_norm.weight", damage(0));
  add("blk.1.ffn_up.weight", damage(3e-3));
  add("blk.1.ffn_norm.weight", {{}, Error{ErrorCode::kUsage, "it does not fit", "", ""}});
  report.histograms = {{{0, WeightHistogram{0.5, {1, 0, 99}, {0, 50, 50}}}}};
  return report;
}

TEST(WeightPage, DrawsEachCellWithItsValueAndATableBehind) {
  const std::string html = weight_html(example(), Language::kEnglish);
  EXPECT_THAT(html, AllOf(HasSubstr(">0.0001</text>"), HasSubstr(">0.003</text>"), HasSubstr("<details>"),
                          HasSubstr("it does not fit"), HasSubstr("inspect.json"),
                          HasSubstr("prefers-color-scheme:dark")));
}

TEST(WeightPage, AsksNothingOfTheNetworkAndRunsNoScript) {
  const std::string html = weight_html(example(), Language::kEnglish);
  for (const char* part : {"<script", "src=", "url(", "@import", "javascript:"})
    EXPECT_THAT(html, Not(HasSubstr(part)));
  EXPECT_THAT(html, Not(HasSubstr("a<b.gguf")));
}

TEST(WeightPage, SpeaksBothLanguagesCompletely) {
  WeightReport report = example();
  report.imatrix_path = "imatrix.gguf";
  const std::string chinese = weight_html(report, Language::kTraditionalChinese);
  EXPECT_THAT(chinese,
              AllOf(HasSubstr("lang=\"zh-Hant-TW\""), HasSubstr("相對均方誤差"), HasSubstr("尾數位元")));
  for (const char* english : {"relative MSE", "Overview", "Tensors most damaged", "flushed"})
    EXPECT_THAT(chinese, Not(HasSubstr(english)));
  for (const auto language : {Language::kEnglish, Language::kTraditionalChinese}) {
    const std::string body =
        std::regex_replace(weight_html(report, language), std::regex("<style>[^<]*</style>"), "");
    EXPECT_FALSE(std::regex_search(body, std::regex("\\{[a-z_]+\\}"))) << "a placeholder was not filled in";
  }
}

TEST(WeightPage, SaysWhereAFormatChangesNothing) {
  WeightReport report = example();
  for (TensorDamage& tensor : report.damage.tensors) tensor.formats[0] = damage(0);
  EXPECT_THAT(weight_html(report, Language::kEnglish), HasSubstr("changes no value"));
}

TEST(WeightGrid, PutsTensorsWithoutALayerInARowOfTheirOwn) {
  const WeightReport report = example();
  const report::WeightGrid grid = report::weight_grid(report.damage, 0);
  EXPECT_EQ(grid.kinds, (std::vector<std::string>{"ffn_up", "ffn_norm", "token_embd"}));
  EXPECT_EQ(grid.layers.size(), 3u);
  EXPECT_EQ(grid.cells.size(), 5u);
}

}  // namespace
}  // namespace fqlab
