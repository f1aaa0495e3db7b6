#include "fqlab/ggml_type.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "formats/ggml_door.h"

namespace fqlab {
namespace {

std::vector<float> decode_all(GgmlType type, const std::vector<uint16_t>& halves) {
  std::vector<float> out(halves.size());
  EXPECT_TRUE(decode(type, std::as_bytes(std::span(halves)), out));
  return out;
}

TEST(GgmlType, TableSaysWhatGgmlSaysForEveryNumber) {
  if (ggml_door::type_count() == 0) GTEST_SKIP() << "built without the engine";
  for (uint32_t number = 0; number < ggml_door::type_count() + 10; ++number) {
    const auto facts = ggml_door::type_facts(number);
    const GgmlTypeInfo* info = ggml_type_info(static_cast<GgmlType>(number));
    ASSERT_EQ(info != nullptr, facts.has_value()) << number;
    if (info == nullptr) continue;
    EXPECT_EQ(info->name, facts->name);
    EXPECT_EQ(info->block_elements, facts->block_elements) << info->name;
    EXPECT_EQ(info->block_bytes, facts->block_bytes) << info->name;
    EXPECT_EQ(info->quantized, facts->quantized) << info->name;
  }
}

TEST(GgmlType, IsFoundByNameInAnyCase) {
  EXPECT_EQ(ggml_type_info("Q4_k"), ggml_type_info(GgmlType{12}));
  EXPECT_EQ(ggml_type_info("q4_2"), nullptr);
}

TEST(GgmlType, DecodesEveryF16CodeAsItsDefinitionSays) {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  const std::vector<float> values = decode_all(GgmlType::kF16, codes);
  for (int code = 0; code < 65536; ++code) {
    const int exponent = (code >> 10) & 31, mantissa = code & 1023;
    double expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31) expected = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
    const auto value = static_cast<double>(values[static_cast<size_t>(code)]);
    ASSERT_EQ(std::signbit(value), code >= 0x8000) << code;
    ASSERT_TRUE(std::isnan(expected) ? std::isnan(value) : std::fabs(value) == expected) << code;
  }
}

TEST(GgmlType, DecodesBf16AsTheUpperHalfOfAFloat) {
  EXPECT_THAT(decode_all(GgmlType::kBf16, {0x3f80, 0xc000, 0x0001}),
              ::testing::ElementsAre(1.0f, -2.0f, 0x1p-133f));
}

TEST(GgmlType, DecodesAQ8BlockAsScaleTimesInteger) {
  if (ggml_door::type_count() == 0) GTEST_SKIP() << "built without the engine";
  std::vector<std::byte> block(35);
  for (const size_t start : {0u, 1u}) {  // the second one is misaligned for ggml's structures
    block[start] = std::byte{0x00};
    block[start + 1] = std::byte{0x38};  // 0.5 in f16, low byte first
    for (size_t i = 0; i < 32; ++i) block[start + 2 + i] = static_cast<std::byte>(i - 16);
    std::vector<float> out(32);
    ASSERT_TRUE(decode(GgmlType{8}, std::span(block).subspan(start, 34), out));
    for (size_t i = 0; i < 32; ++i) EXPECT_EQ(out[i], 0.5f * (static_cast<float>(i) - 16));
  }
}

TEST(GgmlType, RefusesBytesThatAreNotWholeBlocksOfTheValues) {
  std::vector<std::byte> bytes(34);
  std::vector<float> out(32);
  EXPECT_EQ(decode(GgmlType{8}, std::span(bytes).first(33), out).error().what,
            "33 bytes of type q8_0 are not 32 values");
  EXPECT_FALSE(decode(GgmlType{8}, bytes, std::span(out).first(31)));
  EXPECT_FALSE(decode(GgmlType::kF32, bytes, out));
  EXPECT_FALSE(decode(GgmlType{4}, bytes, out));
}

TEST(GgmlType, RefusesTypesThatAreNotWeights) {
  std::vector<std::byte> bytes(292);
  std::vector<float> out(256);
  EXPECT_THAT(decode(GgmlType{26}, std::span(bytes).first(4), std::span(out).first(1)).error().what,
              ::testing::HasSubstr("type i32"));
  if (ggml_door::type_count() != 0) {
    EXPECT_THAT(decode(GgmlType{15}, bytes, out).error().what,
                ::testing::HasSubstr("ggml cannot decode the type q8_K"));
  }
}

}  // namespace
}  // namespace fqlab
