#include "plan/type_choice.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace fqlab {
namespace {

/// Every combination of choices, the best that fits.
double least_damage(std::span<const ChoiceItem> items, uint64_t budget) {
  double least = HUGE_VAL;
  std::vector<size_t> chosen(items.size(), 0);
  for (;;) {
    const TypeChoice sum = total(items, chosen);
    if (sum.bytes <= budget) least = std::min(least, sum.kl);
    size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].size()) chosen[i++] = 0;
    if (i == items.size()) return least;
  }
}

std::vector<ChoiceItem> random_items(Random& random, uint64_t unit) {
  std::vector<ChoiceItem> items(6);
  for (ChoiceItem& item : items)
    for (int i = 0; i < 4; ++i) item.push_back({unit * (1 + random.next() % 50), std::exp(random.normal())});
  return items;
}

TEST(TypeSolver, FindsWhatTryingEverythingFindsForEveryBudget) {
  Random random(1);
  for (int round = 0; round < 20; ++round) {
    const std::vector<ChoiceItem> items = random_items(random, 32);
    const TypeSolver solver(items, 32 * 300);
    for (uint64_t budget = 32 * 6; budget <= 32 * 300; budget += 32 * 7) {
      const auto chosen = solver.solve(budget);
      ASSERT_EQ(chosen.has_value(), budget >= solver.least_bytes());
      if (!chosen) continue;
      EXPECT_LE(total(items, *chosen).bytes, budget);
      EXPECT_DOUBLE_EQ(total(items, *chosen).kl, least_damage(items, budget));
    }
  }
}

TEST(TypeSolver, NeverExceedsABudgetWhereSizesHaveNoCommonStep) {
  Random random(2);
  std::vector<ChoiceItem> items(40);
  for (ChoiceItem& item : items)
    for (int i = 0; i < 5; ++i)
      item.push_back({1'000'000 + random.next() % 1'000'003, std::exp(random.normal())});
  const TypeSolver solver(items, 80'000'000);
  for (uint64_t budget = solver.least_bytes(); budget <= 80'000'000; budget += 1'234'567) {
    const auto chosen = solver.solve(budget);
    ASSERT_TRUE(chosen);
    EXPECT_LE(total(items, *chosen).bytes, budget);
  }
}

TEST(TypeSolver, TakesTheSmallerOfTwoThatCostTheSame) {
  const std::vector<ChoiceItem> items = {{{100, 1.0}, {50, 1.0}, {200, 1.0}}};
  EXPECT_EQ(*TypeSolver(items, 1000).solve(1000), std::vector<size_t>{1});
}

TEST(TypeSolver, HasNoChoiceBelowTheSmallestFile) {
  const TypeSolver solver({{{64, 1.0}, {96, 0.5}}, {{32, 2.0}}}, 1000);
  EXPECT_EQ(solver.least_bytes(), 96u);
  EXPECT_FALSE(solver.solve(95));
  EXPECT_TRUE(solver.solve(96));
}

TEST(TypeSolver, DrawsACurveThatFallsFromTheSmallestFileToTheLargest) {
  Random random(3);
  const std::vector<ChoiceItem> items = random_items(random, 64);
  const TypeSolver solver(items, 1'000'000);
  const std::vector<PlanPoint> curve = solver.curve(20);
  ASSERT_GE(curve.size(), 3u);
  EXPECT_EQ(curve.front().file_bytes, solver.least_bytes());
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GT(curve[i].file_bytes, curve[i - 1].file_bytes);
    EXPECT_LT(curve[i].kl, curve[i - 1].kl);
  }
}

}  // namespace
}  // namespace fqlab
