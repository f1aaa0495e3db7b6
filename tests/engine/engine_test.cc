#include "fqlab/engine.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/bits.h"
#include "fqlab/gguf.h"
#include "fqlab/metrics.h"
#include "gguf/small_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::SizeIs;

bool expand_none(const TensorInfo&) { return false; }

/// SmolLM2 Q4_1: the file, and 64 tokens of plain English.
class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::smollm2_file());
    file_.emplace(GgufFile::open(testing::smollm2_file()).value());
  }
  std::vector<int32_t> tokens(const Model& model, size_t n) {
    std::string text;
    for (int i = 0; i < 40; ++i)
      text += "The quick brown fox jumps over the lazy dog, and then it sleeps in the sun. ";
    std::vector<int32_t> all = model.tokenize(text).value();
    all.resize(n);
    return all;
  }
  std::vector<float> logits(Evaluator& evaluator, std::span<const int32_t> chunk, int first, int count) {
    const std::span<const float> found = evaluator.logits(chunk, first, count).value();
    return {found.begin(), found.end()};
  }
  std::optional<GgufFile> file_;
};

TEST_F(EngineTest, AnImageWithoutExpansionGivesTheFilesLogitsBitForBit) {
  const Model stored = Model::load(*file_).value();
  const WeightImage image = WeightImage::create(*file_, expand_none).value();
  const Model loaded = Model::load(image).value();
  Evaluator a = Evaluator::create(stored, {64, 64, 2}).value(),
            b = Evaluator::create(loaded, {64, 64, 2}).value();
  const std::vector<int32_t> chunk = tokens(stored, 64);
  EXPECT_TRUE(same_bits(logits(a, chunk, 32, 31), logits(b, chunk, 32, 31)));
  EXPECT_EQ(image.bytes(), file_->file_bytes());
}

TEST_F(EngineTest, APatchChangesTheLogitsAndRestoringGivesThemBack) {
  WeightImage image = WeightImage::create(*file_, expand_all).value();
  const Model model = Model::load(image).value();
  Evaluator evaluator = Evaluator::create(model, {64, 64, 2}).value();
  const std::vector<int32_t> chunk = tokens(model, 64);
  const std::vector<float> before = logits(evaluator, chunk, 32, 31);
  const std::span<float> weights = image.floats("blk.7.ffn_down.weight");
  ASSERT_THAT(weights, SizeIs(1536 * 576));
  const float kept = weights[12345];
  weights[12345] += 0.5f;
  EXPECT_FALSE(same_bits(before, logits(evaluator, chunk, 32, 31)));
  weights[12345] = kept;
  EXPECT_TRUE(same_bits(before, logits(evaluator, chunk, 32, 31)));
}

TEST_F(EngineTest, ResultsDoNotDependOnBatchSizeOrThreads) {
  WeightImage image = WeightImage::create(*file_, expand_all).value();
  const Model model = Model::load(image).value();
  const std::vector<int32_t> chunk = tokens(model, 96);
  Evaluator whole = Evaluator::create(model, {96, 96, 2}).value();
  const std::vector<float> expected = logits(whole, chunk, 48, 47);
  for (const EvaluatorOptions options :
       {EvaluatorOptions{96, 16, 2}, EvaluatorOptions{96, 40, 1}, EvaluatorOptions{96, 96, 1},
        EvaluatorOptions{96, 47, 2},     // 95 = 47 + 47 + 1: no call may hold a single token
        EvaluatorOptions{96, 49, 2}}) {  // nor a single output
    Evaluator other = Evaluator::create(model, options).value();
    EXPECT_TRUE(same_bits(expected, logits(other, chunk, 48, 47)))
        << options.n_batch << " " << options.threads;
  }
}

TEST_F(EngineTest, AFewPositionsHaveTheBitsTheyHaveAmongMany) {
  WeightImage image = WeightImage::create(*file_, expand_all).value();
  const Model model = Model::load(image).value();
  const std::vector<int32_t> chunk = tokens(model, 64);
  Evaluator evaluator = Evaluator::create(model, {64, 64, 2}).value();
  const std::vector<float> many = logits(evaluator, chunk, 0, 64);
  const size_t row = static_cast<size_t>(model.vocabulary_size());
  for (const int first : {8, 40, 63}) {
    const std::vector<float> one = logits(evaluator, chunk, first, 1);
    EXPECT_TRUE(same_bits(one, std::span(many).subspan(row * static_cast<size_t>(first), row))) << first;
  }
}

