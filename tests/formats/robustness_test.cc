// What must not matter: threads, alignment, length, in place or not, the host's floating-point mode.
#include <gtest/gtest.h>
#include <immintrin.h>
#include <rapidcheck/gtest.h>

#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/random.h"
#include "quantize_for_test.h"
#include "targets.h"
#include "testing.h"

namespace fqlab {
namespace {

using testing::canonical;
using testing::quantized;
using testing::spec;

const std::vector<std::string>& all_specs() {
  static const std::vector<std::string> specs = {"f32",
                                                 "f16",
                                                 "bf16",
                                                 "tf32",
                                                 "fp8_e4m3",
                                                 "fp8_e5m2",
                                                 "fp8_e4m3fnuz",
                                                 "fp6_e2m3",
                                                 "fp4_e2m1",
                                                 "e8m0",
                                                 "e3m3b5:ovf=error",
                                                 "fp8_e4m3:r=stoch@5",
                                                 "bf16:r=stoch@1",
                                                 "f16:r=away",
                                                 "fp6_e3m2:r=floor",
                                                 "fp6_e3m2:r=ceil",
                                                 "fp8_e5m2:r=zero",
                                                 "mxfp8_e4m3",
                                                 "mxfp4:r=stoch@2",
                                                 "mxfp4:mx=even",
                                                 "mxint8",
                                                 "nvfp4",
                                                 "nvfp4:r=stoch@9",
                                                 "int4:g32",
                                                 "int4:g5:asym",
                                                 "int4:g1",
                                                 "int4:g4",
                                                 "fp8_e4m3:g8",
                                                 "int8:channel",
                                                 "int8:tensor:asym",
                                                 "uint4:g16:r=stoch@1",
                                                 "int4:b3x16",
                                                 "int3:g64:calib=mse/20",
                                                 "int4:channel:calib=pct90",
                                                 "fp8_e4m3:channel:scale=bf16",
                                                 "fp8_e4m3fnuz:tensor",
                                                 "fp4_e2m1:g16:scale=e4m3"};
  return specs;
}

std::vector<float> random_values(size_t size, uint64_t seed = 1) {
  Random random(seed);
  std::vector<float> values;
  for (size_t i = 0; i < size; ++i) values.push_back(static_cast<float>(0.3 * random.normal()));
  return values;
}

/// e3m3b5:ovf=error must not overflow here: its largest number is 7.5.
std::vector<float> weights_with_specials(size_t size) {
  std::vector<float> values = random_values(size);
  for (size_t i = 3; i < size; i += 97) values[i] = i % 2 == 0 ? NAN : 0x1p-130f;
  return values;
}

TEST(FakeQuantize, DoesNotDependOnTheTarget) {
  const std::vector<float> in = weights_with_specials(960 * 12);
  for (const std::string& text : all_specs()) {
    QuantizeCounts expected;
    const std::vector<uint32_t> best = canonical(quantized(text, in, 960, &expected));
    testing::on_every_target([&] {
      QuantizeCounts counts;
      EXPECT_EQ(canonical(quantized(text, in, 960, &counts)), best) << text;
      EXPECT_EQ(counts.changed, expected.changed) << text;
      EXPECT_EQ(counts.saturated, expected.saturated) << text;
      EXPECT_EQ(counts.flushed_to_zero, expected.flushed_to_zero) << text;
      EXPECT_EQ(counts.nan, expected.nan) << text;
    });
  }
}

/// Values whose quotients by the scales of `text` lie beside ties: odd halves of what is already quantized,
/// up to two units in the last place away. The first of every 16 values stays, and with it most scales.
std::vector<float> values_beside_ties(const std::string& text, float magnitude, size_t columns,
                                      uint64_t seed) {
  std::vector<float> values = random_values(columns * 4, seed);
  for (float& x : values) x *= magnitude;
  const std::vector<float> grid = quantized(text, values, columns);
  Random random(seed);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 16 == 0) continue;
    const float halves = static_cast<float>(random.below(8)) + 0.5f,
                of = static_cast<float>(random.below(7) + 1);
    values[i] = grid[i] * halves / of;
    for (uint64_t unit = random.below(3); unit > 0; --unit)
      values[i] = std::nextafter(values[i], random.sign() > 0 ? INFINITY : 0.0f);
  }
  return values;
}

