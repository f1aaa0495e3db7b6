#include "study/verify.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "fqlab/engine.h"
#include "study/changes.h"
#include "study/compare.h"
#include "study/speed_run.h"
#include "study/verify_plan.h"
#include "study/verify_run.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

/// A tiny model, files made from it by fake quantization, and two small texts.
class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    make_file("fine.gguf", "attn_q=int8:g32");
    make_file("coarse.gguf", "*=int4:g32");
    testing::write_file(folder_ / "one.txt", story("fox", 40));
    testing::write_file(folder_ / "two.txt", story("cat", 40));
    request_.model = model_;
    request_.output = folder_ / "fine.gguf";
    request_.against = {folder_ / "coarse.gguf"};
    request_.corpora = {{"one", folder_ / "one.txt"}};
    request_.n_ctx = 64;
    request_.n_batch = 64;
    request_.chunks = 5;  // odd: the last group of chunks is not full
    request_.dialogue = false;
    request_.speed = false;
  }
  static std::string story(const std::string& hero, int sentences) {
    std::string text;
    for (int i = 0; i < sentences; ++i)
      text += "Once the little " + hero + " number " + std::to_string(i * 7) + " saw " + std::to_string(i) +
              " big trees and was very happy. ";
    return text;
  }
  void make_file(const std::string& name, const char* recipe) {
    const GgufFile original = GgufFile::open(model_).value();
    const VariantChange change = change_by_recipe(original, Recipe::parse(recipe).value(), 2).value();
    ASSERT_TRUE(write_variant_file(original, change, folder_ / name, false));
  }
  Verification measured() {
    Result<Verification> v = verify(request_, {});
    EXPECT_TRUE(v) << to_string(v.error());
    return v ? std::move(*v) : Verification{};
  }

  testing::TemporaryFolder folder_;
  fs::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  VerifyRequest request_;
};

void expect_same(const std::optional<Interval>& a, const std::optional<Interval>& b) {
  ASSERT_EQ(a.has_value(), b.has_value());
  if (!a) return;
  EXPECT_EQ(a->low, b->low);
  EXPECT_EQ(a->high, b->high);
}

void expect_same(const FileOnText& file, const Comparison& c) {
  EXPECT_EQ(file.kl.mean, c.kl.mean);
  expect_same(file.kl.interval, c.kl.interval);
  expect_same(file.kl.interval90, c.kl.interval90);
  EXPECT_EQ(file.kl.median, c.kl.median);
  EXPECT_EQ(file.kl.p99, c.kl.p99);
  EXPECT_EQ(file.kl.max, c.kl.max);
  EXPECT_EQ(file.design_effect, c.design_effect);
  EXPECT_EQ(file.perplexity.original, c.perplexity.original);
  EXPECT_EQ(file.perplexity.variant, c.perplexity.variant);
  expect_same(file.perplexity.log_ratio_interval, c.perplexity.log_ratio_interval);
  EXPECT_EQ(file.same_top.fraction, c.same_top.fraction);
  expect_same(file.same_top.interval, c.same_top.interval);
  EXPECT_EQ(file.verdicts.perplexity, c.verdicts.perplexity);
  EXPECT_EQ(file.verdicts.kl, c.verdicts.kl);
  EXPECT_EQ(file.verdicts.same_top, c.verdicts.same_top);
  EXPECT_EQ(file.verdicts.overall, c.verdicts.overall);
  EXPECT_EQ(file.logits_identical, c.logits_identical);
  ASSERT_EQ(file.chunks.size(), c.chunks.size());
  for (size_t i = 0; i < file.chunks.size(); ++i) {
    EXPECT_EQ(file.chunks[i].kl_mean, c.chunks[i].kl_mean);
    EXPECT_EQ(file.chunks[i].cluster, c.chunks[i].cluster);
  }
}

TEST_F(VerifyTest, TheNumbersOfAFileAreThoseOfCompareInNativeArithmetic) {
  request_.dialogue = true;
  request_.predict = 12;
  const Verification v = measured();
  ASSERT_THAT(v.files, SizeIs(2));
  const fs::path paths[] = {request_.output, request_.against[0]};
  for (size_t f = 0; f < 2; ++f) {
    CompareRequest alone;
    alone.model = model_;
    alone.variant = paths[f];
    alone.corpora = request_.corpora;
    alone.arithmetic = Arithmetic::kNative;
    alone.n_ctx = alone.n_batch = 64;
    alone.chunks = 5;
    alone.predict = 12;
    alone.speed = false;
    const std::vector<Comparison> compared = compare(alone, {}).value();
    expect_same(v.texts[0].files[f], compared[0]);
    EXPECT_GT(compared[0].kl.mean, 0);
    ASSERT_EQ(v.files[f].dialogue.size(), compared[0].dialogue.size());
    for (size_t i = 0; i < compared[0].dialogue.size(); ++i) {
      EXPECT_EQ(v.files[f].dialogue[i].variant, compared[0].dialogue[i].variant);
      EXPECT_EQ(v.files[f].dialogue[i].kl_mean, compared[0].dialogue[i].kl_mean);
    }
    EXPECT_EQ(v.files[f].identity.sha256, compared[0].variant_file->sha256);
  }
}

