#include "fqlab/recipe.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "testing.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A llama-like model of four layers with tied embeddings.
std::vector<TensorInfo> model() {
  std::vector<TensorInfo> tensors;
  const auto add = [&](const std::string& name) { tensors.push_back({name, GgmlType::kF32, {4, 4}, 0, 64}); };
  add("token_embd.weight");
  add("output_norm.weight");
  for (const char* layer : {"0", "1", "2", "10"})
    for (const char* kind :
         {"attn_norm.weight", "attn_q.weight", "attn_q.bias", "ffn_down.weight", "ffn_norm.weight"})
      add(std::string("blk.") + layer + "." + kind);
  return tensors;
}

std::vector<std::string> chosen(const std::string& selector) {
  const auto parsed = Selector::parse(selector);
  EXPECT_TRUE(parsed) << to_string(parsed.error());
  const auto tensors = model();
  const auto indices = select(*parsed, tensors);
  if (!indices) return {"error: " + to_string(indices.error())};
  std::vector<std::string> names;
  for (const size_t i : *indices) names.push_back(tensors[i].name);
  return names;
}

std::string refusal(const std::string& selector) {
  const auto parsed = Selector::parse(selector);
  if (!parsed) {
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage);
    return to_string(parsed.error());
  }
  const auto indices = select(*parsed, model());
  return indices ? "" : to_string(indices.error());
}

TEST(Selector, TakesAKindFromAllLayers) {
  EXPECT_THAT(chosen("ffn_norm"), ElementsAre("blk.0.ffn_norm.weight", "blk.1.ffn_norm.weight",
                                              "blk.2.ffn_norm.weight", "blk.10.ffn_norm.weight"));
}

TEST(Selector, TakesLayersRangesAndLists) {
  EXPECT_THAT(chosen("0/ffn_norm"), ElementsAre("blk.0.ffn_norm.weight"));
  EXPECT_THAT(chosen("1-2/ffn_norm"), ElementsAre("blk.1.ffn_norm.weight", "blk.2.ffn_norm.weight"));
  EXPECT_THAT(chosen("0, 10 / attn_q , ffn_down"),
              ElementsAre("blk.0.attn_q.weight", "blk.0.ffn_down.weight", "blk.10.attn_q.weight",
                          "blk.10.ffn_down.weight"));
}

TEST(Selector, ReachesOtherSuffixesOnlyByNameOrGlob) {
  EXPECT_THAT(chosen("1/attn_q"), ElementsAre("blk.1.attn_q.weight"));
  EXPECT_THAT(chosen("1/attn_q.bias"), ElementsAre("blk.1.attn_q.bias"));
  EXPECT_THAT(chosen("1/attn_*"),
              ElementsAre("blk.1.attn_norm.weight", "blk.1.attn_q.weight", "blk.1.attn_q.bias"));
  EXPECT_THAT(chosen("1/attn_?"), ElementsAre("blk.1.attn_q.weight"));
}

TEST(Selector, TakesEverythingByAStarAndOnlyLayersByALayerPart) {
  EXPECT_EQ(chosen("*").size(), model().size());
  EXPECT_EQ(chosen("*/*").size(), model().size() - 2);
  EXPECT_EQ(chosen("0-10/*_norm").size(), 8u);
}

TEST(Selector, SearchesARegularExpressionInTheFullName) {
  EXPECT_THAT(chosen("re:/^blk\\.(0|10)\\.ffn_norm/"),
              ElementsAre("blk.0.ffn_norm.weight", "blk.10.ffn_norm.weight"));
  EXPECT_THAT(refusal("re:/a\\/b/"), HasSubstr("no tensor matches"));
  EXPECT_TRUE(Selector::parse("re:/a\\/b/")->matches("xa/bx"));
}

TEST(Selector, RefusesWhatIsNotItsLanguage) {
  for (const char* bad : {"", " ", "/ffn_norm", "a/ffn_norm", "2-1/ffn_norm", "-1/ffn_norm", "1-/ffn_norm",
                          "0,/ffn_norm", "0/", "ffn_norm,", "0/1/ffn_norm", "99999999999/a", "re:/a", "re:a",
                          "re://", "re:/a/b/", "re:/(/", "1--2/a"})
    EXPECT_FALSE(Selector::parse(bad)) << bad;
  EXPECT_FALSE(Selector::parse("re:/" + std::string(2000, '(') + "/"));
}

