// Casts against the slow specification: every code, every bf16 pattern, float32 inputs by sample (all with
// FQLAB_LONG=1).
#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "base/random.h"
#include "fqlab/format.h"
#include "quantize_for_test.h"
#include "slow_spec.h"
#include "targets.h"
#include "testing.h"

namespace fqlab {
namespace {

using testing::canonical;
using testing::quantized;
using testing::slow_formats;
using testing::SlowFormat;
using testing::spec;

void expect_as_specified(const SlowFormat& format, const std::vector<SlowFormat::Number>& numbers,
                         const std::vector<float>& in) {
  const std::vector<float> out = quantized(format.spec, in);
  for (size_t i = 0; i < in.size(); ++i) {
    const uint32_t expected = slow_round_trip(format, numbers, in[i]);
    ASSERT_EQ(canonical(out[i]), expected)
        << format.spec << " of " << std::hex << std::bit_cast<uint32_t>(in[i]) << " expects " << expected;
  }
}

TEST(Cast, KeepsEveryCodeOfEverySmallFormatOnEveryTarget) {
  testing::on_every_target([] {
    for (const SlowFormat& format : slow_formats()) {
      std::vector<float> in;
      for (unsigned code = 0; code < 1u << (format.exponent_bits + format.mantissa_bits); ++code)
        for (const double sign : {1.0, -1.0})
          if (std::fabs(format.decode(code)) < 0x1p128 || !std::isfinite(format.decode(code)))
            in.push_back(static_cast<float>(sign * format.decode(code)));
      const std::vector<float> out = quantized(format.spec, in);
      for (size_t i = 0; i < in.size(); ++i) {
        const bool lost_sign = in[i] == 0 && !format.has_negative_zero();
        EXPECT_EQ(canonical(out[i]), lost_sign ? 0u : canonical(in[i])) << format.spec << " value " << i;
      }
    }
  });
}

TEST(Cast, RoundsBetweenAllNeighboursAsSpecifiedOnEveryTarget) {
  testing::on_every_target([] {
    for (const SlowFormat& format : slow_formats()) {
      const auto numbers = format.finite_magnitudes();
      if (numbers.size() > 4096 && hwy::SupportedTargets() == HWY_SCALAR) continue;  // time; sampled below
      std::vector<float> in;
      for (size_t i = 0; i + 1 < numbers.size() && numbers[i + 1].value < 0x1p128; ++i) {
        const auto middle = static_cast<float>((numbers[i].value + numbers[i + 1].value) / 2);
        for (const float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)})
          in.insert(in.end(), {x, -x});
      }
      expect_as_specified(format, numbers, in);
    }
  });
}

TEST(Cast, KeepsFloatsWhereNoBitOfTheMantissaIsDropped) {
  const std::vector<float> in = [] {
    std::vector<float> values;
    for (int i = 0; i < 1000; ++i)
      values.push_back(std::ldexp(1 + std::ldexp(static_cast<float>(2 * i + 1), -23), i % 28 - 12));
    return values;
  }();
  for (const char* text : {"e5m23", "e7m23", "e7m23ieee", "e8m23", "e8m23b100"})
    testing::on_every_target([&] { EXPECT_EQ(quantized(text, in), in) << text; });
  testing::on_every_target([&] { EXPECT_EQ(quantized("e8m23", std::vector<float>(100, 3e38f))[0], 3e38f); });
}

TEST(Cast, KeepsAllBf16PatternsOfBf16) {
  std::vector<float> in;
  for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) in.push_back(std::bit_cast<float>(pattern << 16));
  const std::vector<float> out = quantized("bf16", in);
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(canonical(out[i]), canonical(in[i])) << i;
}

TEST(Cast, RoundsSampledFloatsAsSpecifiedOnEveryTarget) {
  std::vector<float> in = {0.0f,
                           -0.0f,
                           INFINITY,
                           -INFINITY,
                           NAN,
                           0x1p-149f,
                           -0x1p-149f,
                           0x1.fffffcp-127f,
                           0x1p-126f,
                           std::numeric_limits<float>::max(),
                           -std::numeric_limits<float>::max(),
                           464.0f,
                           465.0f,
                           61440.0f};
  Random random(7);
  for (int i = 0; i < 60000; ++i) in.push_back(std::bit_cast<float>(static_cast<uint32_t>(random.next())));
  for (int i = 0; i < 60000; ++i)
    in.push_back(static_cast<float>(random.normal() * std::exp2(random.uniform() * 30 - 20)));
  testing::on_every_target([&] {
    for (const SlowFormat& format : slow_formats())
      expect_as_specified(format, format.finite_magnitudes(), in);
  });
}

TEST(Cast, TruncatesBf16ForRoundingTowardsZero) {
  Random random(8);
  std::vector<float> in;
  for (int i = 0; i < 100000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    if (std::isfinite(x)) in.push_back(x);
  }
  testing::on_every_target([&] {
    const std::vector<float> out = quantized("bf16:r=zero", in);
    for (size_t i = 0; i < in.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(in[i]) & 0xffff0000u);
  });
}

