// What a comparison says beyond its means, measured with a model of 260,000 parameters.
#include <gmock/gmock.h>

#include <bit>

#include "study/compare.h"
#include "study/corpora.h"
#include "study/dialogue.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::SizeIs;

std::string story(const std::string& name, int sentences) {
  std::string text;
  for (int i = 0; i < sentences; ++i)
    text += name + " went to the park with " + std::to_string(i) +
            " friends. They saw a big dog and were happy.\n";
  return text;
}

class JudgementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    testing::write_file(folder_ / "a.txt", story("Lily", 60));
    testing::write_file(folder_ / "b.txt", story("Tom", 60));
    request_.model = model_;
    request_.corpora = {{"text", folder_ / "a.txt"}};
    request_.recipes = {Recipe::parse("0/ffn_up=int4:g32").value()};
    request_.n_ctx = request_.n_batch = 64;
    request_.chunks = 6;
    request_.predict = 8;
    request_.dialogue = request_.speed = false;
  }
  Comparison measured() {
    Result<std::vector<Comparison>> comparisons = compare(request_, {});
    EXPECT_TRUE(comparisons) << comparisons.error().what;
    return comparisons->front();
  }
  std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  testing::TemporaryFolder folder_;
  CompareRequest request_;
};

/// Every measured number, as bits.
std::vector<uint64_t> bits_of(const Comparison& c) {
  std::vector<uint64_t> bits;
  const auto add = [&](auto... numbers) {
    (bits.push_back(std::bit_cast<uint64_t>(static_cast<double>(numbers))), ...);
  };
  const auto add_interval = [&](const std::optional<Interval>& interval) {
    if (interval) add(interval->low, interval->high);
  };
  add(c.perplexity.original, c.perplexity.variant, c.perplexity.log_ratio, c.kl.mean, c.kl.median, c.kl.p999,
      c.kl.max);
  add(c.same_top.fraction, c.same_top.effective_n, c.design_effect.value_or(-1),
      c.perplexity.design_effect.value_or(-1));
  for (const auto& interval :
       {c.perplexity.log_ratio_interval, c.kl.interval, c.kl.interval90, c.same_top.interval})
    add_interval(interval);
  for (const ControlRun& control : c.kl.controls) add(control.kl_mean, control.same_top);
  for (const ChunkResult& chunk : c.chunks) add(chunk.nll_original, chunk.nll_variant, chunk.kl_mean);
  for (const PositionBin& bin : c.kl.by_position) add(bin.kl_mean);
  for (double value : c.kld_table.kld_quantiles) add(value);
  for (double value : c.kld_table.delta_p_quantiles) add(value);
  add(c.kld_table.rms_delta_p.mean, c.kld_table.correlation, c.right_wrong.exact_p);
  for (const TokenClassResult& result : c.token_classes)
    add(result.kl_mean, result.kl_share, result.positions);
  for (const WorstPosition& position : c.worst)
    add(position.kl_nats, position.chunk, position.position, position.variant_top_p);
  for (const DialogueResult& turn : c.dialogue) {
    add(turn.kl_mean.value_or(-1), turn.teacher_forced_agreement.value_or(-1));
    if (turn.sampled)
      add(turn.sampled->kl_mean, turn.sampled->distinct_original, turn.sampled->distinct_variant);
  }
  return bits;
}

TEST_F(JudgementTest, OneAndTwoThreadsAndASecondRunGiveTheSameBits) {
  request_.dialogue = true;
  request_.samples = 2;
  request_.threads = 1;
  const std::vector<uint64_t> one = bits_of(measured());
  request_.threads = 2;
  const std::vector<uint64_t> two = bits_of(measured()), again = bits_of(measured());
  EXPECT_EQ(one, two);
  EXPECT_EQ(two, again);
}

TEST_F(JudgementTest, TheWorstPositionsAreInOrderAndReadableInContext) {
  request_.worst = 10;
  const Comparison c = measured();
  ASSERT_THAT(c.worst, SizeIs(10));
  for (size_t i = 1; i < c.worst.size(); ++i) EXPECT_GE(c.worst[i - 1].kl_nats, c.worst[i].kl_nats);
  EXPECT_EQ(c.worst.front().kl_nats, c.kl.max);
  for (const WorstPosition& position : c.worst) {
    EXPECT_FALSE(position.context.empty());
    EXPECT_GE(position.position, 33);  // the second half of 64 tokens is scored
    EXPECT_LE(position.position, 63);
    EXPECT_GE(position.original_top_p, position.target_original_p);
    EXPECT_GE(position.variant_top_p, position.target_variant_p);
  }
}

TEST_F(JudgementTest, TokenClassesShareAllOfTheDivergence) {
  const Comparison c = measured();
  double share = 0;
  uint64_t positions = 0;
  for (const TokenClassResult& result : c.token_classes)
    share += result.kl_share, positions += result.positions;
  EXPECT_NEAR(share, 1, 1e-12);  // a few roundings of 2^-53
  EXPECT_EQ(positions, c.settings.scored_positions);
}