TEST_F(EngineTest, ChunksEvaluatedAtOnceHaveTheBitsTheyHaveAlone) {
  for (const bool expanded : {false, true}) {
    WeightImage image = WeightImage::create(*file_, expanded ? expand_all : expand_none).value();
    const Model model = Model::load(image).value();
    const std::vector<int32_t> all = tokens(model, 192);
    Evaluator evaluator = Evaluator::create(model, {64, 64, 2}).value();
    std::vector<std::span<const int32_t>> chunks;
    std::vector<std::vector<float>> alone;
    for (size_t c = 0; c < 3; ++c) {
      chunks.push_back(std::span(all).subspan(64 * c, 64));
      alone.push_back(logits(evaluator, chunks.back(), 32, 31));
    }
    const std::vector<std::span<const float>> together = evaluator.logits(chunks, 32, 31).value();
    ASSERT_THAT(together, SizeIs(3));
    for (size_t c = 0; c < 3; ++c) EXPECT_TRUE(same_bits(alone[c], together[c])) << c << expanded;
  }
}

TEST_F(EngineTest, OnlyFloat32TensorsCanBePatched) {
  WeightImage image = WeightImage::create(*file_, expand_none).value();
  EXPECT_TRUE(image.floats("blk.0.ffn_down.weight").empty());  // Q4_1 in the file
  EXPECT_THAT(image.floats("blk.0.ffn_norm.weight"), SizeIs(576));
  EXPECT_TRUE(image.floats("no.such.tensor").empty());
}

TEST_F(EngineTest, PositionsOutsideTheChunkAreRefused) {
  const Model model = Model::load(*file_).value();
  Evaluator evaluator = Evaluator::create(model, {64, 64, 2}).value();
  const std::vector<int32_t> chunk = tokens(model, 64);
  EXPECT_EQ(evaluator.logits(chunk, 60, 5).error().code, ErrorCode::kUsage);
  EXPECT_EQ(evaluator.logits(tokens(model, 65), 0, 1).error().code, ErrorCode::kUsage);
}

TEST_F(EngineTest, PlannedBytesCoverAnF32Expansion) {
  const uint64_t planned = WeightImage::planned_bytes(*file_, expand_all).value();
  EXPECT_EQ(planned, WeightImage::create(*file_, expand_all).value().bytes());
  EXPECT_GT(planned, 134'515'008u * 4);  // SmolLM2's parameters in float32
}

TEST(Engine, RefusesAFileThatLlamaCppCannotLoadWithItsOwnWords) {
  const auto path = testing::shared_file("data/stories260k-f32.gguf");
  FQLAB_REQUIRE_FILE(path);
  const GgufFile file = GgufFile::open(path).value();
  testing::TemporaryFolder folder;
  GgufRewrite rewrite;
  rewrite.set_metadata.push_back({"general.architecture", std::string("nonesuch")});
  ASSERT_TRUE(write_gguf_file(file, rewrite, folder / "x.gguf", false));
  const Result<Model> model = Model::load(GgufFile::open(folder / "x.gguf").value());
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kEngine);
  EXPECT_THAT(model.error().what, ::testing::HasSubstr("nonesuch"));
}

TEST(Engine, RefusesTensorsThatLlamaCppWouldAbortOn) {
  const testing::TemporaryFolder folder;
  testing::SmallFile small = testing::small_file();
  small.alignment = 8;
  small.metadata.push_back(testing::u32_entry("general.alignment", 8));
  small.tensors.resize(1);
  testing::write_file(folder / "x.gguf", small.text());
  const GgufFile file = GgufFile::open(folder / "x.gguf").value();
  EXPECT_THAT(Model::load(file).error().what, ::testing::HasSubstr("aligned to 8 bytes"));
  EXPECT_EQ(WeightImage::create(file, expand_all).error().code, ErrorCode::kInput);
}

}  // namespace
}  // namespace fqlab