TEST(Cast, FollowsTheNamedRounding) {
  const std::vector<float> in = {2.25f, 2.125f, -2.125f, 0.03125f * 1.5f,
                                 -0.03125f * 0.25f};  // fp6_e3m2: steps 0.5, 0.0625
  EXPECT_EQ(quantized("fp6_e3m2", in), (std::vector<float>{2.0f, 2.0f, -2.0f, 0.0625f, -0.0f}));
  EXPECT_EQ(quantized("fp6_e3m2:r=away", in), (std::vector<float>{2.5f, 2.0f, -2.0f, 0.0625f, -0.0f}));
  EXPECT_EQ(quantized("fp6_e3m2:r=zero", in), (std::vector<float>{2.0f, 2.0f, -2.0f, 0.0f, -0.0f}));
  EXPECT_EQ(quantized("fp6_e3m2:r=floor", in), (std::vector<float>{2.0f, 2.0f, -2.5f, 0.0f, -0.0625f}));
  EXPECT_EQ(quantized("fp6_e3m2:r=ceil", in), (std::vector<float>{2.5f, 2.5f, -2.0f, 0.0625f, -0.0f}));
  EXPECT_EQ(quantized("fp6_e3m2:r=away", {0.03125f}),
            (std::vector<float>{0.0625f}));  // a tie below the normal range
}

TEST(Cast, AnswersOverflowAsAsked) {
  const std::vector<float> in = {1e6f, -1e6f, 449.0f};
  EXPECT_EQ(quantized("fp8_e4m3", in), (std::vector<float>{448, -448, 448}));
  EXPECT_TRUE(std::isnan(quantized("fp8_e4m3:ovf=nan", in)[0]));
  EXPECT_EQ(quantized("fp8_e4m3:ovf=nan", in)[2], 448);
  EXPECT_EQ(quantized("f16:ovf=sat", in)[1], -65504);
  EXPECT_EQ(quantized("f16", in)[1], -INFINITY);
  std::vector<float> out(3);
  const auto refused = fake_quantize(spec("fp8_e4m3:ovf=error"), in, out, 3);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_THAT(refused.error().what, ::testing::HasSubstr("2 of 3 values overflow"));
}

TEST(Cast, ToE8m0KnowsPowersOfTwoOnly) {
  testing::on_every_target([] {
    EXPECT_EQ(quantized("e8m0", {1.0f, 0x1p-127f, 0x1p-149f, 0x1p127f, std::numeric_limits<float>::max(),
                                 1.4f, 3.0f, 6.0f}),
              (std::vector<float>{1.0f, 0x1p-127f, 0x1p-127f, 0x1p127f, 0x1p127f, 1.0f, 2.0f, 8.0f}));
    for (const float x : quantized("e8m0", {0.0f, -0.0f, -1.0f, INFINITY, -INFINITY, NAN}))
      EXPECT_TRUE(std::isnan(x));
  });
}

TEST(Cast, RoundsStochasticallyWithTheRightProbability) {
  constexpr size_t kDraws = 1 << 20;
  for (const float x : {2.125f, 0.015625f}) {  // a quarter of a step above 2, and of the step 0.0625 above 0
    const std::vector<float> out = quantized("fp6_e3m2:r=stoch@3", std::vector<float>(kDraws, x));
    const auto up =
        static_cast<double>(std::count_if(out.begin(), out.end(), [&](float y) { return y > x; }));
    EXPECT_NEAR(up / kDraws, 0.25, 5 * std::sqrt(0.25 * 0.75 / kDraws));  // five standard errors
  }
  EXPECT_NE(quantized("fp6_e3m2:r=stoch@3", std::vector<float>(64, 2.125f)),
            quantized("fp6_e3m2:r=stoch@4", std::vector<float>(64, 2.125f)));
}

// One test a format, so that each stays within a test runner's limit (a minute or two on two cores).
class CastLong : public ::testing::TestWithParam<SlowFormat> {};

TEST_P(CastLong, RoundsAllFloatsAsSpecified) {
  if (std::getenv("FQLAB_LONG") == nullptr)
    GTEST_SKIP() << "set FQLAB_LONG=1 (make test-long): all 2^32 inputs take minutes";
  const SlowFormat& format = GetParam();
  const auto numbers = format.finite_magnitudes();
  const auto run = [&](uint32_t part) {
    constexpr uint32_t kAtOnce = 1 << 16;
    for (uint64_t block = part; block < 0x10000; block += 2) {
      std::vector<float> in(kAtOnce);
      for (uint32_t i = 0; i < kAtOnce; ++i)
        in[i] = std::bit_cast<float>(static_cast<uint32_t>(block << 16) + i);
      expect_as_specified(format, numbers, in);
      if (HasFatalFailure()) return;
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

INSTANTIATE_TEST_SUITE_P(Format, CastLong, ::testing::ValuesIn(slow_formats()), [](const auto& info) {
  std::string name = info.param.spec;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
});

}  // namespace
}  // namespace fqlab
