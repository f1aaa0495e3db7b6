#include "plan/type_effects.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;

// The errors of q4_0, q4_1, q5_0, q5_1, q6_K, q8_0 and finer ones, roughly.
std::vector<TypeEffect> group_of(std::vector<double> errors) {
  std::vector<TypeEffect> group;
  for (size_t i = 0; i < errors.size(); ++i) group.push_back({i, errors[i], {}});
  return group;
}

/// KL = activations + sensitivity x weight error, times the factor of the type, times noise.
std::vector<GroupEffects> simulate_groups(size_t groups, const std::vector<double>& factors, double noise,
                                          uint64_t seed) {
  Random random(seed);
  std::vector<GroupEffects> all;
  for (size_t g = 0; g < groups; ++g) {
    std::vector<TypeEffect> group = group_of({8e-3, 6e-3, 2e-3, 1.5e-3, 3e-5});
    const double sensitivity = std::exp(random.normal()), activations = 2e-5 * sensitivity;
    for (size_t i = 0; i < group.size(); ++i) {
      group[i].weight_error *= std::exp(0.2 * random.normal());
      group[i].kl = (activations + sensitivity * group[i].weight_error) * factors[i] *
                    std::exp(noise * random.normal());
    }
    all.push_back({g % 2, group});
  }
  return all;
}

/// Forgets what is no anchor, but for the first `checked` groups; gives back the truth.
std::vector<std::vector<double>> hide(std::vector<GroupEffects>& groups, size_t checked) {
  std::vector<std::vector<double>> truth;
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<size_t> anchors = anchor_types(groups[g].types);
    truth.emplace_back();
    for (size_t i = 0; i < groups[g].types.size(); ++i) {
      truth.back().push_back(*groups[g].types[i].kl);
      if (g >= checked && !std::ranges::binary_search(anchors, i)) groups[g].types[i].kl.reset();
    }
  }
  return truth;
}

TEST(AnchorTypes, AreTheEndsAndTheMiddleOfMany) {
  EXPECT_THAT(anchor_types(group_of({3, 1, 2})), ElementsAre(0, 1, 2));
  EXPECT_THAT(anchor_types(group_of({8, 6, 1, 2, 0.03})), ElementsAre(0, 4));
  EXPECT_THAT(anchor_types(group_of({100, 8, 6, 1, 2, 3, 0.01})), ElementsAre(0, 3, 6));
  EXPECT_THAT(anchor_types({}), ElementsAre());
}

TEST(AnchorTypes, AreAlsoAllThatAreNotQuantized) {
  std::vector<TypeEffect> types = group_of({0, 8, 6, 1, 2, 0.03});
  types[0].quantized = false;
  EXPECT_THAT(anchor_types(types), ElementsAre(0, 1, 5)) << "the ends of the quantized ones beside it";
  EXPECT_THAT(anchor_types(std::span(types).first(3)), ElementsAre(0, 1, 2));
}

TEST(PredictEffects, DrawsNoLineThroughTypesThatRoundNoActivations) {
  std::vector<GroupEffects> groups = simulate_groups(8, {1, 1, 1, 1, 1}, 0, 7);
  const std::vector<std::vector<double>> truth = hide(groups, 0);
  for (GroupEffects& group : groups) group.types.push_back({9, 0, 0.0, false});
  const PredictedEffects effects = predict_effects(groups);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t i = 0; i < truth[g].size(); ++i) EXPECT_NEAR(effects.kl[g][i] / truth[g][i], 1, 1e-9);
    EXPECT_EQ(effects.kl[g].back(), 0);
  }
}

TEST(PredictEffects, IsExactWhereTheLawHolds) {
  auto groups = simulate_groups(20, {1, 1, 1, 1, 1}, 0, 1);
  const auto truth = hide(groups, 4);
  const PredictedEffects effects = predict_effects(groups);
  EXPECT_EQ(effects.held_out, 4u * 3);
  EXPECT_NEAR(effects.log_error_of_all, 0, 1e-9);
  for (size_t g = 0; g < groups.size(); ++g)
    for (size_t i = 0; i < truth[g].size(); ++i) EXPECT_NEAR(effects.kl[g][i] / truth[g][i], 1, 1e-9);
}

TEST(PredictEffects, LearnsTheFactorOfATypeFromGroupsMeasuredInIt) {
  auto groups = simulate_groups(20, {1, 1.3, 1, 1, 1}, 0, 2);
  const auto truth = hide(groups, 4);
  const PredictedEffects effects = predict_effects(groups);
  EXPECT_NEAR(effects.kl[19][1] / truth[19][1], 1, 1e-9);
  groups = simulate_groups(20, {1, 1.3, 1, 1, 1}, 0, 2);
  hide(groups, kLeastHeldOut - 1);
  EXPECT_NEAR(predict_effects(groups).kl[19][1] / truth[19][1], 1 / 1.3, 1e-9);  // too few to learn from
}