TEST(FakeQuantize, DividesToTheSameBitsBesideTiesOfEveryMagnitudeOnEveryTarget) {
  for (const std::string& text : all_specs()) {
    if (text.find("ovf=error") != std::string::npos) continue;
    for (const int exponent : {-140, -100, -45, -33, -31, -29, -20, 0, 20, 58, 59, 60, 61, 62, 100, 125}) {
      const std::vector<float> in = values_beside_ties(text, std::ldexp(1.0f, exponent), 960, 7);
      const std::vector<uint32_t> best = canonical(quantized(text, in, 960));
      testing::on_every_target(
          [&] { EXPECT_EQ(canonical(quantized(text, in, 960)), best) << text << " at 2^" << exponent; });
    }
  }
}

TEST(FakeQuantize, DoesNotDependOnThreads) {
  const std::vector<float> in = weights_with_specials(960 * 300);
  for (const std::string& text : all_specs()) {
    QuantizeCounts one, three;
    const auto alone = canonical(quantized(text, in, 960, &one));
    EXPECT_EQ(canonical(quantized(text, in, 960, &three, {3, {}})), alone) << text;
    EXPECT_EQ(one.changed, three.changed) << text;
    EXPECT_EQ(one.values, in.size());
  }
}

TEST(FakeQuantize, DoesNotDependOnLengthAlignmentOrPlace) {
  testing::on_every_target([] {
    for (const std::string& text : all_specs())
      for (size_t size = 0; size <= 67; ++size) {
        const std::vector<float> in = random_values(size, size);
        const std::vector<uint32_t> expected = canonical(quantized(text, in));
        std::vector<float> shifted(size + 3, 77.0f);
        for (size_t offset = 0; offset < 3; ++offset) {
          std::copy(in.begin(), in.end(), shifted.begin() + static_cast<ptrdiff_t>(offset));
          const std::span<float> place(shifted.data() + offset, size);
          ASSERT_TRUE(fake_quantize(spec(text), place, place, std::max<size_t>(size, 1)));
          ASSERT_EQ(canonical(std::vector<float>(place.begin(), place.end())), expected)
              << text << " of " << size;
        }
        EXPECT_EQ(shifted[size + 2], size == 0 ? 77.0f : shifted[size + 2]);
      }
  });
}

TEST(FakeQuantize, WritesNothingBeyondItsOutput) {
  for (const std::string& text : all_specs()) {
    std::vector<float> out(32 + 40, 5.0f);
    const std::vector<float> in = random_values(40);
    ASSERT_TRUE(fake_quantize(spec(text), in, std::span(out).subspan(16, 40), 40));
    for (size_t i = 0; i < 16; ++i) EXPECT_EQ(out[i] + out[56 + i], 10.0f) << text;
  }
}

TEST(FakeQuantize, DoesNotDependOnTheHostsFloatingPointMode) {
  std::vector<float> in = weights_with_specials(480 * 8);
  for (size_t i = 0; i < in.size(); i += 31) in[i] *= 0x1p-128f;  // subnormals
  for (const std::string& text : all_specs()) {
    const std::vector<uint32_t> expected = canonical(quantized(text, in, 480));
    for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST})
      for (const bool flush : {false, true}) {
        const unsigned before = _mm_getcsr();
        std::fesetround(mode);
        if (flush) _mm_setcsr(_mm_getcsr() | 0x8040);  // FTZ and DAZ
        const unsigned set = _mm_getcsr();
        std::vector<float> out(in.size());
        const bool done = fake_quantize(spec(text), in, out, 480, {2, {}}).has_value();
        constexpr unsigned kModeBits = 0xffc0;  // without the sticky exception flags
        const unsigned after = _mm_getcsr() & kModeBits;
        std::fesetround(FE_TONEAREST);
        _mm_setcsr(before);
        EXPECT_TRUE(done);
        EXPECT_EQ(after, set & kModeBits) << "the caller's mode was not restored";
        EXPECT_EQ(canonical(out), expected) << text << " in mode " << mode << (flush ? " with FTZ" : "");
      }
  }
}

TEST(FakeQuantize, CountsExactly) {
  QuantizeCounts counts;
  quantized("fp8_e4m3", {1, 449, INFINITY, NAN, 0.0001f, 0, -1.06f, 448}, 0, &counts);
  EXPECT_EQ(counts.values, 8u);
  EXPECT_EQ(counts.changed, 4u);  // 449, Inf -> NaN, 0.0001, 1.06
  EXPECT_EQ(counts.saturated, 1u);
  EXPECT_EQ(counts.flushed_to_zero, 1u);
  EXPECT_EQ(counts.nan, 1u);
}