TEST(Selector, ShowsTheNearestKindForAMisspelledOne) {
  EXPECT_THAT(refusal("0/ffn_nrom"), HasSubstr("did you mean ffn_norm"));
  EXPECT_THAT(refusal("zzzzzzzzzzzzzzz"), HasSubstr("the model's kinds are attn_norm, attn_q, attn_q.bias"));
}

TEST(Selector, RefusesAListWithOneMisspelledMember) {
  EXPECT_THAT(refusal("0/attn_q,ffn_dwon"),
              AllOf(HasSubstr("'ffn_dwon'"), HasSubstr("did you mean ffn_down")));
  EXPECT_THAT(refusal("0,3/attn_q"), AllOf(HasSubstr("no layer 3"), HasSubstr("layers 0-10")));
}

TEST(Selector, AllowsARangeThatReachesBeyondTheModel) { EXPECT_EQ(chosen("2-99/ffn_norm").size(), 2u); }

TEST(Selector, SaysThatTiedEmbeddingsHaveNoOutput) {
  EXPECT_THAT(refusal("output"), AllOf(HasSubstr("tied"), HasSubstr("token_embd")));
  std::vector<TensorInfo> untied = model();
  untied.push_back({"output.weight", GgmlType::kF32, {4, 4}, 0, 64});
  EXPECT_EQ(select(*Selector::parse("output"), untied)->size(), 1u);
}

TEST(Selector, SaysThatATensorHasNoLayer) {
  EXPECT_THAT(refusal("0/ffn_norm,token_embd"), HasSubstr("write token_embd without a layer part"));
}

TEST(Selector, SaysHowToWriteAFullName) {
  EXPECT_THAT(refusal("blk.0.ffn_norm.weight"), HasSubstr("write 0/ffn_norm"));
  EXPECT_THAT(refusal("token_embd.weight"), HasSubstr("write token_embd"));
}

std::string resolved(const std::string& text) {
  const auto recipe = Recipe::parse(text);
  if (!recipe) return to_string(recipe.error());
  const auto tensors = model();
  const auto changes = recipe->resolve(tensors);
  if (!changes) return to_string(changes.error());
  std::string out;
  for (const TensorChange& change : *changes)
    out += tensors[change.tensor].name + "=" + change.format.print() + " ";
  return out;
}

TEST(Recipe, GivesEachTensorTheLastRuleThatMatchesIt) {
  EXPECT_EQ(resolved("0-1/ffn_norm=bf16; 1/ffn_norm = fp8_e4m3"),
            "blk.0.ffn_norm.weight=bf16 blk.1.ffn_norm.weight=fp8_e4m3 ");
}

TEST(Recipe, SeparatesRulesByNewlinesTooAndIgnoresEmptyOnes) {
  EXPECT_EQ(resolved("\n0/ffn_norm=bf16\n\n;1/ffn_norm=f16;\n"),
            "blk.0.ffn_norm.weight=bf16 blk.1.ffn_norm.weight=f16 ");
}

TEST(Recipe, LeavesSeparatorsInsideARegularExpressionAlone) {
  EXPECT_EQ(resolved("re:/^blk\\.0\\.(?=ffn_norm)|;/=bf16; token_embd=f16"),
            "token_embd.weight=f16 blk.0.ffn_norm.weight=bf16 ");
}

TEST(Recipe, PrintsWhatParsesBackToItself) {
  const auto recipe = Recipe::parse(" 0 , 2-3/ ffn_* =BF16\nre:/a b;=/=fp8-e4m3 ");
  ASSERT_TRUE(recipe) << to_string(recipe.error());
  EXPECT_EQ(recipe->print(), "0,2-3/ffn_*=bf16; re:/a b;=/=fp8_e4m3");
  EXPECT_EQ(Recipe::parse(recipe->print())->print(), recipe->print());
}

TEST(Recipe, KeepsBlanksOfAFileNameAndNoOthers) {
  EXPECT_EQ(Recipe::parse("ffn_up = gguf:q4_k : IMATRIX = /data/My Model.gguf ;").value().print(),
            Recipe::parse("ffn_up=gguf:q4_k:imatrix=/data/My Model.gguf").value().print());
  EXPECT_THAT(Recipe::parse("ffn_up=gguf:q4_k:imatrix=/data/My Model.gguf").value().print(),
              ::testing::HasSubstr("/data/My Model.gguf"));
}

