// fqlab verify as a person types it, on the smallest model.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "fqlab/gguf.h"
#include "fqlab/quantization_plan.h"
#include "testing.h"

namespace fqlab {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::read_file;

class VerifyCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    FQLAB_REQUIRE_FILE(text_);
    for (const auto& [path, recipe] : {std::pair{file_, "attn_q=int8:g32"}, std::pair{stock_, "*=int4:g32"}})
      ASSERT_EQ(fqlab({"quantize", model_.string(), "--recipe", recipe, "-o", path.string()}).code, 0);
  }
  std::vector<std::string> command(std::vector<std::string> more) {
    std::vector<std::string> all = {
        "verify", model_.string(), file_.string(), "--corpus", text_.string(), "--chunks",
        "3",      "--ctx",         "64",           "--out",    out_.string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> quick(std::vector<std::string> more) {
    more.insert(more.end(), {"--no-dialogue", "--no-speed"});
    return command(std::move(more));
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  std::filesystem::path text_ = testing::shared_file("data/wikitext-2-raw.test.txt");
  std::filesystem::path out_ = folder_ / "report", file_ = folder_ / "plan.gguf",
                        stock_ = folder_ / "stock.gguf";
};

TEST_F(VerifyCommand, WritesThePageInBothLanguagesWithDialogueAndSpeed) {
  const testing::Ran ran = fqlab(
      command({"--against", stock_.string(), "--lang", "en,zh-TW", "--predict", "8", "--speed-blocks", "2"}));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("lower by"), HasSubstr("report.zh-TW.html"), HasSubstr("files.csv")));
  EXPECT_THAT(read_file(out_ / "report.html"), AllOf(HasSubstr("lower by"), HasSubstr("<svg")));
  EXPECT_THAT(read_file(out_ / "report.zh-TW.html"), HasSubstr("與原始模型的平均 KL 散度"));
  const json report = json::parse(read_file(out_ / "report.json"));
  EXPECT_EQ(report["kind"], "verification");
  EXPECT_EQ(report["texts"][0]["positions"], 3 * 31);
  EXPECT_TRUE(report["files"][1]["speed"]["prompt_tps"].is_object());
  EXPECT_EQ(report["files"][0]["dialogue"].size(), 3u);
}

TEST_F(VerifyCommand, TheSameCommandGivesTheSameNumbersForAnyNumberOfThreads) {
  const auto numbers = [&](const char* threads) {
    const testing::Ran ran = fqlab(quick({"--against", stock_.string(), "--threads", threads, "--force"}));
    EXPECT_EQ(ran.code, 0) << ran.err;
    json report = json::parse(read_file(out_ / "report.json"));
    for (const char* key : {"created", "command", "timing", "environment"}) report.erase(key);
    report["settings"].erase("threads");
    for (json& file : report["files"]) file.erase("seconds");
    return report.dump();
  };
  const std::string once = numbers("2");
  EXPECT_EQ(once, numbers("2"));
  EXPECT_EQ(once, numbers("1"));
}

TEST_F(VerifyCommand, WithoutAFolderTheNumbersAreOnlyPrinted) {
  const testing::Ran ran = fqlab({"verify", model_.string(), file_.string(), "--corpus", text_.string(),
                                  "--chunks", "2", "--ctx", "64", "--no-dialogue", "--no-speed"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("plan.gguf"), HasSubstr("of the original"), Not(HasSubstr(".json"))));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(VerifyCommand, SeveralTextsHaveASectionEach) {
  std::filesystem::create_directory(folder_ / "letters");
  for (const char* name : {"a.txt", "b.txt"})
    testing::write_file(folder_ / "letters" / name,
                        read_file(text_).substr(name[0] == 'a' ? 0 : 50'000, 4'000));
  const testing::Ran ran =
      fqlab({"verify", model_.string(), file_.string(), "--corpus", "wiki=" + text_.string(), "--corpus",
             "letters=" + (folder_ / "letters").string(), "--chunks", "3", "--ctx", "64", "--no-dialogue",
             "--no-speed", "--out", out_.string()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const json report = json::parse(read_file(out_ / "report.json"));
  EXPECT_EQ(report["texts"][0]["cluster_kind"], "chunk");
  EXPECT_EQ(report["texts"][1]["cluster_kind"], "document");
  EXPECT_EQ(report["texts"][1]["clusters"], 2);
  EXPECT_THAT(read_file(out_ / "report.md"), AllOf(HasSubstr("## On `wiki`"), HasSubstr("## On `letters`")));
}

TEST_F(VerifyCommand, DrawsThePlansCurveAndChecksItsText) {
  QuantizationPlan plan;
  plan.corpora = {text_.string()};
  const GgufFile file = GgufFile::open(file_).value();
  for (const TensorInfo& tensor : file.tensors())
    if (tensor.is_matrix()) plan.tensors.push_back({tensor.name, tensor.type, {}});
  const uint64_t bytes = std::filesystem::file_size(file_);
  plan.frontier = {{bytes - 1000, 0.5}, {bytes, 0.4}, {bytes + 1000, 0.3}};
  testing::write_file(folder_ / "model.plan", print_plan(plan));
  const testing::Ran ran = fqlab(quick({"--plan", (folder_ / "model.plan").string()}));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("This text was planned on"));
  EXPECT_THAT(read_file(out_ / "report.html"), HasSubstr("the plan's prediction for other sizes"));
  EXPECT_EQ(json::parse(read_file(out_ / "report.json"))["plan"]["frontier"].size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(out_ / "frontier.csv"));
}

TEST_F(VerifyCommand, EachBadInputGetsOneClearMessageAndLeavesNothing) {
  testing::write_file(folder_ / "text.gguf", "This is not a model.\n");
  testing::write_file(folder_ / "bad.plan", "token_embd.weight = q99\n");
  struct BadInput {
    const char* name;
    std::vector<std::string> more;
    int code;
    const char* message;
  };
  const std::vector<BadInput> inputs = {
      {"no such file", {"--against", (folder_ / "none.gguf").string()}, 1, "none.gguf"},
      {"text as model", {"--against", (folder_ / "text.gguf").string()}, 1, "GGUF"},
      {"given twice", {"--against", file_.string()}, 2, "given twice"},
      {"no such plan", {"--plan", (folder_ / "none.plan").string()}, 1, "none.plan"},
      {"bad plan", {"--plan", (folder_ / "bad.plan").string()}, 1, "bad.plan"},
      {"two texts of one name", {"--corpus", text_.string()}, 2, "NAME=PATH"},
      {"bad language", {"--lang", "fr"}, 2, "zh-TW"},
      {"unknown option", {"--chunk", "3"}, 2, "--chunks"},
      {"bad margin", {"--margin", "kl=0"}, 2, "kl"},
  };
  for (const BadInput& input : inputs) {
    const testing::Ran ran = fqlab(quick(input.more));
    EXPECT_EQ(ran.code, input.code) << input.name << ": " << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(input.message)) << input.name;
    EXPECT_EQ(ran.out, "") << input.name;
    EXPECT_FALSE(std::filesystem::exists(out_)) << input.name;
  }
}

TEST_F(VerifyCommand, RefusesAnExistingReportWithoutForce) {
  ASSERT_EQ(fqlab(quick({})).code, 0);
  const std::string before = read_file(out_ / "report.json");
  const testing::Ran ran = fqlab(quick({}));
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("--force"));
  EXPECT_EQ(read_file(out_ / "report.json"), before);
  testing::expect_each_file_is_kept(out_, quick({}));
}

}  // namespace
}  // namespace fqlab
