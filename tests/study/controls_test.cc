#include "study/controls.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace fqlab {
namespace {

std::vector<float> some_weights(size_t n) {
  Random random(5);
  std::vector<float> weights(n);
  for (float& x : weights) x = static_cast<float>(random.normal());
  return weights;
}

TEST(Controls, UlpNoiseMovesEveryNonzeroValueByOneUnitInTheLastPlace) {
  std::vector<float> original = some_weights(1000);
  original[3] = 0.0f;
  original[4] = -0.0f;
  std::vector<float> out(original.size());
  add_ulp_noise(original, out, 1);
  int up = 0;
  for (size_t i = 0; i < original.size(); ++i) {
    const int64_t moved =
        static_cast<int64_t>(std::bit_cast<uint32_t>(out[i])) - std::bit_cast<uint32_t>(original[i]);
    EXPECT_EQ(std::abs(moved), original[i] == 0 ? 0 : 1);
    up += moved > 0;
  }
  EXPECT_NEAR(up, 499, 5 * std::sqrt(998 / 4.0));  // five standard deviations of a fair coin
}

TEST(Controls, MatchedNoiseHasTheAskedRelativeError) {
  const std::vector<float> original = some_weights(10000);
  std::vector<float> out(original.size());
  add_matched_noise(original, out, 1e-4, 7);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < original.size(); ++i) {
    signal += static_cast<double>(original[i]) * original[i];
    noise += std::pow(static_cast<double>(out[i]) - original[i], 2);
  }
  EXPECT_NEAR(noise / signal, 1e-4, 1e-8);  // rounding to float32 adds about (2^-25 / 0.01)^2 of the noise
}

TEST(Controls, RelativeNoiseIsPlusOrMinusItsSize) {
  const std::vector<float> original = some_weights(100);
  std::vector<float> out(original.size());
  add_relative_noise(original, out, 0x1p-13, 3);
  for (size_t i = 0; i < original.size(); ++i)
    EXPECT_NEAR(std::abs(out[i] / original[i] - 1.0f), 0x1p-13,
                0x1p-23);  // one rounding to float32 and one of the division
}

TEST(Controls, DependOnSeedAndTensorNameOnly) {
  const std::vector<float> original = some_weights(50);
  std::vector<float> a(50), b(50), c(50), d(50);
  apply_control({"noise_floor", "ulp", 1}, "x", 0, original, a);
  apply_control({"noise_floor", "ulp", 1}, "x", 0, original, b);
  apply_control({"noise_floor", "ulp", 2}, "x", 0, original, c);
  apply_control({"noise_floor", "ulp", 1}, "y", 0, original, d);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_NE(a, d);
}

TEST(Controls, NativeArithmeticIsTestedWithThreeSizesOfNoise) {
  EXPECT_EQ(controls_for(Arithmetic::kReference, 1).size(), 4u);
  EXPECT_EQ(controls_for(Arithmetic::kNative, 1).size(), 10u);
}

}  // namespace
}  // namespace fqlab
