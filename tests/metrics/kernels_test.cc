// The row loops, on every instruction set that this machine has.
#include "metrics/kernels.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <functional>

#include "metrics/random_rows.h"

namespace fqlab {
namespace {

/// Runs `work` once for each instruction set, best first, and puts the machine's own back.
void on_every_target(const std::function<void(const char*)>& work) {
  hwy::SetSupportedTargetsForTest(0);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    work(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

uint64_t bits(double x) { return std::bit_cast<uint64_t>(x); }

TEST(Kernels, GiveTheSameBitsOnEveryInstructionSet) {
  for (const size_t n : {1, 2, 7, 16, 17, 31, 4095, 4096, 4099, 12345}) {
    const std::vector<float> a = random_row(n, n, 5);
    for (const double noise : {1e-5, 0.1, 0.2, 1.0, 20.0}) {
      const std::vector<float> b = disturbed(a, n + 1, noise);
      const RowMaximum maximum = row_maximum(a.data(), n);
      const double sum = sum_of_exponentials(a.data(), n, maximum.value);
      const PairSums pair = pair_sums(a.data(), b.data(), n, maximum.value + std::log(sum), 0.01);
      int targets = 0;
      on_every_target([&](const char* name) {
        ++targets;
        SCOPED_TRACE(testing::Message() << name << " n " << n << " noise " << noise);
        EXPECT_EQ(row_maximum(a.data(), n).index, maximum.index);
        EXPECT_EQ(bits(sum_of_exponentials(a.data(), n, maximum.value)), bits(sum));
        const PairSums again = pair_sums(a.data(), b.data(), n, maximum.value + std::log(sum), 0.01);
        EXPECT_EQ(bits(again.mean), bits(pair.mean));
        EXPECT_EQ(bits(again.excess), bits(pair.excess));
        EXPECT_EQ(again.in_range, pair.in_range);
        EXPECT_EQ(again.maximum_b.index, pair.maximum_b.index);
        EXPECT_EQ(again.maximum_b.value, pair.maximum_b.value);
      });
      EXPECT_GE(targets, 1);
    }
  }
}

TEST(Kernels, ExponentialIsAccurateFrom0DownToWhereItIsHeld) {
  for (double x = 0; x > -700; x -= 0.37) {
    const float logit = static_cast<float>(x);
    const double exact = static_cast<double>(std::exp(static_cast<long double>(logit)));
    const double bound = 2e-14 + 3e-16 * std::abs(x);  // polynomial, and x / ln 2 rounded once
    EXPECT_NEAR(sum_of_exponentials(&logit, 1, 0) / exact, 1, bound) << x;
  }
  const float far = -3e38f;
  EXPECT_NEAR(sum_of_exponentials(&far, 1, 0) / std::exp(-700.0), 1, 2.3e-13);
}

TEST(Kernels, ExcessKeepsItsDigitsFromTinyToLargeDifferences) {
  // One element with p = 1: the excess is e^d - 1 - d.
  for (const double sign : {-1.0, 1.0}) {
    for (double d = 1e-9; d < kLargestD; d *= 1.09) {
      const float a = 0, b = static_cast<float>(sign * d);
      const long double x = b;
      const long double series =
          x * x * (0.5L + x * (1 / 6.0L + x * (1 / 24.0L + x * (1 / 120.0L + x / 720.0L))));
      const long double exact = d < 1e-3 ? series : std::expm1(x) - x;
      const double ratio = static_cast<double>(pair_sums(&a, &b, 1, 0, 0).excess / exact);
      EXPECT_NEAR(ratio, 1, 5e-13) << b;
    }
  }
}

TEST(Kernels, SayWhenADifferenceIsOutOfRange) {
  for (const float b : {599.0f, 601.0f, -599.0f, -601.0f, 3e38f}) {
    std::vector<float> from(40, 0.0f), to(40, 0.0f);
    to[33] = b;
    on_every_target([&](const char* name) {
      EXPECT_EQ(pair_sums(from.data(), to.data(), from.size(), 5, 0).in_range, std::abs(b) < kLargestD)
          << name << b;
    });
  }
}

TEST(Kernels, EqualRowsGiveExactly0) {
  const std::vector<float> row = random_row(5003, 1, 6);
  on_every_target([&](const char* name) {
    const PairSums sums = pair_sums(row.data(), row.data(), row.size(), 20, 0);
    EXPECT_EQ(sums.mean, 0) << name;
    EXPECT_EQ(sums.excess, 0) << name;
    EXPECT_TRUE(sums.in_range) << name;
  });
}

TEST(Kernels, FindTheFirstOfEqualMaximaInAnyBlock) {
  std::vector<float> row(10000, -1.0f);
  for (const int at : {9999, 8192, 8191, 4097, 4096, 4095, 17, 0}) {
    row[static_cast<size_t>(at)] = 5;
    on_every_target(
        [&](const char* name) { EXPECT_EQ(row_maximum(row.data(), row.size()).index, at) << name; });
  }
}

}  // namespace
}  // namespace fqlab