TEST_F(VerifyTest, ThePairIsThatOfTheSamePositions) {
  const Verification v = measured();
  const VerifiedText& text = v.texts[0];
  double fine = 0, coarse = 0;
  for (const ChunkResult& chunk : text.files[0].chunks) fine += chunk.kl_mean;
  for (const ChunkResult& chunk : text.files[1].chunks) coarse += chunk.kl_mean;
  EXPECT_NEAR(text.against[0].difference.value, (fine - coarse) / 5, 1e-12);
  EXPECT_NEAR(text.against[0].ratio.value, fine / coarse, 1e-12);
  EXPECT_EQ(text.against[0].chunks_lower, 5);
  EXPECT_EQ(text.against[0].standing, Standing::kBetter);
}

TEST_F(VerifyTest, TheOriginalIsEvaluatedOnceAChunkWhateverTheNumberOfFiles) {
  int originals = 0, most = 0;
  double last = 0;
  ASSERT_TRUE(verify(request_, [&](int done, int total, const std::string& now, double share) {
    originals += now == "original";
    most = std::max(most, done);
    EXPECT_EQ(total, 2 + 5 * 3);
    EXPECT_GE(share, last);
    last = share;
  }));
  EXPECT_EQ(originals, 5);
  EXPECT_EQ(most, 2 + 5 * 3 - 1);
}

TEST_F(VerifyTest, FilesLoadedOneAtATimeGiveTheSameBits) {
  const Verification v = measured();
  const GgufFile original = GgufFile::open(model_).value();
  VerifyRun run{.request = request_, .work = WorkShare({})};
  run.options = {64, 64, 2};
  run.scored = second_half(64);
  for (const fs::path& path : {request_.output, request_.against[0]})
    run.files.push_back({.file = GgufFile::open(path).value(), .name = path.filename().string()});
  run.model = Model::load(original).value();
  run.original = Evaluator::create(*run.model, run.options).value();
  run.chunks = cut_chunks(read_corpus(folder_ / "one.txt").value(), *run.model, 64, 5).value();
  run.all_loaded = false;
  run.chunks_at_once = 1;
  ASSERT_TRUE(run_chunks(run));
  for (size_t f = 0; f < 2; ++f) {
    double sum = 0;
    for (const PairedPosition& position : std::span(run.files[f].positions).first(31))
      sum += position.kl_nats;
    EXPECT_DOUBLE_EQ(sum / 31, v.texts[0].files[f].chunks[0].kl_mean);
    EXPECT_FALSE(run.files[f].evaluator.has_value());
  }
}

TEST_F(VerifyTest, ACopyOfTheOriginalIsExactlyTheOriginal) {
  fs::copy_file(model_, folder_ / "copy.gguf");
  request_.output = folder_ / "copy.gguf";
  const Verification v = measured();
  EXPECT_EQ(v.texts[0].files[0].kl.mean, 0);
  EXPECT_EQ(v.texts[0].files[0].kl.max, 0);
  EXPECT_EQ(v.texts[0].files[0].verdicts.overall, Verdict::kIdentical);
  EXPECT_EQ(v.texts[0].against[0].ratio.value, 0);
}

TEST_F(VerifyTest, EachOfSeveralTextsHasTheNumbersItHasAlone) {
  const Verification first = measured();
  request_.corpora = {{"two", folder_ / "two.txt"}};
  const Verification second = measured();
  request_.corpora = {{"one", folder_ / "one.txt"}, {"two", folder_ / "two.txt"}};
  const Verification both = measured();
  ASSERT_THAT(both.texts, SizeIs(2));
  for (size_t f = 0; f < 2; ++f) {
    EXPECT_EQ(both.texts[0].files[f].kl.mean, first.texts[0].files[f].kl.mean);
    EXPECT_EQ(both.texts[1].files[f].kl.mean, second.texts[0].files[f].kl.mean);
    expect_same(both.texts[1].files[f].kl.interval, second.texts[0].files[f].kl.interval);
  }
  expect_same(both.texts[1].against[0].ratio.interval, second.texts[0].against[0].ratio.interval);
  EXPECT_EQ(both.texts[1].clusters, 5);
}

TEST_F(VerifyTest, SpeedsOfAllFilesComeFromTheSameBlocks) {
  request_.speed = true;
  request_.speed_blocks = 2;
  request_.chunks = 1;
  const Verification v = measured();
  for (const VerifiedFile& file : v.files) {
    ASSERT_TRUE(file.speed);
    EXPECT_THAT(file.speed->prompt_tps.blocks, SizeIs(4));  // two, and two of the second load
    EXPECT_GT(file.speed->generation_tps.variant, 0);
  }
  EXPECT_FALSE(v.files[0].first_speed);
  ASSERT_TRUE(v.files[1].first_speed);
  // The same visits: the verified file over this one is the quotient of their ratios to the original.
  EXPECT_NEAR(v.files[1].first_speed->prompt_tps.ratio,
              v.files[0].speed->prompt_tps.ratio / v.files[1].speed->prompt_tps.ratio, 1e-9);
}