TEST_F(JudgementTest, ACorpusGivesTheSameNumbersAloneAndAmongOthers) {
  const Comparison alone = measured();
  EXPECT_TRUE(alone.corpora.empty());
  request_.corpora = {{"lily", folder_ / "a.txt"}, {"tom", folder_ / "b.txt"}};
  const Comparison both = measured();
  ASSERT_THAT(both.corpora, SizeIs(2));
  EXPECT_EQ(both.corpora[0].kl_mean, alone.kl.mean);
  EXPECT_EQ(both.corpora[0].kl_interval->high, alone.kl.interval->high);
  EXPECT_EQ(both.corpora[0].perplexity_variant, alone.perplexity.variant);
  EXPECT_EQ(both.corpora[0].sha256, alone.settings.corpus.sha256);
  EXPECT_DOUBLE_EQ(both.kl.mean, (both.corpora[0].kl_mean + both.corpora[1].kl_mean) / 2);
  EXPECT_EQ(both.clusters, 12);
  EXPECT_EQ(both.chunks[1].corpus, "tom");  // taken in turn, so that the controls see every corpus
  request_.corpora[1].name = "lily";
  EXPECT_EQ(compare(request_, {}).error().code, ErrorCode::kUsage);
}

TEST_F(JudgementTest, EqualModelsGiveEqualDrawnAnswersAndADivergenceOfExactlyZero) {
  request_.recipes = {Recipe::parse("0/ffn_up=f32").value()};
  request_.dialogue = true;
  request_.samples = 3;
  const Comparison c = measured();
  ASSERT_THAT(c.dialogue, SizeIs(3));
  for (const DialogueResult& turn : c.dialogue) {
    EXPECT_EQ(turn.kl_mean, 0);
    ASSERT_TRUE(turn.sampled.has_value());
    EXPECT_EQ(turn.sampled->kl_mean, 0);
    EXPECT_EQ(turn.sampled->agreement, 1);
    EXPECT_EQ(turn.sampled->distinct_original, turn.sampled->distinct_variant);
  }
}

TEST_F(JudgementTest, AVariantWithTheSameWeightsAnswersWhatIsTakenForGranted) {
  const Model model = Model::load(GgufFile::open(model_).value()).value();
  Evaluator original = Evaluator::create(model, {256, 256, 2}).value(),
            variant = Evaluator::create(model, {256, 256, 2}).value();
  const std::vector<Turn> turns = answer_conversations(model, original, default_conversations(), 8).value();
  AnswerSettings settings;
  settings.most = 8;
  settings.samples = 2;
  Speakers speakers{&original, &variant};
  const std::vector<DialogueResult> asked = compare_answers(model, speakers, turns, settings).value();
  speakers.same_weights = true;
  const std::vector<DialogueResult> granted = compare_answers(model, speakers, turns, settings).value();
  ASSERT_THAT(granted, SizeIs(3));
  for (size_t i = 0; i < granted.size(); ++i) {
    EXPECT_TRUE(granted[i].identical);
    EXPECT_EQ(granted[i].variant, asked[i].variant);
    EXPECT_EQ(granted[i].kl_mean, asked[i].kl_mean);
    EXPECT_EQ(granted[i].teacher_forced_agreement, asked[i].teacher_forced_agreement);
    EXPECT_EQ(granted[i].sampled->kl_mean, asked[i].sampled->kl_mean);
    EXPECT_EQ(granted[i].sampled->distinct_variant, asked[i].sampled->distinct_variant);
  }
}

TEST_F(JudgementTest, ConversationsAreTheClustersOfADialogue) {
  request_.dialogue = true;
  request_.samples = 2;
  testing::write_file(
      folder_ / "prompts.txt",
      "[{\"role\":\"user\",\"content\":\"Once\"},{\"role\":\"assistant\",\"content\":\" upon\"},"
      "{\"role\":\"user\",\"content\":\" a time\"}]\nOne day\n");
  request_.prompts = folder_ / "prompts.txt";
  const Comparison c = measured();
  ASSERT_THAT(c.dialogue, SizeIs(3));
  EXPECT_EQ(c.dialogue[1].conversation, 0);
  EXPECT_EQ(c.dialogue[2].conversation, 1);
  EXPECT_EQ(c.dialogue_summary->greedy.conversations, 2);
  EXPECT_EQ(c.dialogue_summary->greedy.tokens,
            c.dialogue[0].tokens + c.dialogue[1].tokens + c.dialogue[2].tokens);
  EXPECT_GT(c.dialogue_summary->greedy.kl_mean, 0);
  EXPECT_GT(c.dialogue_summary->sampled->tokens, 0u);
}

TEST_F(JudgementTest, WithoutSamplesNothingIsDrawn) {
  request_.dialogue = true;
  const Comparison c = measured();
  for (const DialogueResult& turn : c.dialogue) EXPECT_FALSE(turn.sampled.has_value());
  EXPECT_FALSE(c.dialogue_summary->sampled.has_value());
}

TEST(CorpusSource, IsAPathOrANameAndAPath) {
  EXPECT_EQ(parse_corpus_source("news=texts/news")->name, "news");
  EXPECT_EQ(parse_corpus_source("news=texts/news")->path, "texts/news");
  EXPECT_EQ(parse_corpus_source("texts/news.txt")->name, "news.txt");
  EXPECT_EQ(parse_corpus_source("texts/news/")->name, "news");
  for (const char* text : {"papers=texts/news", "texts/news.txt", "texts/news/"})
    EXPECT_EQ(to_string(*parse_corpus_source(text)), text);
  EXPECT_EQ(parse_corpus_source("=x").error().code, ErrorCode::kUsage);
  EXPECT_EQ(parse_corpus_source("x=").error().code, ErrorCode::kUsage);
}

TEST(CorpusSource, ThatExistsIsAPathEvenWithAnEqualsSign) {
  const testing::TemporaryFolder folder;
  testing::write_file(folder / "a=b.txt", "text");
  EXPECT_EQ(parse_corpus_source((folder / "a=b.txt").string())->path, folder / "a=b.txt");
}

}  // namespace
}  // namespace fqlab