TEST(PredictEffects, SaysHowFarOffItIs) {
  double squares = 0, said = 0;
  int n = 0;
  constexpr int kSeeds = 100;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    auto groups = simulate_groups(60, {1, 1.2, 0.9, 1, 1}, 0.15, seed);
    const auto truth = hide(groups, 12);
    const PredictedEffects effects = predict_effects(groups);
    said += effects.log_error_of_all * effects.log_error_of_all / kSeeds;
    for (size_t g = 12; g < groups.size(); ++g)
      for (size_t i = 1; i < 4; ++i, ++n) squares += std::pow(std::log(effects.kl[g][i] / truth[g][i]), 2);
  }
  // 100 x 12 checked groups, whose three held-out types share two anchors: as of 1,200 squares of normal
  // numbers, the relative error of their mean is at most sqrt(2 / 1200) = 0.04. Three times that.
  EXPECT_NEAR(said / (squares / n), 1, 0.12);
}

TEST(PredictEffects, KnowsTheErrorOfEachKind) {
  auto groups = simulate_groups(40, {1, 1, 1, 1, 1}, 0, 3);
  for (size_t g = 1; g < groups.size(); g += 2)  // kind 1: types 40 % up or down
    for (size_t i = 1; i < 4; ++i) *groups[g].types[i].kl *= (g / 2 + i) % 2 == 0 ? 1.4 : 1 / 1.4;
  hide(groups, 16);
  const PredictedEffects effects = predict_effects(groups);
  EXPECT_LT(effects.log_error[0], 0.1);  // the factors of the types, learned from both kinds, are near 1
  EXPECT_NEAR(effects.log_error[1], std::log(1.4), 0.1);
  EXPECT_LT(effects.log_error[0], effects.log_error_of_all);
}

TEST(PredictEffects, StaysAboveZeroWhereNoiseTurnsTheLine) {
  std::vector<TypeEffect> group = group_of({8, 6, 2, 1e-3});
  group[0].kl = 1e-6;
  group[3].kl = 5e-6;
  const PredictedEffects effects = predict_effects(std::vector{GroupEffects{0, group}});
  for (const double kl : effects.kl[0]) EXPECT_GT(kl, 0);
  EXPECT_EQ(effects.held_out, 0u);
}

TEST(SmoothedEffects, AreTheMeasuredOnesWhereTheLawHolds) {
  const std::vector<GroupEffects> groups = simulate_groups(20, {1, 1, 1, 1, 1}, 0, 1);
  const std::vector<std::vector<double>> smoothed = smoothed_effects(groups);
  for (size_t g = 0; g < groups.size(); ++g)
    for (size_t i = 0; i < groups[g].types.size(); ++i)
      EXPECT_NEAR(smoothed[g][i] / *groups[g].types[i].kl, 1, 1e-9);
}

TEST(SmoothedEffects, AreNearerToTheTruthThanTheMeasuredOnes) {
  constexpr double kNoise = 0.3;
  double measured_off = 0, smoothed_off = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<GroupEffects> truth = simulate_groups(60, {1, 1.4, 0.7, 1.2, 1}, 0, seed);
    std::vector<GroupEffects> groups = truth;
    Random random(seed + 1000);
    for (GroupEffects& group : groups)
      for (TypeEffect& type : group.types) *type.kl *= std::exp(kNoise * random.normal());
    const std::vector<std::vector<double>> smoothed = smoothed_effects(groups);
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t i = 0; i < groups[g].types.size(); ++i) {
        measured_off += std::pow(std::log(*groups[g].types[i].kl / *truth[g].types[i].kl), 2);
        smoothed_off += std::pow(std::log(smoothed[g][i] / *truth[g].types[i].kl), 2);
      }
  }
  // Two coefficients are fitted to five types, so the curve keeps 2/5 of the noise's variance and half of the
  // way to it (1 + 3 x 2/5) / 4 = 0.55; the factors' prior, 2 of 32 groups, adds little. 0.65 leaves room.
  EXPECT_LT(smoothed_off, 0.65 * measured_off);
}

TEST(SmoothedEffects, LeaveAloneWhatTellsTooLittle) {
  std::vector<GroupEffects> groups = simulate_groups(2, {1, 1, 1, 1, 1}, 0.5, 4);
  groups[0].types.resize(kLeastPredicted - 1);
  groups[1].types.push_back({9, 0, 0.0, false});  // stays as it is
  groups[1].types[1].kl.reset();                  // not measured
  const std::vector<std::vector<double>> smoothed = smoothed_effects(groups);
  for (size_t i = 0; i < groups[0].types.size(); ++i) EXPECT_EQ(smoothed[0][i], *groups[0].types[i].kl);
  EXPECT_EQ(smoothed[1].back(), 0);
  EXPECT_EQ(smoothed[1][1], 0);
  EXPECT_GT(smoothed[1][0], 0);
  EXPECT_TRUE(smoothed_effects({}).empty());
}

TEST(SmoothedEffects, StayAboveZeroWhereNoiseTurnsTheLine) {
  std::vector<TypeEffect> group = group_of({8, 6, 2, 1e-3});
  for (size_t i = 0; i < group.size(); ++i) group[i].kl = 1e-6 * static_cast<double>(1 + 3 * i);
  const std::vector<std::vector<double>> smoothed = smoothed_effects(std::vector{GroupEffects{0, group}});
  for (const double kl : smoothed[0]) EXPECT_GT(kl, 0);
}

}  // namespace
}  // namespace fqlab
