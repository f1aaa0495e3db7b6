#include "fqlab/metrics.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>

#include "metrics/random_rows.h"

namespace fqlab {
namespace {

TEST(ScorePosition, GivesTheHandComputedNumbers) {
  // exp: 1, 2, 4, 1; sum 8
  const std::vector<float> logits = {0, std::log(2.0f), std::log(4.0f), 0};
  const PositionScore score = score_position(logits, 1);
  EXPECT_NEAR(score.log_sum_exp, std::log(8), 1e-7);  // log(2), log(4) rounded to float
  EXPECT_NEAR(score.nll_nats, std::log(4), 1e-7);
  EXPECT_EQ(score.top_token, 2);
}

TEST(ScorePosition, TakesTheSmallestIdAmongEqualLargestLogits) {
  std::vector<float> logits(1000, 1.0f);
  EXPECT_EQ(score_position(logits, 0).top_token, 0);
  logits[0] = 0;
  EXPECT_EQ(score_position(logits, 0).top_token, 1);
  logits[37] = logits[999] = 2;
  EXPECT_EQ(score_position(logits, 0).top_token, 37);
}

TEST(ScorePosition, OfOneLogitIsCertain) {
  const std::vector<float> one = {3.5f};
  EXPECT_EQ(score_position(one, 0).nll_nats, 0);
  EXPECT_EQ(score_position(one, 0).log_sum_exp, 3.5);
}

TEST(ScorePosition, SurvivesLogitsBeyondTheRangeOfExp) {
  const std::vector<float> large = {3e38f, -3e38f, 1};
  EXPECT_EQ(score_position(large, 0).nll_nats, 0);
  EXPECT_EQ(score_position(large, 1).nll_nats, double{3e38f} + double{3e38f});
  const std::vector<float> low = {-1000, -1000};
  EXPECT_NEAR(score_position(low, 0).nll_nats, std::log(2), 1e-12);  // 2^-53 * 1000
}

TEST(ScorePosition, OfNanIsNan) {
  std::vector<float> logits(100, 1.0f);
  logits[50] = NAN;
  EXPECT_TRUE(std::isnan(score_position(logits, 0).nll_nats));
}

TEST(ScorePosition, AgreesWithLongDoubleTo1e12) {
  for (const size_t n : {1, 2, 15, 16, 17, 33, 4095, 4096, 4097, 49152}) {
    const std::vector<float> logits = random_row(n, n, 4);
    const long double exact = exact_log_sum_exp(logits);
    const double tolerance = 1e-12 * std::max(1.0, std::abs(static_cast<double>(exact)));
    EXPECT_NEAR(score_position(logits, 0).log_sum_exp, static_cast<double>(exact), tolerance) << n;
  }
}

TEST(KlDivergence, GivesTheHandComputedNumber) {
  // p = (1/2, 1/2), q = (1/4, 3/4): KL = 1/2 ln 2 + 1/2 ln(2/3) = 1/2 ln(4/3)
  const std::vector<float> p = {0, 0}, q = {0, std::log(3.0f)};
  EXPECT_NEAR(kl_divergence(p, q), 0.5 * std::log(4.0 / 3), 1e-7);
  // and the other way round: 1/4 ln(1/2) + 3/4 ln(3/2)
  EXPECT_NEAR(kl_divergence(q, p), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-7);
}

TEST(KlDivergence, OfARowWithItselfIsExactly0) {
  for (const size_t n : {1, 3, 16, 17, 100, 49152}) {
    const std::vector<float> row = random_row(n, n, 5);
    EXPECT_EQ(std::bit_cast<uint64_t>(kl_divergence(row, row)), 0u) << n;
  }
}

RC_GTEST_PROP(KlDivergence, IsNeverNegativeAndNeverNan, ()) {
  const auto n = static_cast<size_t>(*rc::gen::inRange(1, 200));
  const double scale = std::exp(*rc::gen::inRange(-40, 40) * 0.5);
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const std::vector<float> a = random_row(n, seed, 5);
  const std::vector<float> b = disturbed(a, seed + 1, scale);
  RC_ASSERT(kl_divergence(a, b) >= 0);
  RC_ASSERT(kl_divergence(b, a) >= 0);
}

RC_GTEST_PROP(KlDivergence, IsBlindToAConstantAddedToTheVariant, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  std::vector<float> a = random_row(100, seed, 3), b = disturbed(a, seed + 1, 0.5);
  for (float& x : a) x = std::round(x * 1024) / 1024;  // so that adding 8 is exact
  for (float& x : b) x = std::round(x * 1024) / 1024;
  const double before = kl_divergence(a, b);
  for (float& x : b) x += 8;
  RC_ASSERT(std::abs(kl_divergence(a, b) - before) <= 1e-13);
}

TEST(KlDivergence, ReachesTheExtremesOfLogits) {
  // The variant is certain of what the original excludes: KL = 1000, from p = (1, 0).
  const std::vector<float> a = {1000, 0}, b = {0, 1000};
  EXPECT_NEAR(kl_divergence(a, b), 1000, 1e-9);
  const std::vector<float> c = {3e38f, 0}, d = {0, 3e38f};
  EXPECT_NEAR(kl_divergence(c, d) / double{3e38f}, 1, 1e-12);
  // Nearly 0: the variant only becomes surer of what the original is already sure of (p is held above
  // e^-700).
  const std::vector<float> e = {1000, 0}, f = {2000, 0};
  EXPECT_LT(kl_divergence(e, f), 1e-300);
}

TEST(KlDivergence, AgreesWithLongDoubleTo1e9OverTwentyOrdersOfMagnitude) {
  for (const double scale : {1e-6, 1e-4, 1e-2, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0}) {
    for (const double spread : {0.1, 3.0, 10.0}) {
      const std::vector<float> a = random_row(49152, 7, spread), b = disturbed(a, 8, scale);
      const double exact = static_cast<double>(exact_kl(a, b));
      EXPECT_NEAR(kl_divergence(a, b), exact, 1e-9 * std::max(1.0, exact)) << scale << " " << spread;
    }
  }
}

TEST(KlDivergence, AgreesWithLongDoubleTo1e9ForTheLargestVocabulary) {
  const std::vector<float> a = random_row(1 << 20, 5, 3), b = disturbed(a, 6, 1);
  const double exact = static_cast<double>(exact_kl(a, b));
  EXPECT_NEAR(kl_divergence(a, b), exact, 1e-9 * std::max(1.0, exact));
  EXPECT_NEAR(score_position(a, 0).log_sum_exp, static_cast<double>(exact_log_sum_exp(a)), 1e-11);
}

TEST(KlDivergence, AgreesWithLongDoubleWhereTheVariantIsSureOfSomethingElse) {
  // Rows that differ by hundreds in single places, on both sides of the range of the fast sums.
  for (const float jump : {30.0f, 300.0f, 599.0f, 601.0f, 5000.0f}) {
    for (const float sign : {-1.0f, 1.0f}) {
      const std::vector<float> a = random_row(3000, 21, 4);
      std::vector<float> b = a;
      b[1234] += sign * jump;
      b[77] -= sign * jump;
      const double exact = static_cast<double>(exact_kl(a, b));
      EXPECT_NEAR(kl_divergence(a, b), exact, 1e-9 * std::max(1.0, exact)) << sign * jump;
    }
  }
}

TEST(KlDivergence, OfNanIsNanInEitherRow) {
  const std::vector<float> row = random_row(100, 1, 3);
  for (const size_t at : {0, 40, 99}) {
    std::vector<float> broken = row;
    broken[at] = NAN;
    EXPECT_TRUE(std::isnan(kl_divergence(row, broken))) << at;
    EXPECT_TRUE(std::isnan(kl_divergence(broken, row))) << at;
  }
}

TEST(KlDivergence, KeepsTheDigitsOfTinyValues) {
  // Relative error bound: a few 2^-53 / p_top, p_top above 1e-3 here; 1e-11 leaves room. The plain sum gives
  // 3 digits.
  for (const double scale : {1e-6, 1e-5, 1e-3}) {
    const std::vector<float> a = random_row(1000, 9, 4), b = disturbed(a, 10, scale);
    const double exact = static_cast<double>(exact_kl(a, b));
    EXPECT_NEAR(kl_divergence(a, b) / exact, 1, 1e-11) << scale << ": " << exact;
  }
}

TEST(ComparePositions, OfAModelWithItselfFindsNothing) {
  const std::vector<float> logits = random_row(20 * 333, 3, 5);
  const std::vector<int32_t> targets(20, 7);
  const auto scores = score_positions(logits, targets, 2);
  for (const PairedPosition& pair : compare_positions(logits, scores, logits, targets, 2)) {
    EXPECT_EQ(pair.kl_nats, 0);
    EXPECT_EQ(pair.nll_original_nats, pair.nll_variant_nats);
    EXPECT_EQ(pair.delta_p, 0);
    EXPECT_TRUE(pair.same_top);
    EXPECT_EQ(pair.original_right, pair.variant_right);
  }
}

TEST(ComparePositions, AgreesWithTheScoresOfTheVariant) {
  constexpr size_t kRows = 50, kVocabulary = 1001;
  const std::vector<float> a = random_row(kRows * kVocabulary, 1, 4), b = disturbed(a, 2, 1.0);
  std::vector<int32_t> targets;
  for (size_t i = 0; i < kRows; ++i) targets.push_back(static_cast<int32_t>((i * 37) % kVocabulary));
  const auto original = score_positions(a, targets, 1), variant = score_positions(b, targets, 1);
  targets[0] = original[0].top_token;
  const auto pairs = compare_positions(a, score_positions(a, targets, 1), b, targets, 1);
  EXPECT_TRUE(pairs[0].original_right);
  for (size_t i = 1; i < kRows; ++i) {
    EXPECT_EQ(pairs[i].nll_original_nats, original[i].nll_nats);
    EXPECT_NEAR(pairs[i].nll_variant_nats, variant[i].nll_nats, 1e-12 * variant[i].nll_nats);
    EXPECT_NEAR(pairs[i].delta_p, std::exp(-variant[i].nll_nats) - std::exp(-original[i].nll_nats), 1e-13);
    EXPECT_EQ(pairs[i].same_top, original[i].top_token == variant[i].top_token);
    EXPECT_EQ(pairs[i].variant_right, variant[i].top_token == targets[i]);
    EXPECT_EQ(pairs[i].kl_nats, kl_divergence(std::span(a).subspan(i * kVocabulary, kVocabulary),
                                              std::span(b).subspan(i * kVocabulary, kVocabulary)));
  }
}

TEST(ComparePositions, DeltaPReachesItsEnds) {
  const std::vector<float> a = {1000, 0}, b = {0, 1000};
  const std::vector<int32_t> targets = {1};
  EXPECT_EQ(compare_positions(a, score_positions(a, targets, 1), b, targets, 1)[0].delta_p, 1);
  EXPECT_EQ(compare_positions(b, score_positions(b, targets, 1), a, targets, 1)[0].delta_p, -1);
}

TEST(ComparePositions, GivesTheSameBitsForAnyNumberOfThreadsAndOnASecondRun) {
  constexpr size_t kRows = 31, kVocabulary = 4999;
  const std::vector<float> a = random_row(kRows * kVocabulary, 11, 4), b = disturbed(a, 12, 0.1);
  const std::vector<int32_t> targets(kRows, 5);
  const auto scores = score_positions(a, targets, 1);
  const auto first = compare_positions(a, scores, b, targets, 1);
  for (const int threads : {1, 2, 3, 64}) {
    const auto again_scores = score_positions(a, targets, threads);
    const auto again = compare_positions(a, again_scores, b, targets, threads);
    for (size_t i = 0; i < kRows; ++i) {
      EXPECT_EQ(again_scores[i].log_sum_exp, scores[i].log_sum_exp);
      EXPECT_EQ(again[i].kl_nats, first[i].kl_nats);
      EXPECT_EQ(again[i].nll_variant_nats, first[i].nll_variant_nats);
      EXPECT_EQ(again[i].delta_p, first[i].delta_p);
    }
  }
}

TEST(ComparePositions, OfNoPositionsIsEmpty) {
  EXPECT_TRUE(score_positions({}, {}, 2).empty());
  EXPECT_TRUE(compare_positions({}, {}, {}, {}, 2).empty());
}

}  // namespace
}  // namespace fqlab
