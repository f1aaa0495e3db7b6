// fqlab equalize as a person types it, on the smallest model.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "cli/program.h"
#include "fqlab/engine.h"
#include "fqlab/gguf.h"

namespace fqlab {
namespace {

using testing::fqlab;
using ::testing::HasSubstr;

class EqualizeCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += "Once upon a time there were " + std::to_string(i * i) + " little birds. ";
    testing::write_file(folder_ / "stories.txt", text);
    const testing::Ran ran =
        fqlab({"imatrix", model_.string(), "--corpus", (folder_ / "stories.txt").string(), "--ctx", "64",
               "--chunks", "3", "-o", imatrix_.string()});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  testing::Ran equalize(const std::filesystem::path& model, std::vector<std::string> more = {}) {
    std::vector<std::string> all = {"equalize",        model.string(), "--imatrix",
                                    imatrix_.string(), "-o",           out_.string()};
    all.insert(all.end(), more.begin(), more.end());
    return fqlab(all);
  }
  static std::vector<float> logits(const std::filesystem::path& path) {
    const Model model = Model::load(GgufFile::open(path).value()).value();
    Evaluator evaluator = Evaluator::create(model, {32, 32, 2}).value();
    std::vector<int32_t> tokens;
    tokens.reserve(32);
    for (int i = 0; i < 32; ++i) tokens.push_back((37 * i + 5) % model.vocabulary_size());
    const std::span<const float> all = evaluator.logits(tokens, 0, 32).value();
    return {all.begin(), all.end()};
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  std::filesystem::path imatrix_ = folder_ / "imatrix.gguf", out_ = folder_ / "out.gguf";
};

TEST_F(EqualizeCommand, WritesAnotherFileOfTheSameFunction) {
  const testing::Ran ran = equalize(model_);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("attn_norm"));
  EXPECT_THAT(ran.out, HasSubstr("no entry in the imatrix")) << "output.weight";
  const GgufFile before = GgufFile::open(model_).value(), after = GgufFile::open(out_).value();
  EXPECT_THAT(after.metadata_string("fqlab.equalized").value(), HasSubstr("attn_norm"));
  EXPECT_EQ(after.metadata_string("fqlab.source.sha256"), sha256_of_file(model_).value());
  size_t changed = 0;
  for (const TensorInfo& tensor : before.tensors())
    changed += !std::ranges::equal(before.data(tensor), after.data(*after.find_tensor(tensor.name)));
  EXPECT_GE(changed, 20u);
  const std::vector<float> original = logits(model_), equalized = logits(out_);
  EXPECT_EQ(std::memcmp(original.data(), equalized.data(), original.size() * sizeof(float)), 0);
}

TEST_F(EqualizeCommand, TheImatrixOfBeforeIsRefusedAfterIt) {
  ASSERT_EQ(equalize(model_).code, 0);
  const testing::Ran ran =
      fqlab({"inspect", out_.string(), "--format", "gguf:q8_0:imatrix=" + imatrix_.string()});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("before it was equalized"));
}

TEST_F(EqualizeCommand, KeepsSixteenBits) {
  const std::filesystem::path half = folder_ / "half.gguf";
  ASSERT_EQ(
      fqlab({"quantize", model_.string(), "--recipe", "*=f16", "--store", "f16", "-o", half.string()}).code,
      0);
  const testing::Ran ran = equalize(half);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const GgufFile before = GgufFile::open(half).value(), after = GgufFile::open(out_).value();
  for (const TensorInfo& tensor : before.tensors())
    EXPECT_EQ(after.find_tensor(tensor.name)->type, tensor.type) << tensor.name;
  EXPECT_EQ(before.find_tensor("blk.0.ffn_up.weight")->type, GgmlType::kF16);
}

TEST_F(EqualizeCommand, RefusesAQuantizedModel) {
  const std::filesystem::path plan = folder_ / "model.plan", small = folder_ / "small.gguf";
  ASSERT_EQ(fqlab({"plan", model_.string(), "--budget", "20bpw", "--types", "q8_0", "--chunks", "1",
                   "--candidate-chunks", "2", "--ctx", "64", "--corpus", (folder_ / "stories.txt").string(),
                   "--study", (folder_ / "study").string(), "-o", plan.string()})
                .code,
            0);
  ASSERT_EQ(fqlab({"build", plan.string(), "-o", small.string()}).code, 0);
  const testing::Ran ran = equalize(small);
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("quantized already"));
  EXPECT_THAT(ran.err, HasSubstr("q8_0"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(EqualizeCommand, RefusesLogitsThatCouldNotShowADifference) {
  const GgufFile file = GgufFile::open(model_).value();
  GgufRewrite rewrite;
  rewrite.replacements.push_back(
      {"output_norm.weight", GgmlType::kF32, [](std::span<std::byte> out) -> Result<void> {
         std::ranges::fill(out, std::byte{0xff});  // NaN
         return {};
       }});
  const std::filesystem::path broken = folder_ / "broken.gguf";
  ASSERT_TRUE(write_gguf_file(file, rewrite, broken, false));
  const testing::Ran ran = equalize(broken);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("logits are not finite"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(EqualizeCommand, RefusesBeforeTheWork) {
  testing::write_file(out_, "mine");
  const testing::Ran exists = equalize(model_);
  EXPECT_EQ(exists.code, 2);
  EXPECT_THAT(exists.err, HasSubstr("exists"));
  EXPECT_EQ(testing::read_file(out_), "mine");
  EXPECT_EQ(equalize(model_, {"--force"}).code, 0);
  const testing::Ran itself =
      fqlab({"equalize", model_.string(), "--imatrix", model_.string(), "-o", (folder_ / "new").string()});
  EXPECT_EQ(itself.code, 1);
  EXPECT_THAT(itself.err, HasSubstr("imatrix"));
}

}  // namespace
}  // namespace fqlab