TEST(FakeQuantize, CountsTheSameByComparingInputAndOutput) {
  const std::vector<float> in = weights_with_specials(960 * 16);
  for (const std::string& text : all_specs()) {
    QuantizeCounts counts, compared;
    const std::vector<float> out = quantized(text, in, 960, &counts);
    for (size_t i = 0; i < in.size(); ++i) {
      compared.changed += canonical(in[i]) != canonical(out[i]);
      compared.flushed_to_zero += in[i] != 0 && out[i] == 0;
      compared.nan += std::isnan(in[i]);
    }
    EXPECT_EQ(counts.changed, compared.changed) << text;
    EXPECT_EQ(counts.flushed_to_zero, compared.flushed_to_zero) << text;
    EXPECT_EQ(counts.nan, compared.nan) << text;
  }
}

TEST(FakeQuantize, OfLargeTensorsStreamsTheSameBits) {
  const std::vector<float> in = random_values(size_t{7} << 20);
  std::vector<float> in_place = in;
  for (const char* text : {"fp8_e4m3", "mxfp4", "nvfp4", "int4:g128"}) {
    std::unique_ptr<float, void (*)(void*)> out(static_cast<float*>(std::aligned_alloc(64, in.size() * 4)),
                                                std::free);
    ASSERT_TRUE(fake_quantize(spec(text), in, {out.get(), in.size()}, 4096));
    in_place = in;
    ASSERT_TRUE(fake_quantize(spec(text), in_place, in_place, 4096));
    EXPECT_EQ(std::memcmp(out.get(), in_place.data(), in.size() * 4), 0) << text;
  }
}

float any_float() { return std::bit_cast<float>(*rc::gen::arbitrary<uint32_t>()); }

RC_GTEST_PROP(CastProperty, IsMonotoneOddAndIdempotent, ()) {
  static const std::vector<std::string> casts = {
      "f16",      "bf16",     "tf32",     "fp8_e4m3", "fp8_e5m2",        "fp8_e4m3fnuz",
      "fp6_e3m2", "fp6_e2m3", "fp4_e2m1", "e5m6",     "fp8_e4m3:r=away", "f16:r=zero"};
  const std::string text = *rc::gen::elementOf(casts);
  float a = any_float(), b = any_float();
  RC_PRE(std::isfinite(a) && std::isfinite(b));
  if (b < a) std::swap(a, b);
  const std::vector<float> out = quantized(text, {a, b, -a});
  RC_ASSERT(out[0] <= out[1]);
  RC_ASSERT(out[2] == -out[0]);
  RC_ASSERT(canonical(quantized(text, out)) == canonical(out));
}

std::vector<float> any_row(size_t size) {
  const int exponent = *rc::gen::inRange(-20, 20);
  std::vector<float> row;
  for (size_t i = 0; i < size; ++i)
    row.push_back(std::ldexp(static_cast<float>(*rc::gen::inRange(-4096, 4096)), exponent));
  return row;
}

RC_GTEST_PROP(MxProperty, IsIdempotentOddAndOnAGridOfFewValues, ()) {
  static const std::vector<std::string> types = {"mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2",
                                                 "mxfp6_e2m3", "mxfp4",      "mxint8"};
  const std::string text = *rc::gen::elementOf(types);
  const std::vector<float> row = any_row(32);
  std::vector<float> negated;
  for (const float x : row) negated.push_back(-x);
  const std::vector<float> out = quantized(text, row), opposite = quantized(text, negated);
  RC_ASSERT(canonical(quantized(text, out)) == canonical(out));
  for (size_t i = 0; i < out.size(); ++i) RC_ASSERT(opposite[i] == -out[i]);
  for (size_t i = 0; i < out.size(); ++i)
    for (size_t k = 0; k < out.size(); ++k) RC_ASSERT(row[i] > row[k] || out[i] <= out[k]);
}

RC_GTEST_PROP(IntegerProperty, StaysInItsSetAndIsIdempotentToOneUnitOfTheScale, ()) {
  const int bits = *rc::gen::inRange(2, 9);
  const std::vector<float> row = any_row(32);
  const std::string text = "int" + std::to_string(bits) + ":channel";
  const std::vector<float> out = quantized(text, row);
  const float largest = static_cast<float>((1 << (bits - 1)) - 1);
  float reach = 0;
  for (const float x : row) reach = std::max(reach, std::fabs(x));
  const float scale = reach / largest;
  for (const float y : out) {
    const float code = scale == 0 ? 0 : std::nearbyint(y / scale);
    RC_ASSERT(std::fabs(code) <= largest);
    RC_ASSERT(code * scale == y);
  }
  // The scale of the result may differ by one float32 unit in the last place, so its products may too.
  const std::vector<float> again = quantized(text, out);
  for (size_t i = 0; i < out.size(); ++i)
    RC_ASSERT(std::fabs(again[i] - out[i]) <= std::fabs(out[i]) * 0x1p-22f);
}

}  // namespace
}  // namespace fqlab
