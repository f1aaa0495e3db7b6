#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "fqlab/gguf.h"
#include "gguf/small_file.h"
#include "program.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A folder with one small model: token_embd f32, blk.0.ffn_down q8_0, blk.0.ffn_norm f16 without alignment to
// bf16.
class Commands : public ::testing::Test {
 protected:
  Commands() {
    testing::SmallFile file = testing::small_file();
    file.tensors[2] = {"blk.0.ffn_norm.weight",
                       {3},
                       0,
                       128,
                       testing::Bytes().number(1.0f).number(1.001f).number(-3.3f).text()};
    testing::write_file(model_, file.text());
  }
  testing::TemporaryFolder folder_;
  std::string model_ = (folder_ / "model.gguf").string();
  std::string out_ = (folder_ / "out.gguf").string();
};

using Inspect = Commands;
using Quantize = Commands;

TEST_F(Inspect, ShowsKindsTypesAndWhichValuesFitSixteenBits) {
  const auto ran = fqlab({"inspect", model_});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("architecture  llama"), HasSubstr("parameters    73 in 3 tensors")));
  EXPECT_THAT(ran.out, HasSubstr("ffn_down    0       q8_0  32 x 2        1     68\n"));
  EXPECT_THAT(ran.out,
              HasSubstr("blk.0.ffn_norm.weight  f32        3               2         2              2 "));
}

TEST_F(Inspect, GivesTheSameAsJson) {
  const auto json = nlohmann::json::parse(fqlab({"inspect", model_, "--json", "--select", "0/*"}).out);
  EXPECT_EQ(json["parameters"], 73);
  ASSERT_EQ(json["tensors"].size(), 2u);
  EXPECT_EQ(json["tensors"][0]["type"], "q8_0");
  EXPECT_TRUE(json["tensors"][0]["not_bf16_exact"].is_null());
  EXPECT_EQ(json["tensors"][1]["not_bf16_exact"], 2);
  EXPECT_EQ(json["tensors"][1]["layer"], 0);
  EXPECT_EQ(json["kinds"][0]["layers"], nlohmann::json::array({0}));
}

TEST_F(Inspect, RefusesASelectionOfNothing) {
  const auto ran = fqlab({"inspect", model_, "--select", "ffn_nrom"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("did you mean ffn_norm"));
}

TEST_F(Inspect, RefusesWhatIsNoModelInOneMessage) {
  testing::write_file(folder_ / "text", "Once upon a time\n");
  testing::write_file(folder_ / "short.gguf", testing::read_file(model_).substr(0, 300));
  for (const auto& [name, message] :
       std::vector<std::pair<std::string, std::string>>{{"text", "this is a text file"},
                                                        {"short.gguf", "the file ends inside a field"},
                                                        {"none", "No such file"},
                                                        {"", "folder"}}) {
    const auto ran = fqlab({"inspect", (folder_ / name).string()});
    EXPECT_EQ(ran.code, 1) << name;
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, AllOf(StartsWith("error: "), HasSubstr(message)));
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1);
  }
}

TEST_F(Quantize, ChangesTheChosenTensorAndNothingElse) {
  const auto ran = fqlab({"quantize", model_, "--recipe", "0/ffn_norm=bf16", "-o", out_});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("blk.0.ffn_norm.weight  f32   bf16    f32           2       3"));
  const GgufFile before = GgufFile::open(model_).value(), after = GgufFile::open(out_).value();
  EXPECT_THAT(after.read_floats(*after.find_tensor("blk.0.ffn_norm.weight")).value(),
              ::testing::ElementsAre(1.0f, 1.0f, -3.296875f));
  for (const size_t i : {0u, 1u})
    EXPECT_TRUE(std::ranges::equal(before.data(before.tensors()[i]), after.data(after.tensors()[i])));
}

TEST_F(Quantize, RecordsWhereTheFileCameFromButNoPath) {
  ASSERT_EQ(fqlab({"quantize", model_, "--recipe", "0/ffn_norm = BF16", "-o", out_}).code, 0);
  const GgufFile after = GgufFile::open(out_).value();
  EXPECT_EQ(after.metadata_string("fqlab.recipe"), "0/ffn_norm=bf16");
  EXPECT_EQ(after.metadata_string("fqlab.version"), FQLAB_VERSION);
  EXPECT_EQ(after.metadata_string("fqlab.source.sha256"), sha256_of_file(model_).value());
  EXPECT_EQ(testing::read_file(out_).find(folder_.path().string()), std::string::npos);
}

TEST_F(Quantize, GivesTheSameBytesEachTime) {
  ASSERT_EQ(fqlab({"quantize", model_, "--recipe", "*=fp8_e4m3", "-o", out_, "--threads", "1"}).code, 0);
  ASSERT_EQ(fqlab({"quantize", model_, "--recipe", "*=fp8_e4m3", "-o", out_ + "2", "--threads", "2"}).code,
            0);
  EXPECT_EQ(testing::read_file(out_), testing::read_file(out_ + "2"));
}

TEST_F(Quantize, ExpandsAModelToF32) {
  ASSERT_EQ(fqlab({"quantize", model_, "--recipe", "*=f32", "-o", out_}).code, 0);
  const GgufFile before = GgufFile::open(model_).value(), after = GgufFile::open(out_).value();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(after.tensors()[i].type, GgmlType::kF32);
    EXPECT_EQ(after.read_floats(after.tensors()[i]).value(), before.read_floats(before.tensors()[i]).value());
  }
}

