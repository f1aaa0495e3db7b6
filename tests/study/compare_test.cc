#include "study/compare.h"

#include <gmock/gmock.h>

#include "fqlab/engine.h"
#include "study/changes.h"
#include "study/corpus.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// SmolLM2 on two short chunks of a small text: quick, and every arm is exercised.
class CompareTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::smollm2_file());
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += "Sentence number " + std::to_string(i * i) + " is about the weather in the mountains, the " +
              std::to_string(i) + "th of many. ";
    testing::write_file(folder_ / "text.txt", text);
    request_.model = testing::smollm2_file();
    request_.corpora = {{"text", folder_ / "text.txt"}};
    request_.n_ctx = 128;
    request_.n_batch = 128;
    request_.chunks = 2;
    request_.threads = 2;
    request_.dialogue = false;
    request_.speed = false;
    request_.arithmetic = Arithmetic::kReference;
  }
  void add_recipe(const char* text) { request_.recipes.push_back(Recipe::parse(text).value()); }
  Comparison only() {
    std::vector<Comparison> all = compare(request_, {}).value();
    EXPECT_THAT(all, SizeIs(1));
    return all.front();
  }

  testing::TemporaryFolder folder_;
  CompareRequest request_;
};

TEST_F(CompareTest, AnIdentityRecipeIsExactlyZeroAndVacuous) {
  add_recipe("0/ffn_norm=f32");
  const Comparison c = only();
  EXPECT_EQ(c.kl.mean, 0);
  EXPECT_EQ(c.kl.max, 0);
  EXPECT_EQ(c.perplexity.log_ratio, 0);
  EXPECT_TRUE(c.logits_identical);
  EXPECT_EQ(c.verdicts.kl, Verdict::kIdentical);
  EXPECT_EQ(c.verdicts.overall, Verdict::kVacuous);
}

TEST_F(CompareTest, TheOriginalExperimentChangesNoValue) {
  add_recipe("0/ffn_norm=bf16");
  const Comparison c = only();
  EXPECT_EQ(c.values_total, 576u);
  EXPECT_EQ(c.values_changed, 0u);
  EXPECT_TRUE(c.vacuous);
}

TEST_F(CompareTest, AnEffectIsResolvedFromAFloorFarBelow) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  const Comparison c = only();
  EXPECT_EQ(c.values_changed, 540u);
  EXPECT_GT(c.kl.mean, 1e-4);
  EXPECT_LT(c.kl.noise_floor->value, 1e-10);
  EXPECT_EQ(c.kl.resolved, true);
  EXPECT_THAT(c.kl.controls, SizeIs(4));
  EXPECT_GT(c.storage->kl.value, 0);
}

TEST_F(CompareTest, TheFileAsStoredIsMeasuredOnAsManyChunksAsAreAskedFor) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  request_.stored_chunks = 0;
  EXPECT_FALSE(only().storage.has_value());
  request_.stored_chunks = 1;
  const Comparison one = only();
  EXPECT_EQ(one.storage->chunks, 1);
  request_.stored_chunks.reset();
  EXPECT_EQ(only().storage->chunks, request_.chunks);  // at least four, so all of these few
}

TEST_F(CompareTest, SeveralRecipesShareTheOriginalsPasses) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  const Comparison alone = only();
  request_.recipes.clear();
  add_recipe("1/ffn_norm=fp8_e5m2");
  add_recipe("0/ffn_norm=fp8_e4m3");
  const std::vector<Comparison> both = compare(request_, {}).value();
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_EQ(both[1].kl.mean, alone.kl.mean);  // the first variant left no trace
  EXPECT_EQ(both[1].perplexity.variant, alone.perplexity.variant);
  EXPECT_EQ(both[0].perplexity.original, alone.perplexity.original);
}

