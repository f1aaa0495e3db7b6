// MX, NVFP4 and integers against slow scalar versions of their definitions, on every target.
#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "quantize_for_test.h"
#include "slow_spec.h"
#include "targets.h"
#include "testing.h"

namespace fqlab {
namespace {

using testing::canonical;
using testing::quantized;
using testing::SlowFormat;

/// Rows of many sizes: zeros, tiny and huge blocks, and now and then NaN or Inf.
std::vector<float> assorted(uint64_t seed, size_t size, size_t block, bool specials) {
  Random random(seed);
  std::vector<float> values;
  while (values.size() < size) {
    const double scale =
        std::exp2(random.uniform() < 0.7 ? random.uniform() * 8 - 8 : random.uniform() * 276 - 149);
    const bool zero = random.uniform() < 0.05, special = specials && random.uniform() < 0.05;
    for (size_t i = 0; i < block; ++i) {
      const double x = random.uniform() < 0.1 ? std::round(4 * random.normal()) / 4 : random.normal();
      values.push_back(zero ? -0.0f
                            : std::clamp(static_cast<float>(x * scale), -0x1.fffffep127f, 0x1.fffffep127f));
    }
    if (special) values[values.size() - 1 - random.below(block)] = random.uniform() < 0.5 ? NAN : INFINITY;
  }
  values.resize(size);
  return values;
}

struct SlowMx {
  std::string spec;
  SlowFormat element;
  int max_exponent;
  enum { kFloor, kCeil, kRceil, kEven } rule = kFloor;
  bool signed_zero = true;
};

int floor_log2(double x) { return std::ilogb(x); }

std::vector<float> slow_mx_block(const SlowMx& mx, const std::vector<SlowFormat::Number>& numbers,
                                 const std::vector<float>& in) {
  double amax = 0;
  for (const float x : in) {
    if (!std::isfinite(x)) return std::vector<float>(in.size(), NAN);
    amax = std::max(amax, std::fabs(static_cast<double>(x)));
  }
  if (amax == 0) {
    std::vector<float> zeros = in;
    if (!mx.signed_zero) std::fill(zeros.begin(), zeros.end(), 0.0f);
    return zeros;
  }
  int exponent = floor_log2(amax);
  const double largest = numbers.back().value;
  if (mx.rule == SlowMx::kCeil && std::ldexp(1.0, exponent) < amax) ++exponent;
  if (mx.rule == SlowMx::kEven)
    exponent = floor_log2(amax + std::ldexp(1.0, exponent - mx.element.mantissa_bits - 1));
  exponent -= mx.max_exponent;
  if (mx.rule == SlowMx::kRceil && std::ldexp(largest, exponent) < amax) ++exponent;
  const double shared = std::ldexp(1.0, std::clamp(exponent, -127, 127));
  std::vector<float> out;
  for (const float x : in) {
    const auto rounded = nearest_even(numbers, std::fabs(static_cast<double>(x)) / shared);
    const double magnitude = rounded.value_or(largest) * shared;
    const bool negative = std::signbit(x) && (magnitude != 0 || mx.signed_zero);
    out.push_back(static_cast<float>(negative ? -magnitude : magnitude));
  }
  return out;
}

TEST(Mx, FollowsTheDefinitionForEveryElementAndRuleOnEveryTarget) {
  using F = SlowFormat;
  const SlowMx bases[] = {{"mxfp8_e4m3", {"", 4, 3, 7, F::kFn}, 8},
                          {"mxfp8_e5m2", {"", 5, 2, 15, F::kIeee}, 15},
                          {"mxfp6_e3m2", {"", 3, 2, 3, F::kAllFinite}, 4},
                          {"mxfp6_e2m3", {"", 2, 3, 1, F::kAllFinite}, 2},
                          {"mxfp4", {"", 2, 1, 1, F::kAllFinite}, 2},
                          {"mxint8", {"", 1, 6, 1, F::kAllFinite}, 0, SlowMx::kFloor, false}};
  const std::vector<float> in = assorted(11, 32 * 600, 32, true);
  testing::on_every_target([&] {
    for (SlowMx mx : bases)
      for (const auto& [rule, text] : {std::pair{SlowMx::kFloor, ""},
                                       {SlowMx::kCeil, ":mx=ceil"},
                                       {SlowMx::kRceil, ":mx=rceil"},
                                       {SlowMx::kEven, ":mx=even"}}) {
        mx.rule = rule;
        const auto numbers = mx.element.finite_magnitudes();
        const std::vector<float> out = quantized(mx.spec + text, in);
        for (size_t at = 0; at < in.size(); at += 32) {
          const auto begin = in.begin() + static_cast<ptrdiff_t>(at);
          const std::vector<float> expected = slow_mx_block(mx, numbers, {begin, begin + 32});
          for (size_t i = 0; i < 32; ++i)
            ASSERT_EQ(canonical(out[at + i]), canonical(expected[i]))
                << mx.spec << text << " value " << at + i;
        }
      }
  });
}

TEST(Mx, EndsBlocksAtTheEndOfARow) {
  const std::vector<float> row = assorted(12, 40, 40, false);
  std::vector<float> rows = row;
  rows.insert(rows.end(), row.begin(), row.end());
  const std::vector<float> one = quantized("mxfp4", row), two = quantized("mxfp4", rows, 40);
  EXPECT_TRUE(std::equal(one.begin(), one.end(), two.begin()));
  EXPECT_TRUE(std::equal(one.begin(), one.end(), two.begin() + 40));
}

/// The definition in float32, value by value.
std::vector<float> slow_nvfp4(const std::vector<float>& in) {
  const SlowFormat e2m1{"", 2, 1, 1, SlowFormat::kAllFinite}, e4m3{"", 4, 3, 7, SlowFormat::kFn};
  const auto fours = e2m1.finite_magnitudes(), eights = e4m3.finite_magnitudes();
  const auto reach = [&](size_t begin, size_t end) {
    float most = 0;
    for (size_t i = begin; i < end; ++i)
      if (std::isfinite(in[i])) most = std::max(most, std::fabs(in[i]));
    return most;
  };
  const float tensor_scale = reach(0, in.size()) / 2688;
  std::vector<float> out;
  for (size_t at = 0; at < in.size(); at += 16) {
    const float wanted = reach(at, at + 16) / 6 / tensor_scale;
    const float block_scale =
        tensor_scale == 0 ? 0 : static_cast<float>(nearest_even(eights, wanted).value_or(448));
    const float scale = block_scale * tensor_scale;
    for (size_t i = at; i < at + 16; ++i) {
      if (!std::isfinite(in[i])) {
        out.push_back(NAN);
        continue;
      }
      const float magnitude =
          scale == 0 ? 0
                     : static_cast<float>(nearest_even(fours, std::fabs(in[i]) / scale).value_or(6)) * scale;
      out.push_back(std::copysign(magnitude, in[i]));
    }
  }
  return out;
}

TEST(Nvfp4, EndsBlocksAtTheEndOfARowAlsoInPlace) {
  for (const size_t columns : {40, 7, 16, 33}) {
    std::vector<float> rows, padded;  // the definition sees each row filled up to whole blocks
    const std::vector<float> row = assorted(14, columns, columns, false);
    const size_t whole = (columns + 15) / 16 * 16;
    for (size_t copy = 1; copy <= 3; ++copy) {
      rows.insert(rows.end(), row.begin(), row.end());
      padded.insert(padded.end(), row.begin(), row.end());
      padded.resize(copy * whole);
    }
    const std::vector<float> expected = slow_nvfp4(padded);
    testing::on_every_target([&] {
      std::vector<float> in_place = rows;
      ASSERT_TRUE(fake_quantize(FormatSpec::parse("nvfp4").value(), in_place, in_place, columns, {1, {}}));
      for (size_t i = 0; i < rows.size(); ++i)
        EXPECT_EQ(in_place[i], expected[i / columns * whole + i % columns]) << columns << ", " << i;
    });
  }
}

TEST(Nvfp4, FollowsTheDefinitionWhereTheFirstPassReadsSeveralPlacesAtOnce) {
  Random random(15);
  std::vector<float> in;
  for (int i = 0; i < 480 * 1200; ++i) in.push_back(static_cast<float>(random.normal()));
  for (const size_t largest : {size_t{3}, size_t{100'000}, size_t{250'000}, in.size() - 1}) {
    in[largest] *= 100;
    const std::vector<uint32_t> expected = canonical(slow_nvfp4(in));
    testing::on_every_target([&] { EXPECT_EQ(canonical(quantized("nvfp4", in, 480)), expected); });
    in[largest] /= 100;
  }
}

TEST(Nvfp4, FollowsTheDefinitionOnEveryTarget) {
  Random random(13);
  for (const bool wide : {false, true}) {
    std::vector<float> in;
    for (int i = 0; i < 16 * 3000; ++i) {
      if (i % 16 == 0 && wide)
        in.push_back(static_cast<float>(random.normal() * std::exp2(random.uniform() * 40 - 30)));
      else
        in.push_back(static_cast<float>(random.normal() * 0.02));
    }
    if (wide) {
      in[5] = NAN;
      in[700] = -INFINITY;
    }
    const std::vector<uint32_t> expected = canonical(slow_nvfp4(in));
    testing::on_every_target([&] { EXPECT_EQ(canonical(quantized("nvfp4", in, 480)), expected); });
  }
}

struct SlowInteger {
  std::string spec;
  size_t group;
  float low, high, divisor;  // asym: the stored range, and its length
  bool asymmetric;
};

std::vector<float> slow_integer_group(const SlowInteger& integer, const std::vector<float>& in) {
  float least = 0, most = 0;
  for (const float x : in)
    if (std::isfinite(x)) {
      least = std::min(least, x);
      most = std::max(most, x);
    }
  float scale = std::max(-least, most) / integer.divisor, zero = 0;
  if (integer.asymmetric) {
    scale = (most - least) / integer.divisor;
    if (std::isinf(scale)) scale = most / integer.divisor - least / integer.divisor;
    zero = std::clamp(integer.low - std::nearbyint(least / scale), integer.low, integer.high);
  }
  std::vector<float> out;
  for (const float x : in) {
    if (!std::isfinite(x))
      out.push_back(NAN);
    else if (scale == 0)
      out.push_back(0);
    else
      out.push_back((std::clamp(std::nearbyint(x / scale) + zero, integer.low, integer.high) - zero) * scale +
                    0.0f);
  }
  return out;
}

TEST(Integer, FollowsTheDefinitionOnEveryTarget) {
  constexpr size_t kColumns = 3840;  // a multiple of all the groups
  const SlowInteger cases[] = {{"int4:g32:sym", 32, -7, 7, 7, false},
                               {"int4:g128:sym:full", 128, -8, 7, 7, false},
                               {"int8:channel", kColumns, -127, 127, 127, false},
                               {"int2:g64", 64, -1, 1, 1, false},
                               {"int16:g32", 32, -32767, 32767, 32767, false},
                               {"int4:g32:asym", 32, -8, 7, 15, true},
                               {"uint4:g32", 32, 0, 15, 15, true},
                               {"int8:token:asym:narrow", kColumns, -127, 127, 254, true},
                               {"int5:g20", 20, -15, 15, 15, false}};
  const std::vector<float> in = assorted(14, kColumns * 8, 32, true);
  testing::on_every_target([&] {
    for (const SlowInteger& integer : cases) {
      const std::vector<float> out = quantized(integer.spec, in, kColumns);
      for (size_t at = 0; at < in.size(); at += integer.group) {
        const auto begin = in.begin() + static_cast<ptrdiff_t>(at);
        const auto expected =
            slow_integer_group(integer, {begin, begin + static_cast<ptrdiff_t>(integer.group)});
        for (size_t i = 0; i < integer.group; ++i)
          ASSERT_EQ(canonical(out[at + i]), canonical(expected[i]))
              << integer.spec << " value " << at + i << " " << in[at + i];
      }
    }
  });
}

TEST(Integer, OfTheWholeTensorTakesOneScale) {
  const std::vector<float> in = {7, 1, 0.4f, -3, 0.6f, 2.5f};
  EXPECT_EQ(quantized("int4:tensor", in, 3), (std::vector<float>{7, 1, 0, -3, 1, 2}));
  EXPECT_EQ(quantized("int4:cast", {7.5f, -9, 2.5f}), (std::vector<float>{7, -7, 2}));
  EXPECT_EQ(quantized("uint2:tensor:sym", {3, -1, 1.4f}), (std::vector<float>{3, 0, 1}));
}

TEST(Granularity, OfBlocksSharesAScaleAcrossRows) {
  const std::vector<float> in = {7,  1, 70, 10,  //
                                 1,  3, 40, 20,  //
                                 14, 2, 7,  1};
  EXPECT_EQ(quantized("int4:b2x2", in, 4), (std::vector<float>{7, 1, 70, 10, 1, 3, 40, 20, 14, 2, 7, 1}));
  EXPECT_EQ(quantized("int4:b3x4", in, 4), (std::vector<float>{10, 0, 70, 10, 0, 0, 40, 20, 10, 0, 10, 0}));
}

TEST(ScaledFloat, DividesByTheGroupsScale) {
  const std::vector<float> in = {896, 3, -450, 0.001f};  // scale 2
  EXPECT_EQ(quantized("fp8_e4m3:tensor", in), (std::vector<float>{896, 3, -448, 0}));
  EXPECT_EQ(quantized("fp4_e2m1:g2", {12, 5, 0.6f, 0.05f}), (std::vector<float>{12, 4, 0.6f, 0.1f * 0.5f}));
}

TEST(ScaleType, IsAppliedToTheScale) {
  // absmax 10 of int4: scale 10/7 = 1.428..; nearest power of two 1, E4M3 1.375 or 1.5: 1.428 is nearer
  // to 1.375.
  EXPECT_EQ(quantized("int4:tensor:scale=e8m0", {10, 1, -2.6f}), (std::vector<float>{7, 1, -3}));
  EXPECT_EQ(quantized("int4:tensor:scale=e4m3", {10, 1, -2.6f}),
            (std::vector<float>{9.625f, 1.375f, -2.75f}));
  EXPECT_EQ(quantized("int4:tensor:scale=bf16", {10}), (std::vector<float>{7 * 1.4296875f}));
}

TEST(Calibration, ByPercentileTakesTheNearestRank) {
  std::vector<float> in(100, 1.0f);
  in[3] = 70;
  const std::vector<float> out = quantized("int4:tensor:calib=pct99", in);  // the 99th of 100 magnitudes is 1
  EXPECT_EQ(out[3], 1.0f);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(quantized("int4:tensor:calib=pct100", in), quantized("int4:tensor", in));
  // 99.9 % of 1000 are 999, though not in double arithmetic.
  std::vector<float> counted(1000);
  std::iota(counted.begin(), counted.end(), 1.0f);
  EXPECT_EQ(quantized("int8:tensor:calib=pct99.9", counted)[999], 999.0f);
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

TEST(Calibration, ByErrorIsNeverWorseThanAbsmaxAndFindsTheBestRatio) {
  Random random(15);
  std::vector<float> in;
  for (int i = 0; i < 4096; ++i) in.push_back(static_cast<float>(random.normal()));
  const double absmax = squared_error(in, quantized("int3:tensor", in));
  const double mse = squared_error(in, quantized("int3:tensor:calib=mse", in));
  EXPECT_LT(mse, 0.9 * absmax);  // three bits of normal values: clipping at about 0.7 of the largest
  // With 2 steps the candidates are half and all of the range.
  const std::vector<float> outlier = {16, 7, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1};
  EXPECT_EQ(quantized("int4:tensor:calib=mse/2", {1, 2, 3, 4, 5, 6, 7}),
            (std::vector<float>{1, 2, 3, 4, 5, 6, 7}));
  const double whole = squared_error(outlier, quantized("int4:tensor", outlier));
  EXPECT_LE(squared_error(outlier, quantized("int4:tensor:calib=mse/2", outlier)), whole);
}

}  // namespace
}  // namespace fqlab