TEST_F(Quantize, StoresMatricesInSixteenBitsWhereNothingIsLost) {
  ASSERT_EQ(
      fqlab({"quantize", model_, "--recipe", "token_embd,ffn_norm=bf16", "-o", out_, "--store", "bf16"}).code,
      0);
  const GgufFile after = GgufFile::open(out_).value();
  EXPECT_EQ(after.find_tensor("token_embd.weight")->type, GgmlType::kBf16);
  EXPECT_EQ(after.find_tensor("blk.0.ffn_norm.weight")->type, GgmlType::kF32);
}

TEST_F(Quantize, RefusesAStorageTypeThatWouldChangeValues) {
  const auto ran =
      fqlab({"quantize", model_, "--recipe", "ffn_down=int8:channel:sym", "-o", out_, "--store", "bf16"});
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_EQ(testing::files_in(folder_.path()), 1u);
  EXPECT_EQ(fqlab({"quantize", model_, "--recipe", "ffn_down=bf16", "-o", out_, "--store", "f64"}).code, 2);
}

TEST_F(Quantize, WarnsWhenNothingChanged) {
  const auto ran = fqlab({"quantize", model_, "--recipe", "token_embd=bf16", "-o", out_});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("warning: 0 of 6 values changed"));
}

TEST_F(Quantize, KeepsAnExistingOutputUnlessForced) {
  testing::write_file(out_, "precious");
  const auto refused = fqlab({"quantize", model_, "--recipe", "0/ffn_norm=bf16", "-o", out_});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  EXPECT_EQ(testing::read_file(out_), "precious");
  EXPECT_EQ(fqlab({"quantize", model_, "--recipe", "0/ffn_norm=bf16", "-o", out_, "--force"}).code, 0);
  EXPECT_TRUE(GgufFile::open(out_));
}

TEST_F(Quantize, NeverWritesOverItsOwnModel) {
  const std::string before = testing::read_file(model_);
  EXPECT_EQ(fqlab({"quantize", model_, "--recipe", "0/ffn_norm=bf16", "-o", model_, "--force"}).code, 2);
  EXPECT_EQ(testing::read_file(model_), before);
}

TEST_F(Quantize, LeavesNothingBehindAfterAnyRefusal) {
  for (const auto& recipe :
       {"0/ffn_nrom=bf16", "ffn_norm", "ffn_norm=bf17", "ffn_norm=f16;ffn_norm=bf16", "output=bf16", ""}) {
    const auto ran = fqlab({"quantize", model_, "--recipe", recipe, "-o", out_});
    EXPECT_EQ(ran.code, 2) << recipe;
    EXPECT_THAT(ran.err, StartsWith("error: "));
  }
  const auto nowhere = fqlab(
      {"quantize", model_, "--recipe", "ffn_norm=bf16", "-o", (folder_ / "none" / "out.gguf").string()});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("create the folder"));
  EXPECT_EQ(testing::files_in(folder_.path()), 1u);
}

TEST_F(Quantize, SaysThatTiedEmbeddingsHaveNoOutput) {
  EXPECT_THAT(fqlab({"quantize", model_, "--recipe", "output=bf16", "-o", out_}).err,
              HasSubstr("token_embd"));
}

TEST(SmolLm2, ShowsThatTheFirstNormCannotShowAnythingInBf16) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  testing::TemporaryFolder folder;
  const std::string model = testing::smollm2_file().string();
  const auto json = nlohmann::json::parse(fqlab({"inspect", model, "--json", "--select", "0/ffn_norm"}).out);
  EXPECT_EQ(json["architecture"], "llama");
  EXPECT_EQ(json["tensors"][0]["not_bf16_exact"], 0);
  const auto bf16 =
      fqlab({"quantize", model, "--recipe", "0/ffn_norm=bf16", "-o", (folder / "a.gguf").string()});
  EXPECT_THAT(bf16.err, HasSubstr("0 of 576 values changed"));
  const auto fp8 =
      fqlab({"quantize", model, "--recipe", "0/ffn_norm=fp8_e4m3", "-o", (folder / "b.gguf").string()});
  EXPECT_THAT(fp8.out, ::testing::ContainsRegex("fp8_e4m3 +f32 +540 +576 "));
}

TEST(Stories260k, KeepsEveryTensorThatTheRecipeDoesNotName) {
  const auto model = testing::shared_file("data/stories260k-f32.gguf");
  FQLAB_REQUIRE_FILE(model);
  testing::TemporaryFolder folder;
  const auto ran = fqlab(
      {"quantize", model.string(), "--recipe", "1-2/attn_*=fp8_e4m3", "-o", (folder / "out.gguf").string()});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const GgufFile before = GgufFile::open(model).value(), after = GgufFile::open(folder / "out.gguf").value();
  for (size_t i = 0; i < before.tensors().size(); ++i) {
    const TensorName name = parse_tensor_name(before.tensors()[i].name);
    const bool chosen = name.layer && *name.layer >= 1 && *name.layer <= 2 && name.kind.starts_with("attn_");
    EXPECT_EQ(std::ranges::equal(before.data(before.tensors()[i]), after.data(after.tensors()[i])), !chosen)
        << before.tensors()[i].name;
  }
}

}  // namespace
}  // namespace fqlab
