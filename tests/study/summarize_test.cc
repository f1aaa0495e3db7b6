#include "study/summarize.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;

/// Passes over `chunks` chunks of `per_chunk` positions, each its own cluster.
struct Fixture {
  std::vector<int> clusters;
  size_t per_chunk = 50;
  PairedPass variant;
  std::vector<ControlPass> controls;

  explicit Fixture(int chunks, double kl, double noise) {
    Random random(1);
    const auto pass = [&](int n, double size) {
      PairedPass positions;
      for (size_t i = 0; i < static_cast<size_t>(n) * per_chunk; ++i) {
        const double nll = 3 + random.normal();
        positions.push_back({.kl_nats = size * (0.5 + random.uniform()),
                             .nll_original_nats = nll,
                             .nll_variant_nats = nll + size * random.normal(),
                             .same_top = true});
      }
      return positions;
    };
    for (int c = 0; c < chunks; ++c) clusters.push_back(c);
    variant = pass(chunks, kl);
    for (uint64_t seed = 1; seed <= 3; ++seed)
      controls.push_back({"noise_floor", "ulp", seed, pass(std::min(chunks, 4), noise)});
    controls.push_back({"matched", "matched", 1, pass(std::min(chunks, 4), kl)});
  }
  Comparison summary(const PairedPass& storage = {}) const {
    Comparison comparison;
    comparison.values_changed = 1;
    summarize({{clusters, {}, per_chunk}, &variant, controls, storage, storage.empty(), 26, {}}, comparison);
    return comparison;
  }
};

TEST(Summarize, ResolvesAnEffectFarAboveTheFloor) {
  const Comparison c = Fixture(8, 1e-3, 1e-12).summary();
  EXPECT_EQ(c.kl.resolved, true);
  EXPECT_NEAR(c.kl.mean, 1e-3, 1e-4);
  EXPECT_NEAR(c.kl.noise_floor->value, 1e-12, 1e-13);
  EXPECT_EQ(c.verdicts.kl, Verdict::kEquivalent);  // resolved, and still inside the margin of 0.01 nats
  EXPECT_EQ(c.clusters, 8);
  EXPECT_EQ(c.chunks.size(), 8u);
}

TEST(Summarize, AFewClustersResolveWhatRoundOffCannotDo) {
  for (const int clusters : {1, 2, 4}) {
    EXPECT_EQ(Fixture(clusters, 1e-3, 1e-12).summary().kl.resolved, true) << clusters;
    EXPECT_EQ(Fixture(clusters, 6e-3, 6e-3).summary().kl.resolved, false) << clusters;
  }
}

TEST(Summarize, DoesNotResolveAnEffectOfTheFloorsSize) {
  const Comparison c = Fixture(8, 6e-3, 6e-3).summary();
  EXPECT_EQ(c.kl.resolved, false);
}

TEST(Summarize, CallsALargeEffectDifferent) {
  const Comparison c = Fixture(8, 0.5, 1e-12).summary();
  EXPECT_EQ(c.verdicts.kl, Verdict::kDifferent);
  EXPECT_EQ(c.verdicts.overall, Verdict::kDifferent);
}

TEST(Summarize, AnIdenticalPairIsIdenticalAndHasNoFloor) {
  Fixture fixture(4, 0, 0);
  fixture.controls.clear();
  for (PairedPosition& p : fixture.variant) p.kl_nats = 0, p.nll_variant_nats = p.nll_original_nats;
  Comparison c;
  c.vacuous = true;
  c.logits_identical = true;
  summarize({{fixture.clusters, {}, fixture.per_chunk}, &fixture.variant, fixture.controls, {}, true, 26, {}},
            c);
  EXPECT_EQ(c.kl.mean, 0);
  EXPECT_EQ(c.kl.max, 0);
  EXPECT_EQ(c.perplexity.log_ratio, 0);
  EXPECT_EQ(c.perplexity.original, c.perplexity.variant);
  EXPECT_EQ(c.verdicts.kl, Verdict::kIdentical);
  EXPECT_EQ(c.verdicts.overall, Verdict::kVacuous);
  EXPECT_FALSE(c.kl.resolved.has_value());
  EXPECT_THAT(c.notes, Contains(Field(&Note::key, "kl.noise_floor")));
}

TEST(Summarize, OneChunkHasNoIntervalAndSaysWhy) {
  Fixture fixture(1, 1e-3, 1e-9);
  fixture.controls.clear();
  for (size_t i = 0; i < 10; ++i) fixture.variant[i].same_top = false;  // far outside of every margin
  const Comparison c = fixture.summary();
  EXPECT_FALSE(c.kl.interval.has_value());
  EXPECT_FALSE(c.same_top.interval.has_value());
  EXPECT_THAT(c.notes,
              Contains(AllOf(Field(&Note::key, "same_top.interval"), Field(&Note::reason, "one_cluster"))));
  EXPECT_EQ(c.verdicts.overall, Verdict::kInconclusive);
  EXPECT_THAT(c.warnings, Contains("few_clusters"));
}

TEST(Summarize, ReportsTheStorageEffectApart) {
  const Fixture fixture(4, 1e-3, 1e-9);
  PairedPass storage = fixture.variant;
  storage.resize(storage.size() / 4 * 3);  // measured on three of four chunks
  for (PairedPosition& p : storage) p.nll_original_nats = 2;
  const Comparison c = fixture.summary(storage);
  ASSERT_TRUE(c.storage.has_value());
  EXPECT_EQ(c.storage->chunks, 3);
  EXPECT_DOUBLE_EQ(c.storage->perplexity, std::exp(2.0));
  EXPECT_NEAR(c.storage->kl.value, 1e-3, 1e-4);
  EXPECT_TRUE(c.storage->kl.interval.has_value());
}