TEST_F(CompareTest, ReplayedPassesGiveTheNumbersOfTheWholeModel) {
  add_recipe("15/attn_q=fp8_e4m3");
  add_recipe("0/ffn_norm=f32;15/attn_q=fp8_e4m3");  // the same weights, and a reason to begin at layer 0
  add_recipe("0/ffn_norm=bf16");
  const std::vector<Comparison> c = compare(request_, {}).value();
  EXPECT_EQ(c[0].settings.replay_from, 15);
  EXPECT_EQ(c[1].settings.replay_from, 0);
  EXPECT_EQ(c[2].settings.replay_from, 0) << "the proof that nothing changes is of the whole model";
  EXPECT_EQ(c[0].kl.mean, c[1].kl.mean);
  EXPECT_EQ(c[0].perplexity.variant, c[1].perplexity.variant);
  EXPECT_EQ(c[0].same_top.fraction, c[1].same_top.fraction);
  for (size_t i = 0; i < c[0].chunks.size(); ++i) EXPECT_EQ(c[0].chunks[i].kl_mean, c[1].chunks[i].kl_mean);
  EXPECT_GT(c[0].kl.noise_floor->value, 0);
  const int original = 2 + 2, stored = 2, each = 2 + 4 * 2, unchanged = 1, check_of_the_cut = 1;
  EXPECT_EQ(c[0].passes, original + stored + 2 * each + unchanged + check_of_the_cut);
}

TEST_F(CompareTest, NativeIdentityOfAMatrixHasAStorageEffectButNoDivergence) {
  request_.arithmetic = Arithmetic::kNative;
  add_recipe("7/ffn_down=f32");  // Q4_1 in the file
  const Comparison c = only();
  EXPECT_EQ(c.kl.mean, 0);
  EXPECT_TRUE(c.logits_identical);
  EXPECT_GT(c.storage->kl.value, 0);
}

TEST_F(CompareTest, NativeNormsNeedNoExpansionSoTheStorageEffectIsZero) {
  request_.arithmetic = Arithmetic::kNative;
  request_.chunks = 1;
  add_recipe("0/ffn_norm=fp8_e4m3");
  const Comparison c = only();
  EXPECT_EQ(c.storage->kl.value, 0);
  EXPECT_EQ(c.storage->perplexity, c.perplexity.original);
  EXPECT_THAT(c.kl.controls, SizeIs(10));
}

TEST_F(CompareTest, AModelAgainstItselfIsIdentical) {
  request_.variant = testing::smollm2_file();
  const Comparison c = only();
  EXPECT_EQ(c.kl.mean, 0);
  EXPECT_EQ(c.verdicts.overall, Verdict::kIdentical);
  EXPECT_FALSE(c.vacuous);
}

TEST_F(CompareTest, AVariantFileGivesWhatItsRecipeGives) {
  const GgufFile original = GgufFile::open(testing::smollm2_file()).value();
  const VariantChange change =
      change_by_recipe(original, Recipe::parse("0-1/attn_q=fp8_e4m3").value(), 2).value();
  ASSERT_TRUE(write_variant_file(original, change, folder_ / "variant.gguf", false));
  add_recipe("0-1/attn_q=fp8_e4m3");
  const Comparison by_recipe = only();
  request_.recipes.clear();
  request_.variant = folder_ / "variant.gguf";
  const Comparison by_file = only();
  EXPECT_EQ(by_file.kl.mean, by_recipe.kl.mean);
  EXPECT_EQ(by_file.values_changed, by_recipe.values_changed);
}

TEST_F(CompareTest, AWayOfGeluIsToldWhereItChangesSomething) {
  request_.gelu = Gelu::kEngine;
  request_.chunks = 1;
  add_recipe("0/ffn_norm=bf16");
  EXPECT_EQ(only().settings.gelu, Gelu::kEngine);  // SmolLM2 has SiLU, but attention scores too
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  request_.model = testing::gemma_file();
  EXPECT_EQ(only().settings.gelu, Gelu::kEngine);
  request_.gelu = Gelu::kExact;
  const Comparison exact = only();
  EXPECT_EQ(exact.settings.gelu, Gelu::kExact);
  EXPECT_LT(exact.kl.noise_floor->value, 1e-10);
  request_.arithmetic = Arithmetic::kNative;
  EXPECT_FALSE(only().settings.gelu);
}