TEST(Recipe, KeepsIdentityRules) { EXPECT_EQ(resolved("0/ffn_norm=f32"), "blk.0.ffn_norm.weight=f32 "); }

TEST(Recipe, RefusesARuleThatLaterOnesOverride) {
  EXPECT_THAT(resolved("0/ffn_norm=bf16; ffn_norm=f16"),
              AllOf(HasSubstr("rule 1"), HasSubstr("override"), HasSubstr("ffn_norm=f16")));
}

TEST(Recipe, NamesTheRuleThatIsWrong) {
  EXPECT_THAT(resolved("0/ffn_norm=bf16; 0/ffn_dwon=f16"),
              AllOf(HasSubstr("rule 2"), HasSubstr("did you mean ffn_down")));
  EXPECT_THAT(resolved("0/ffn_norm"), HasSubstr("SELECTOR=FORMAT"));
  EXPECT_THAT(resolved("0/ffn_norm=bf17"), HasSubstr("rule 1"));
  EXPECT_THAT(resolved(" ;\n"), HasSubstr("empty"));
}

TEST(Distortion, IsTheErrorOverTheEnergy) {
  const std::vector<float> original = {3, 4, 0}, quantized = {3, 4.5, 0};
  const Distortion result = distortion(original, quantized);
  EXPECT_EQ(result.relative_mse, 0.25 / 25);
  EXPECT_EQ(result.snr_db, 20);
  EXPECT_EQ(result.max_abs_error, 0.5);
}

TEST(Distortion, IsZeroWithoutASignalToNoiseRatioWhereNothingChanged) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values = {1, 0, nan};
  const Distortion result = distortion(values, values);
  EXPECT_EQ(result.relative_mse, 0);
  EXPECT_EQ(result.snr_db, std::nullopt);
}

TEST(Distortion, IsInfiniteWhereAFiniteValueWasLost) {
  const std::vector<float> original = {1, 2}, quantized = {1, std::numeric_limits<float>::infinity()};
  EXPECT_TRUE(std::isinf(distortion(original, quantized).relative_mse));
}

TEST(Exactness, CountsValuesThatNarrowerTypesWouldChange) {
  const std::vector<float> values = {1.0f,
                                     1.0f + 0x1p-7f,
                                     1.0f + 0x1p-8f,
                                     1.0f + 0x1p-11f,
                                     65504.0f,
                                     65536.0f,
                                     0x1p-24f,
                                     0x1p-25f,
                                     0.0f,
                                     -0.0f,
                                     std::numeric_limits<float>::infinity()};
  const Exactness result = exactness(values);
  EXPECT_EQ(result.values, values.size());
  EXPECT_EQ(result.not_bf16_exact, 3u);  // 1+2^-8, 1+2^-11, 65504
  EXPECT_EQ(result.not_f16_exact, 3u);   // 1+2^-11, 65536, 2^-25
}

class OnSmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override { FQLAB_REQUIRE_FILE(testing::smollm2_file()); }
  QuantizeCounts counts_of(const std::string& text) {
    const GgufFile file = GgufFile::open(testing::smollm2_file()).value();
    QuantizeCounts sum;
    const auto changes = Recipe::parse(text)->resolve(file.tensors());
    for (const TensorChange& change : *changes) {
      const auto changed = apply(file, file.tensors()[change.tensor], change.format, 1);
      EXPECT_TRUE(changed) << to_string(changed.error());
      sum += changed->counts;
    }
    return sum;
  }
};

TEST_F(OnSmolLm2, FirstNormIsBf16Exact) {
  const QuantizeCounts counts = counts_of("0/ffn_norm=bf16");
  EXPECT_EQ(counts.values, 576u);
  EXPECT_EQ(counts.changed, 0u);
}

TEST_F(OnSmolLm2, FirstNormChangesAlmostEverywhereInFp8) {
  EXPECT_EQ(counts_of("0/ffn_norm=fp8_e4m3").changed, 540u);
}

TEST(OnGemma, FirstNormChangesFourteenValuesInBf16) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  const GgufFile file = GgufFile::open(testing::gemma_file()).value();
  const TensorInfo& norm = *file.find_tensor("blk.0.ffn_norm.weight");
  EXPECT_EQ(apply(file, norm, FormatSpec::parse("bf16").value(), 1)->counts.changed, 14u);
  EXPECT_EQ(exactness(file.read_floats(norm).value()).not_bf16_exact, 14u);
}

}  // namespace
}  // namespace fqlab