TEST_F(VerifyTest, FilesOfOneNameAreToldApartByTheirFolders) {
  fs::create_directory(folder_ / "other");
  fs::copy_file(folder_ / "coarse.gguf", folder_ / "other" / "fine.gguf");
  request_.against = {folder_ / "other" / "fine.gguf"};
  request_.chunks = 1;
  const Verification v = measured();
  EXPECT_EQ(v.files[1].name, "other/fine.gguf");
  EXPECT_NE(v.files[0].name, v.files[1].name);
}

TEST_F(VerifyTest, RefusesWhatCannotBeVerified) {
  const auto refused = [&](ErrorCode code, const char* message) {
    const Result<Verification> v = verify(request_, {});
    ASSERT_FALSE(v);
    EXPECT_EQ(v.error().code, code) << to_string(v.error());
    EXPECT_THAT(to_string(v.error()), HasSubstr(message));
  };
  const VerifyRequest sound = request_;
  request_.against.push_back(request_.output);
  refused(ErrorCode::kUsage, "given twice");
  request_ = sound;
  request_.against = {folder_ / "none.gguf"};
  refused(ErrorCode::kSystem, "none.gguf");
  request_ = sound;
  testing::write_file(folder_ / "short.txt", "Too short.");
  request_.corpora = {{"short", folder_ / "short.txt"}};
  refused(ErrorCode::kInput, "64 needed");
  request_ = sound;
  request_.corpora.clear();
  refused(ErrorCode::kUsage, "no text");
  request_ = sound;
  request_.n_batch = 15;
  refused(ErrorCode::kUsage, "16");
  request_ = sound;
  request_.n_ctx = 2'000'000'000;
  refused(ErrorCode::kSystem, "TB");
  request_ = sound;
  request_.prompts = folder_ / "no-prompts.txt";
  refused(ErrorCode::kSystem, "no-prompts.txt");
}

TEST_F(VerifyTest, RefusesAFileOfAnotherModel) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  request_.against = {testing::smollm2_file()};
  const Result<Verification> v = verify(request_, {});
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().code, ErrorCode::kUsage);
  EXPECT_THAT(to_string(v.error()), HasSubstr("tokenizer"));
}

class VerifyWithPlan : public VerifyTest {
 protected:
  void SetUp() override {
    VerifyTest::SetUp();
    if (IsSkipped()) return;
    request_.chunks = 1;
    QuantizationPlan plan;
    plan.corpora = {(folder_ / "two.txt").string()};
    const GgufFile file = GgufFile::open(request_.output).value();
    for (const TensorInfo& tensor : file.tensors()) plan.tensors.push_back({tensor.name, tensor.type, {}});
    request_.plan = plan;
  }
};

TEST_F(VerifyWithPlan, ATextThatThePlanHasNotSeenNeedsNoWarning) {
  const Verification v = measured();
  EXPECT_THAT(v.warnings, Not(Contains(::testing::StartsWith("plan_"))));
  EXPECT_EQ(v.texts[0].planned_on, false);
}

TEST_F(VerifyWithPlan, ATextThatThePlanHasSeenIsFoundByItsWords) {
  fs::create_directory(folder_ / "texts");
  fs::copy_file(folder_ / "one.txt", folder_ / "texts" / "renamed.txt");
  request_.plan->corpora = {(folder_ / "two.txt").string(), (folder_ / "texts").string()};
  const Verification v = measured();
  EXPECT_EQ(v.texts[0].planned_on, true);
  EXPECT_THAT(v.texts[0].warnings, Contains("planned_on"));
}

TEST_F(VerifyWithPlan, SaysWhereThePlansTextCannotBeRead) {
  request_.plan->corpora = {(folder_ / "two.txt").string(), "gone.txt"};
  const Verification v = measured();
  EXPECT_THAT(v.warnings, Contains("plan_text_unknown"));
  EXPECT_FALSE(v.texts[0].planned_on.has_value());
}

TEST_F(VerifyWithPlan, SaysThatTheFileOrTheOriginalIsNotThatOfThePlan) {
  request_.plan->model_sha256 = std::string(64, '0');
  request_.plan->tensors[0].type = GgmlType::kF16;
  const Verification v = measured();
  EXPECT_THAT(v.warnings, Contains("plan_other_model"));
  EXPECT_THAT(v.warnings, Contains("plan_other_types"));
}

TEST(ShareADocument, LooksAtWholeDocumentsAndNotAtEmptyOnes) {
  Corpus a, b;
  a.texts = {"first", "second", ""};
  b.texts = {"third", ""};
  EXPECT_FALSE(share_a_document(a, b));
  b.texts.push_back("second");
  EXPECT_TRUE(share_a_document(a, b));
}

}  // namespace
}  // namespace fqlab