TEST_F(CompareTest, RefusesAVariantOfAnotherModel) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  request_.variant = testing::gemma_file();
  const auto result = compare(request_, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  EXPECT_THAT(result.error().what, HasSubstr("architecture"));
}

TEST_F(CompareTest, RefusesATextTooShortForOneChunk) {
  testing::write_file(folder_ / "text.txt", "Too short.");
  add_recipe("0/ffn_norm=bf16");
  const auto result = compare(request_, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInput);
  EXPECT_THAT(result.error().what, HasSubstr("128 needed"));
}

TEST_F(CompareTest, RefusesWhatDoesNotFitIntoMemoryWithTheSizes) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  request_.n_ctx = 100'000'000;
  const auto result = compare(request_, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kSystem);
  EXPECT_THAT(result.error().what, HasSubstr("TB"));
}

TEST_F(CompareTest, TheOriginalReportsSettingsWork) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  request_.chunks = 1;
  const double whole = only().perplexity.variant;
  request_.n_batch = 16;
  const Comparison c = only();
  EXPECT_EQ(c.perplexity.variant, whole);
  EXPECT_FALSE(c.kl.interval.has_value());
}

TEST_F(CompareTest, AFileToKeepThatCannotBeMadeIsRefusedBeforeAnythingIsMeasured) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  request_.keep_variant = folder_ / "kept.gguf";
  EXPECT_EQ(compare(request_, {}).error().code, ErrorCode::kUsage);  // nothing makes a file without --speed
  request_.speed = true;
  testing::write_file(*request_.keep_variant, "precious");
  int passes = 0;
  const auto result = compare(request_, [&](int, int, const std::string&) { ++passes; });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  EXPECT_EQ(passes, 0);
  EXPECT_EQ(testing::read_file(*request_.keep_variant), "precious");
}

TEST_F(CompareTest, AChatTemplateThatTakesNoPromptIsToldBeforeAnythingIsMeasured) {
  GgufRewrite rewrite;
  rewrite.set_metadata.push_back(
      {"tokenizer.chat_template", std::string("{{ raise_exception('not to be talked to') }}")});
  const std::filesystem::path model = folder_ / "shy.gguf";
  ASSERT_TRUE(write_gguf_file(GgufFile::open(request_.model).value(), rewrite, model, false));
  request_.model = model;
  request_.dialogue = true;
  add_recipe("0/ffn_norm=fp8_e4m3");
  bool measured = false;
  const auto result = compare(request_, [&](int, int, const std::string&) { measured = true; });
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().what, AllOf(HasSubstr("chat template"), HasSubstr("not to be talked to")));
  EXPECT_THAT(result.error().hint, HasSubstr("--no-dialogue"));
  EXPECT_FALSE(measured);
}

TEST_F(CompareTest, AVariantWhoseLogitsAreNoNumbersIsRefused) {
  add_recipe("0/attn_q=e8m0");  // has no negative numbers: half of the weights become NaN
  const auto result = compare(request_, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInput);
  EXPECT_THAT(result.error().what, HasSubstr("the changed model's logits are no numbers"));
}

TEST_F(CompareTest, WhereTheSpeedCannotBeMeasuredTheRestIsKept) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  request_.chunks = 2;
  request_.speed = true;
  std::filesystem::create_directory(folder_ / "gone");
  request_.keep_variant = folder_ / "gone" / "kept.gguf";
  const auto result =
      compare(request_, [&](int, int, const std::string&) { std::filesystem::remove_all(folder_ / "gone"); });
  ASSERT_TRUE(result) << to_string(result.error());
  const Comparison& c = result->front();
  EXPECT_GT(c.kl.mean, 0);
  EXPECT_FALSE(c.prompt_tps.has_value());
  EXPECT_THAT(c.notes, Contains(AllOf(Field(&Note::key, "speed"), Field(&Note::reason, "failed"),
                                      Field(&Note::detail, HasSubstr("gone")))));
}

