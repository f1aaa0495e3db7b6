// fqlab compare and report as a person types them, on the smallest model.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "testing.h"

namespace fqlab {
namespace {

using nlohmann::json;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::read_file;

class CompareCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    FQLAB_REQUIRE_FILE(text_);
  }
  std::vector<std::string> command(std::vector<std::string> more) {
    std::vector<std::string> all = {"compare", model_.string(), "--corpus", text_.string(),  "--chunks",
                                    "2",       "--ctx",         "64",       "--no-dialogue", "--no-speed",
                                    "--out",   out_.string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> with_dialogue(const std::vector<std::string>& more) {
    std::vector<std::string> all = {"compare",  model_.string(), "--corpus", text_.string(),
                                    "--recipe", "*=bf16",        "--out",    out_.string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  std::filesystem::path text_ = testing::shared_file("data/wikitext-2-raw.test.txt");
  std::filesystem::path out_ = folder_ / "report";
};

/// A report's text without dates, times and what follows from speeds: what may differ between two runs.
std::string timeless(json report) {
  for (const char* key : {"created", "command", "timing", "environment", "speed", "warnings"})
    report.erase(key);
  for (const char* key : {"load", "prompt", "generation"}) report["verdicts"].erase(key);
  report["settings"].erase("threads");
  report["perplexity"].erase("seconds");
  return report.dump();
}

TEST_F(CompareCommand, ReplacesNoFileUnlessForced) {
  const std::vector<std::string> all =
      command({"--recipe", "0/ffn_down=fp8_e4m3", "--lang", "en,zh-TW", "--export", "csv,jsonl,lm-eval"});
  ASSERT_EQ(fqlab(all).code, 0);
  testing::expect_each_file_is_kept(out_, all);
}

TEST_F(CompareCommand, WritesTheReportInBothLanguages) {
  const testing::Ran ran = fqlab(command({"--recipe", "0/ffn_down=fp8_e4m3", "--lang", "en,zh-TW"}));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("report.zh-TW.md"));
  EXPECT_THAT(ran.err, HasSubstr("warning: Fewer than 10 clusters"));
  EXPECT_THAT(read_file(out_ / "report.md"), HasSubstr("Perplexity"));
  EXPECT_THAT(read_file(out_ / "report.zh-TW.md"), HasSubstr("困惑度"));
  const json report = json::parse(read_file(out_ / "report.json"));
  EXPECT_EQ(report["schema_version"], 1);
  EXPECT_EQ(report["settings"]["scored_positions"], 2 * 31);
  EXPECT_GT(report["kl"]["mean"].get<double>(), 0);
}

TEST_F(CompareCommand, TheSameCommandGivesTheSameNumbersForAnyNumberOfThreads) {
  const auto numbers = [&](const char* threads) {
    const testing::Ran ran =
        fqlab(command({"--recipe", "0/ffn_down=int4:g32:sym", "--threads", threads, "--force"}));
    EXPECT_EQ(ran.code, 0) << ran.err;
    return timeless(json::parse(read_file(out_ / "report.json")));
  };
  const std::string once = numbers("2");
  EXPECT_EQ(once, numbers("2"));
  EXPECT_EQ(once, numbers("1"));
}

TEST_F(CompareCommand, DialogueAndSpeedLeaveTheRestOfTheNumbersTheSameForAnyNumberOfThreads) {
  const auto numbers = [&](const char* threads) {
    std::vector<std::string> all =
        command({"--recipe", "0/ffn_down=int2:channel", "--threads", threads, "--force", "--predict", "24",
                 "--samples", "2", "--speed-blocks", "2"});
    std::erase_if(all,
                  [](const std::string& word) { return word == "--no-dialogue" || word == "--no-speed"; });
    const testing::Ran ran = fqlab(all);
    EXPECT_EQ(ran.code, 0) << ran.err;
    const json report = json::parse(read_file(out_ / "report.json"));
    EXPECT_TRUE(report["speed"]["prompt_tps"].is_object());
    EXPECT_FALSE(report["dialogue"].empty());
    return timeless(report);
  };
  const std::string once = numbers("2");
  EXPECT_EQ(once, numbers("2"));
  EXPECT_EQ(once, numbers("1"));
}

TEST_F(CompareCommand, ACrossedThresholdExitsWithThreeAndSaysWhy) {
  const testing::Ran crossed =
      fqlab(command({"--recipe", "0/ffn_down=int2:channel", "--fail-on", "kl=0.000001"}));
  EXPECT_EQ(crossed.code, 3);
  EXPECT_THAT(crossed.err, HasSubstr("exceeds the limit"));
  const testing::Ran kept =
      fqlab(command({"--recipe", "0/ffn_down=int2:channel", "--fail-on", "kl=100", "--force"}));
  EXPECT_EQ(kept.code, 0);
}

TEST_F(CompareCommand, PutsReportsSideBySide) {
  ASSERT_EQ(fqlab(command({"--recipe", "0/ffn_down=fp8_e4m3"})).code, 0);
  const std::string json_path = (out_ / "report.json").string();
  const testing::Ran ran = fqlab({"report", json_path, json_path, "--out", (folder_ / "both").string()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(json::parse(read_file(folder_ / "both" / "report.json"))["comparisons"].size(), 2u);
}

struct BadInput {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  const char* message;
};

TEST_F(CompareCommand, EachBadInputGetsOneClearMessageAndLeavesNothing) {
  testing::write_file(folder_ / "cut.gguf", read_file(model_).substr(0, 500'000));
  testing::write_file(folder_ / "text.gguf", "This is not a model.\n");
  testing::write_file(folder_ / "short.txt", "Too short.\n");
  const std::string cut = (folder_ / "cut.gguf").string(), not_a_model = (folder_ / "text.gguf").string();
  const std::vector<BadInput> inputs = {
      {"truncated model", {"compare", cut, "--recipe", "*=bf16", "--out", out_.string()}, 1, "byte"},
      {"text as model", {"compare", not_a_model, "--recipe", "*=bf16", "--out", out_.string()}, 1, "GGUF"},
      {"missing model",
       {"compare", "none.gguf", "--recipe", "*=bf16", "--out", out_.string()},
       1,
       "none.gguf"},
      {"short text", command({"--recipe", "*=bf16", "--corpus", (folder_ / "short.txt").string()}), 1,
       "too short"},
      {"no match", command({"--recipe", "0/ffn_nrom=bf16"}), 2, "ffn_norm"},
      {"bad format", command({"--recipe", "0/ffn_norm=fp8_e4m4"}), 2, "fp8_e4m3"},
      {"no recipe", command({}), 2, "--recipe"},
      {"unwritable out", command({"--recipe", "*=bf16", "--out", "/proc/report"}), 1, "/proc"},
      {"out is a file",
       {"compare", model_.string(), "--recipe", "*=bf16", "--out", model_.string()},
       2,
       "folder"},
      {"unknown option", command({"--recipe", "*=bf16", "--chunk", "3"}), 2, "--chunks"},
      {"no prompts", with_dialogue({"--prompts", (folder_ / "none.txt").string()}), 1, "none.txt"},
      {"prompts of a folder", with_dialogue({"--prompts", folder_.path().string()}), 1, "this is a folder"},
      {"prompts of a model", with_dialogue({"--prompts", model_.string()}), 1, "this is no text"},
      {"prompts without a dialogue", command({"--recipe", "*=bf16", "--prompts", "some.txt"}), 2,
       "--prompts excludes --no-dialogue"},
      {"GELU of native arithmetic",
       command({"--recipe", "*=bf16", "--arithmetic", "native", "--gelu", "exact"}), 2,
       "leaves GELU to the engine"},
      {"blocks of no speed",
       {"compare", model_.string(), "--recipe", "*=bf16", "--recipe", "*=f16", "--speed-blocks", "2",
        "--corpus", text_.string(), "--out", out_.string()},
       2,
       "speed is measured for one recipe"},
      {"no speed to export", command({"--recipe", "*=bf16", "--export", "csv,llama-bench"}), 2,
       "no speed to export"},
      {"bad language", command({"--recipe", "*=bf16", "--lang", "fr"}), 2, "zh-TW"},
  };
  for (const BadInput& input : inputs) {
    std::vector<std::string> arguments = input.arguments;
    for (const char* option : {"--corpus", "--out"}) {  // given twice: the later one is meant
      const auto first = std::find(arguments.begin(), arguments.end(), option);
      if (first != arguments.end() && std::find(first + 1, arguments.end(), option) != arguments.end())
        arguments.erase(first, first + 2);
    }
    const testing::Ran ran = fqlab(arguments);
    EXPECT_EQ(ran.code, input.code) << input.name << ": " << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(input.message)) << input.name;
    EXPECT_EQ(ran.out, "") << input.name;
    EXPECT_FALSE(std::filesystem::exists(out_)) << input.name;
  }
}

TEST_F(CompareCommand, RefusesAnExistingReportWithoutForce) {
  ASSERT_EQ(fqlab(command({"--recipe", "0/ffn_norm=bf16"})).code, 0);
  const std::string before = read_file(out_ / "report.json");
  const testing::Ran ran = fqlab(command({"--recipe", "0/ffn_norm=bf16"}));
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("--force"));
  EXPECT_EQ(read_file(out_ / "report.json"), before);
}

TEST_F(CompareCommand, NeverReplacesTheTextThatItReads) {
  std::filesystem::create_directory(out_);
  testing::write_file(out_ / "report.md", "The text of the comparison.\n");
  std::vector<std::string> arguments = command({"--recipe", "0/ffn_norm=bf16", "--force"});
  *(std::find(arguments.begin(), arguments.end(), "--corpus") + 1) = (out_ / "report.md").string();
  const testing::Ran ran = fqlab(arguments);
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("the output is the text that is read"));
  EXPECT_EQ(read_file(out_ / "report.md"), "The text of the comparison.\n");
}

TEST_F(CompareCommand, AnAbortOfTheEngineIsOneMessage) {
  // A model whose metadata lies about its heads: our reader accepts the file, llama.cpp gives up on it.
  const std::string bytes = read_file(model_);
  const size_t key = bytes.find("llama.attention.head_count");
  ASSERT_NE(key, std::string::npos);
  std::string damaged = bytes;
  const size_t value = key + std::string("llama.attention.head_count").size() + 4;
  damaged[value] = 7;
  testing::write_file(folder_ / "heads.gguf", damaged);
  std::vector<std::string> arguments = command({"--recipe", "0/ffn_norm=bf16"});
  arguments[1] = (folder_ / "heads.gguf").string();
  const testing::Ran ran = fqlab(arguments);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("error: "));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

}  // namespace
}  // namespace fqlab
