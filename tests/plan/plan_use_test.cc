// Plans and the models that they are for.
#include <gmock/gmock.h>

#include <regex>

#include "fqlab/quantization_plan.h"
#include "gguf/small_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;

GgmlType type(std::string_view name) { return ggml_type_info(name)->type; }

/// Three tensors; the rows of token_embd have 2 values, those of blk.0.ffn_down 32.
class PlanUse : public ::testing::Test {
 protected:
  PlanUse() {
    testing::write_file(folder_ / "model.gguf", testing::small_file().text());
    plan_.model = "model.gguf";
    plan_.tensors = {{"token_embd.weight", type("f16"), {}}, {"blk.0.ffn_down.weight", type("q4_0"), {}}};
  }
  Error refused(std::vector<std::string> quantizable = {}, const char* hash = "") {
    const Result<void> goes =
        check_plan(plan_, GgufFile::open(folder_ / "model.gguf").value(), hash, quantizable);
    EXPECT_FALSE(goes);
    return goes ? Error{} : goes.error();
  }
  testing::TemporaryFolder folder_;
  QuantizationPlan plan_;
};

TEST_F(PlanUse, APlanThatFitsIsNotRefused) {
  const GgufFile file = GgufFile::open(folder_ / "model.gguf").value();
  plan_.model_sha256 = "the hash";
  EXPECT_TRUE(check_plan(plan_, file, "the hash"));
  const std::vector<std::string> quantizable = {"blk.0.ffn_down.weight", "token_embd.weight"};
  EXPECT_TRUE(check_plan(plan_, file, "the hash", quantizable));
}

TEST_F(PlanUse, AnotherModelIsRefused) {
  plan_.model_sha256 = "the hash";
  EXPECT_THAT(refused({}, "another").what, HasSubstr("another model"));
}

TEST_F(PlanUse, AMissingTensorIsNamedWithTheNearest) {
  plan_.tensors[1].name = "blk.0.ffn_dwn.weight";
  EXPECT_THAT(refused().where, HasSubstr("blk.0.ffn_dwn.weight"));
  EXPECT_THAT(refused().hint, HasSubstr("did you mean blk.0.ffn_down.weight"));
}

TEST_F(PlanUse, ATensorThatIsNotPlannedOrMayNotBeIsNamed) {
  EXPECT_THAT(refused({"token_embd.weight", "blk.0.ffn_down.weight", "blk.0.ffn_norm.weight"}).where,
              HasSubstr("blk.0.ffn_norm.weight"));
  EXPECT_THAT(refused({"token_embd.weight"}).what, HasSubstr("does not quantize"));
  plan_.tensors.push_back(plan_.tensors[0]);
  EXPECT_THAT(refused().what, HasSubstr("twice"));
  plan_.tensors.clear();
  EXPECT_THAT(refused().what, HasSubstr("no tensor"));
}

TEST_F(PlanUse, ATypeThatDoesNotFitARowIsRefusedWithOneThatDoes) {
  plan_.tensors[1].type = type("q4_K");
  EXPECT_THAT(refused().what, HasSubstr("a row of 32 values is no multiple of q4_K's block of 256"));
  EXPECT_THAT(refused().hint, HasSubstr("iq4_nl"));
  plan_.tensors[1].type = type("q4_0");
  plan_.tensors[0].type = type("q8_0");
  EXPECT_THAT(refused().hint, HasSubstr("only f16"));
}

TEST_F(PlanUse, EveryBudgetGivesMetadataOfOneSize) {
  const auto size = [&](const char* source) {
    size_t bytes = 0;
    for (const GgufMetadata& entry : plan_metadata(plan_, source)) {
      EXPECT_THAT(entry.key, ::testing::StartsWith("fqlab."));
      bytes += std::get<std::string>(entry.value).size();
    }
    return bytes;
  };
  plan_.budget = "105MB";
  const size_t before = size("the hash");
  plan_.file_bytes = 104999648;
  plan_.tensors.pop_back();
  EXPECT_EQ(size("the hash"), before);
}

TEST_F(PlanUse, TheSizeCountsTypesAndMetadata) {
  const GgufFile file = GgufFile::open(folder_ / "model.gguf").value();
  // 24 bytes of f32 become 12 and 68 of q8_0 become 36; with padding to 32: 32 and 96 become 32 and 64.
  EXPECT_EQ(built_file_bytes(plan_, file, {}).value(), file.file_bytes() - 32);
  EXPECT_EQ(built_file_bytes(plan_, file, {{"k", std::string(1003, 'x')}}).value(),
            file.file_bytes() - 32 + 1024);
}

TEST(TensorTypeFile, PinsEachTensorByItsWholeName) {
  QuantizationPlan plan;
  plan.tensors = {{"blk.1.attn_q.weight", type("q4_K"), 0.1}, {"output.weight", type("iq4_nl"), {}}};
  EXPECT_EQ(tensor_type_file(plan), "^blk\\.1\\.attn_q\\.weight$=q4_K\n^output\\.weight$=iq4_nl\n");
}

TEST(TensorTypeFile, FindsExactlyTheNameAfterLlamaQuantizeMadeItsLettersSmall) {
  const std::vector<std::string> names = {"blk.1.w", "blk.11.w", "blkx1.w", "blk.1.W",
                                          "a=b (c)+[d]|*?{}^$\\ é"};
  for (const std::string& name : names) {
    QuantizationPlan plan;
    plan.tensors = {{name, type("q8_0"), {}}};
    std::string pattern = tensor_type_file(plan);
    pattern.resize(pattern.find('='));  // where llama-quantize splits the line, and what it does to the name
    EXPECT_EQ(pattern.find(' '), std::string::npos);
    std::ranges::transform(pattern, pattern.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    for (const std::string& other : names)
      EXPECT_EQ(std::regex_search(other, std::regex(pattern)), other == name) << name << " " << other;
  }
}

}  // namespace
}  // namespace fqlab