TEST_F(CompareTest, ABatchSoShortThatTheEngineRoundsDifferentlyIsRefused) {
  add_recipe("0/ffn_norm=fp8_e4m3");
  request_.n_batch = 15;
  const auto result = compare(request_, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  EXPECT_THAT(result.error().what, HasSubstr("16"));
}

TEST_F(CompareTest, AFewChunksOfAFolderAreSpreadOverItWithTheDocumentAsCluster) {
  const std::string text = testing::read_file(folder_ / "text.txt");
  std::filesystem::create_directory(folder_ / "corpus");
  testing::write_file(folder_ / "corpus" / "b.txt", text.substr(0, 900));
  testing::write_file(folder_ / "corpus" / "a.txt", text);
  testing::write_file(folder_ / "corpus" / "c.txt", "short");
  const Corpus corpus = read_corpus(folder_ / "corpus").value();
  EXPECT_EQ(corpus.identity.documents, 3u);
  const Model model = Model::load(GgufFile::open(testing::smollm2_file()).value()).value();
  const std::vector<Chunk> chunks = cut_chunks(corpus, model, 64, 5).value();
  ASSERT_THAT(chunks, SizeIs(5));
  std::vector<int> clusters;
  for (const Chunk& chunk : chunks) clusters.push_back(chunk.cluster);
  EXPECT_THAT(clusters, ::testing::ElementsAre(0, 1, 0, 1, 0));  // b, a, b, a, b: c is too short
  // The middle of the document in the middle comes first, then what lies at the quarters.
  const auto chunk_of = [&](size_t document, size_t place) {
    std::vector<int32_t> tokens = model.tokenize(corpus.texts[document]).value();
    tokens = {tokens.begin() + static_cast<std::ptrdiff_t>(64 * place),
              tokens.begin() + static_cast<std::ptrdiff_t>(64 * (place + 1))};
    if (model.chunk_bos() >= 0) tokens[0] = model.chunk_bos();
    return tokens;
  };
  const size_t of_b = model.tokenize(corpus.texts[1]).value().size() / 64;
  ASSERT_GE(of_b, 3u);
  EXPECT_EQ(chunks[0].tokens, chunk_of(1, of_b / 2));
  EXPECT_EQ(chunks[2].tokens, chunk_of(1, of_b / 4));
  EXPECT_EQ(chunks[1].tokens, chunk_of(0, model.tokenize(corpus.texts[0]).value().size() / 64 / 2));
  EXPECT_THAT(cut_chunks(corpus, model, 64, 3).value()[2].tokens, ::testing::Eq(chunks[2].tokens));
}

TEST_F(CompareTest, EveryChunkOfAFolderIsTakenOnce) {
  std::filesystem::create_directory(folder_ / "corpus");
  const std::string text = testing::read_file(folder_ / "text.txt");
  for (const char* name : {"a.txt", "b.txt", "c.txt", "d.txt"})
    testing::write_file(folder_ / "corpus" / name, text.substr(0, 1500));
  const Corpus corpus = read_corpus(folder_ / "corpus").value();
  const Model model = Model::load(GgufFile::open(testing::smollm2_file()).value()).value();
  const std::vector<Chunk> chunks = cut_chunks(corpus, model, 64, 1000).value();
  const size_t of_each = model.tokenize(corpus.texts[0]).value().size() / 64;
  EXPECT_THAT(chunks, SizeIs(4 * of_each));
  std::set<std::pair<int, std::vector<int32_t>>> seen;
  for (const Chunk& chunk : chunks) seen.emplace(chunk.cluster, chunk.tokens);
  EXPECT_THAT(seen, SizeIs(chunks.size()));
}

}  // namespace
}  // namespace fqlab