TEST(Summarize, SaysHowManyMoreChunksWouldDecideWhatIsOpen) {
  const Comparison c = Fixture(4, 0.0098, 1e-12).summary();
  ASSERT_EQ(c.verdicts.kl, Verdict::kInconclusive);
  ASSERT_TRUE(c.power.kl.has_value());
  const Comparison more = Fixture(4 + static_cast<int>(*c.power.kl), 0.0098, 1e-12).summary();
  EXPECT_EQ(more.verdicts.kl, Verdict::kEquivalent);
  EXPECT_FALSE(more.power.kl.has_value());
  EXPECT_THAT(more.notes, Contains(AllOf(Field(&Note::key, "power.kl"), Field(&Note::reason, "decided"))));
}

TEST(Summarize, SaysHowManyMoreChunksDecideAFractionWithoutAFlip) {
  // Wilson's upper end of 0 in n is 2.7055 / (n + 2.7055): below 1 % from 268 positions on. 200 are there.
  const Comparison c = Fixture(4, 1e-3, 1e-12).summary();
  ASSERT_EQ(c.verdicts.same_top, Verdict::kInconclusive);
  EXPECT_EQ(c.power.same_top, 2);
  EXPECT_EQ(Fixture(6, 1e-3, 1e-12).summary().verdicts.same_top, Verdict::kEquivalent);
}

TEST(Summarize, CountsChunksNotDocumentsWhenItSaysHowManyMore) {
  Fixture fixture(6, 0.0099, 1e-12);
  fixture.clusters = {0, 1, 2, 0, 1, 2};  // three documents of two chunks
  const Comparison c = fixture.summary();
  ASSERT_TRUE(c.power.kl.has_value());
  EXPECT_EQ(*c.power.kl % 2, 0);
}

TEST(Summarize, TheTableTheBinsAndTheHistogramHoldEveryPosition) {
  const Comparison c = Fixture(4, 1e-3, 1e-12).summary();
  EXPECT_EQ(c.kld_table.positions, 200u);
  EXPECT_DOUBLE_EQ(c.kld_table.kld.mean, c.kl.mean);
  uint64_t counted = c.kl.histogram->zeros;
  for (uint64_t n : c.kl.histogram->counts) counted += n;
  EXPECT_EQ(counted, 200u);
  ASSERT_EQ(c.kl.by_position.size(), 16u);
  EXPECT_EQ(c.kl.by_position.front().first, 26);
  EXPECT_EQ(c.kl.by_position.back().last, 75);
}

TEST(Summarize, CountsRightAndWrongTokens) {
  Fixture fixture(4, 1e-3, 1e-12);
  for (size_t i = 0; i < 12; ++i)
    fixture.variant[i].original_right = true, fixture.variant[i].variant_right = i < 3;
  for (size_t i = 12; i < 17; ++i) fixture.variant[i].variant_right = true;
  const Comparison c = fixture.summary();
  EXPECT_EQ(c.right_wrong.right_to_wrong, 9u);
  EXPECT_EQ(c.right_wrong.wrong_to_right, 5u);
  EXPECT_NEAR(c.right_wrong.exact_p, 0.4240, 1e-4);  // 2 P(at most 5 of 14) = 2 * 3473 / 16384
}

TEST(Summarize, SameTopCountsOnlyAsManyPositionsAsAreIndependent) {
  Fixture fixture(8, 1e-3, 1e-12);
  for (size_t i = 0; i < 50; ++i) fixture.variant[i].same_top = false;  // one chunk as a whole
  const Comparison c = fixture.summary();
  EXPECT_DOUBLE_EQ(c.same_top.fraction, 0.875);
  EXPECT_GT(*c.same_top.design_effect, 40);  // about a chunk's 50
  EXPECT_NEAR(c.same_top.effective_n, 400 / *c.same_top.design_effect, 1e-9);
}

TEST(Summarize, GivesSeveralCorporaTheSameWeightAndEachItsOwnNumbers) {
  Fixture fixture(6, 1e-3, 1e-12);
  fixture.controls.clear();
  const std::vector<int> corpus = {0, 1, 0, 0, 0, 0};
  for (size_t i = 50; i < 100; ++i) fixture.variant[i].kl_nats += 1;
  Comparison c;
  c.values_changed = 1;
  c.corpora.resize(2);
  c.corpora[0].name = "letters", c.corpora[1].name = "numbers";
  summarize(
      {{fixture.clusters, corpus, fixture.per_chunk}, &fixture.variant, fixture.controls, {}, true, 26, {}},
      c);
  EXPECT_NEAR(c.kl.mean, 0.501, 1e-3);
  EXPECT_NEAR(c.corpora[0].kl_mean, 1e-3, 1e-4);
  EXPECT_NEAR(c.corpora[1].kl_mean, 1.001, 1e-3);
  EXPECT_EQ(c.corpora[0].chunks, 5);
  EXPECT_EQ(c.corpora[1].clusters, 1);
  EXPECT_FALSE(c.kl.interval.has_value());  // one cluster of numbers: their scatter is unknown
  EXPECT_EQ(c.chunks[1].corpus, "numbers");
  EXPECT_THAT(c.warnings, Contains("few_clusters"));
}

}  // namespace
}  // namespace fqlab
