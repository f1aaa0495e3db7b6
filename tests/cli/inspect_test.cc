#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "gguf/small_file.h"
#include "program.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::Not;

class InspectFormats : public ::testing::Test {
 protected:
  InspectFormats() {
    testing::SmallFile file;
    file.metadata = {testing::string_entry("general.architecture", "llama")};
    testing::Bytes matrix, norm;
    for (int i = 0; i < 64; ++i) matrix.number(std::sin(static_cast<float>(i)));
    for (int i = 0; i < 4; ++i) norm.number(1.0f);
    file.tensors = {{"blk.0.ffn_norm.weight", {4}, 0, 0, norm.text()},
                    {"blk.1.ffn_up.weight", {32, 2}, 0, 32, matrix.text()}};
    testing::write_file(model_, file.text());
  }
  testing::TemporaryFolder folder_;
  std::string model_ = (folder_ / "model.gguf").string(), out_ = (folder_ / "out").string();
};

TEST_F(InspectFormats, ShowsFormatsKindsLayersAndTheWorstTensors) {
  const auto ran = fqlab({"inspect", model_, "--format", "fp8_e4m3,MXFP4"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("Relative MSE by kind"), HasSubstr("Relative MSE by layer"),
                             HasSubstr("mxfp4: 2 of 2 tensors, most damaged first")));
  EXPECT_LT(ran.out.rfind("blk.1.ffn_up.weight"), ran.out.rfind("blk.0.ffn_norm.weight"));
}

TEST_F(InspectFormats, AModelMayFollowAnOptionThatTakesAList) {
  const auto ran = fqlab({"inspect", "--format", "fp8_e4m3,mxfp4", model_});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("mxfp4: 2 of 2 tensors"));
}

TEST_F(InspectFormats, GivesEverythingAsJson) {
  const auto ran = fqlab({"inspect", model_, "--format", "bf16,mxfp4", "--json"});
  const auto json = nlohmann::json::parse(ran.out);
  ASSERT_EQ(json["formats"].size(), 2u);
  EXPECT_EQ(json["formats"][1]["format"], "mxfp4");
  EXPECT_EQ(json["formats"][1]["tensors"][0]["name"], "blk.1.ffn_up.weight");
  EXPECT_GT(json["formats"][1]["total"]["relative_mse"], 0);
  EXPECT_EQ(json["formats"][0]["tensors"][1]["changed"], 0);
  EXPECT_EQ(json["tensors"][0]["precision"]["mantissa_bits"], 0);
}

TEST_F(InspectFormats, GivesARowForEachTensorAndFormatAsCsv) {
  const auto ran = fqlab({"inspect", model_, "--format", "bf16,mxfp4", "--csv"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(std::ranges::count(ran.out, '\n'), 1 + 2 * 2);
  EXPECT_THAT(
      ran.out,
      HasSubstr("\nbf16,blk.0.ffn_norm.weight,0,ffn_norm,f32,4,0,0,0,0.0,,,0.0,,0,0,0,0,0,0,0,0,0\n"));
}

TEST_F(InspectFormats, WritesAPageInEachLanguageAndKeepsItUnlessForced) {
  const std::vector<std::string> command = {"inspect", model_, "--format", "mxfp4",
                                            "--out",   out_,   "--lang",   "en,zh-TW"};
  const auto ran = fqlab(command);
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* name : {"inspect.json", "inspect.csv", "inspect.html", "inspect.zh-TW.html"})
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(out_) / name)) << name;
  const auto again = fqlab(command);
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("--force"));
  auto forced = command;
  forced.push_back("--force");
  EXPECT_EQ(fqlab(forced).code, 0);
  testing::expect_each_file_is_kept(out_, command);
}

TEST_F(InspectFormats, RefusesWhatMakesNoSenseBeforeReadingTheWeights) {
  for (const auto& [arguments, message] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--format", "bf17"}, "bf16"},
           {{"--format", "bf16,int4"}, "granularity"},
           {{"--csv"}, "requires --format"},
           {{"--out", out_}, "requires --format"},
           {{"--format", "bf16", "--json", "--csv"}, "exclude"},
           {{"--format", "bf16", "--lang", "fr", "--out", out_}, "fr"}}) {
    std::vector<std::string> command = {"inspect", model_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const auto ran = fqlab(command);
    EXPECT_EQ(ran.code, 2) << message;
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr(message));
  }
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(InspectFormats, FailsOnAnImatrixThatIsNone) {
  const auto ran = fqlab({"inspect", model_, "--format", "bf16", "--imatrix", model_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("no imatrix"));
}

TEST_F(InspectFormats, WarnsOfTensorsThatAFormatCannotStoreAndRefusesWhereNoneCan) {
  const auto some = fqlab({"inspect", model_, "--format", "gguf:q8_0"});
  if (some.err.find("ENGINE") != std::string::npos) GTEST_SKIP() << "absent: the engine";
  EXPECT_EQ(some.code, 0);
  EXPECT_THAT(some.err, HasSubstr("gguf:q8_0 cannot store 1 of 2 tensors"));
  const auto none = fqlab({"inspect", model_, "--format", "gguf:q4_k"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("no multiple of the block"));
}

}  // namespace
}  // namespace fqlab
