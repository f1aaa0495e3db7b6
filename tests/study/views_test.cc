#include "study/views.h"

#include <gmock/gmock.h>

#include <cmath>

#include "study/passes.h"
#include "study/token_class.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;

TEST(TokenClass, SaysWhatATokenIsByItsText) {
  const auto all = [](TokenClass expected, std::initializer_list<const char*> texts) {
    for (const char* text : texts) EXPECT_EQ(class_of(text), expected) << text;
  };
  all(TokenClass::kWhitespace, {"", " ", "\n\n", "\t", "\u3000"});
  all(TokenClass::kDigits, {"7", " 1984", "$5", "3.14", "20 %"});
  all(TokenClass::kPunctuation, {".", " (", "<", "“", "。", "€", "🤖", " @-@"});
  all(TokenClass::kWord, {"the", " The", "é", "don't", "3rd", "naïve", "_x"});
  all(TokenClass::kNonLatin, {"語", " привет", "x語", "\xE8\xAA", "٣"});
}

TEST(Histogram, CountsQuarterDecadesAndZeros) {
  const KlHistogram histogram = histogram_of(pass_of({0, 1e-20, 1.5e-16, 1, 500, 0.99e-15}));
  EXPECT_EQ(histogram.zeros, 1u);
  EXPECT_EQ(histogram.counts[0], 2u);  // 1e-20 goes into the first bin; 1.5e-16 is below 10^-15.75
  EXPECT_EQ(histogram.counts[3], 1u);
  EXPECT_EQ(histogram.counts[64], 1u);  // 1 = 10^(-16 + 64/4)
  EXPECT_EQ(histogram.counts.back(), 1u);
}

TEST(Positions, AreCutIntoBinsThatCoverEveryScoredPositionOnce) {
  const std::vector<int> clusters = {0, 1};
  const PairedPass pass = pass_of({1, 2, 3, 4, 5, 3, 2, 3, 6, 5});  // two chunks of five
  const auto bins = kl_by_position({clusters, {}, 5}, pass, 6, 2);
  ASSERT_EQ(bins.size(), 2u);
  EXPECT_EQ(bins[0].first, 6);
  EXPECT_EQ(bins[0].last, 7);
  EXPECT_EQ(bins[1].first, 8);
  EXPECT_EQ(bins[1].last, 10);
  EXPECT_DOUBLE_EQ(bins[0].kl_mean, 2);         // 1 2 and 3 2
  EXPECT_DOUBLE_EQ(bins[1].kl_mean, 26.0 / 6);  // 3 4 5 and 3 6 5
  EXPECT_TRUE(bins[0].interval.has_value());
  EXPECT_EQ(kl_by_position({clusters, {}, 5}, pass, 6, 16).size(), 5u);  // never more bins than positions
}

TEST(TokenClasses, ShareTheWholeKl) {
  const std::vector<int> clusters = {0, 1};
  const std::vector<TokenClass> classes = {TokenClass::kWord, TokenClass::kDigits, TokenClass::kWord,
                                           TokenClass::kWord};
  const auto results = kl_by_token_class({clusters, {}, 2}, pass_of({1, 4, 2, 1}), classes);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].name, "digits");
  EXPECT_EQ(results[0].positions, 1u);
  EXPECT_EQ(results[0].clusters, 1);
  EXPECT_FALSE(results[0].interval.has_value());
  EXPECT_DOUBLE_EQ(results[0].kl_share, 0.5);
  EXPECT_EQ(results[1].name, "words");
  EXPECT_DOUBLE_EQ(results[1].kl_mean, 4.0 / 3);
  EXPECT_DOUBLE_EQ(results[1].kl_share, 0.5);
}

/// Two chunks of the tokens 0..7 and 10..17, of which the last four are predicted.
struct WorstTest : ::testing::Test {
  std::vector<Chunk> chunks = {{{0, 1, 2, 3, 4, 5, 6, 7}, 0}, {{10, 11, 12, 13, 14, 15, 16, 17}, 1}};
  TokenText text = [](int32_t token) { return "<" + std::to_string(token) + ">"; };
};

TEST_F(WorstTest, AreInTheOrderOfTheirSizeAndStandInContext) {
  PairedPass pass = pass_of({0, 1, 0, 5, 2, 5, 0, 0});
  pass[3].top_original = 8, pass[3].top_variant = 9, pass[3].top_p_original = 0.75,
  pass[3].top_p_variant = 0.5;
  pass[3].nll_original_nats = std::log(4.0);
  const auto worst = worst_positions(pass, chunks, 4, 4, text, 3, 2);
  ASSERT_EQ(worst.size(), 3u);
  EXPECT_EQ(worst[0].chunk, 0);  // the earlier of two equals
  EXPECT_EQ(worst[0].position, 7);
  EXPECT_EQ(worst[0].context, "<5><6>");
  EXPECT_EQ(worst[0].target, "<7>");
  EXPECT_EQ(worst[0].original_top, "<8>");
  EXPECT_EQ(worst[0].variant_top, "<9>");
  EXPECT_EQ(worst[0].original_top_p, 0.75);
  EXPECT_DOUBLE_EQ(worst[0].target_original_p, 0.25);
  EXPECT_EQ(worst[1].chunk, 1);
  EXPECT_EQ(worst[1].target, "<15>");
  EXPECT_EQ(worst[2].kl_nats, 2);
}

TEST_F(WorstTest, LeaveOutPositionsWithoutDivergence) {
  EXPECT_EQ(worst_positions(pass_of({0, 1, 0, 0, 0, 0, 0, 0}), chunks, 4, 4, text, 20).size(), 1u);
}

TEST_F(WorstTest, ListABrokenModelsNanFirst) {
  const auto worst = worst_positions(pass_of({0, 1, 0, NAN, 0, 0, 0, 0}), chunks, 4, 4, text, 20);
  ASSERT_EQ(worst.size(), 2u);
  EXPECT_TRUE(std::isnan(worst[0].kl_nats));
}

TEST_F(WorstTest, ContextStopsAtTheChunksBegin) {
  EXPECT_EQ(worst_positions(pass_of({1, 0, 0, 0, 0, 0, 0, 0}), chunks, 4, 4, text, 1)[0].context,
            "<0><1><2><3>");
}

}  // namespace
}  // namespace fqlab
