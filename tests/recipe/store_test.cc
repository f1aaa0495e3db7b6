#include "recipe/store.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>

namespace fqlab {
namespace {

using ::testing::HasSubstr;

class StoreExactly : public ::testing::TestWithParam<GgmlType> {};

TEST_P(StoreExactly, GivesEveryCodeBack) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const auto half = static_cast<uint16_t>(code);
    float value = 0;
    ASSERT_TRUE(decode(GetParam(), std::as_bytes(std::span(&half, 1)), std::span(&value, 1)));
    uint16_t back = 0;
    ASSERT_TRUE(store_exactly(GetParam(), std::span(&value, 1), std::as_writable_bytes(std::span(&back, 1))));
    float again = 0;
    ASSERT_TRUE(decode(GetParam(), std::as_bytes(std::span(&back, 1)), std::span(&again, 1)));
    ASSERT_TRUE(std::isnan(value) ? std::isnan(again) : back == half) << code;
  }
}

INSTANTIATE_TEST_SUITE_P(Halves, StoreExactly, ::testing::Values(GgmlType::kF16, GgmlType::kBf16));

TEST(Store, RefusesToChangeAValue) {
  const std::vector<float> values = {1.0f, 1.0f + 0x1p-9f};
  std::vector<std::byte> out(4);
  EXPECT_TRUE(store_exactly(GgmlType::kF16, values, out));
  EXPECT_THAT(store_exactly(GgmlType::kBf16, values, out).error().what,
              HasSubstr("1 of 2 values cannot be stored as bf16"));
}

TEST(Store, RefusesQuantizedTypes) {
  const std::vector<float> values(32, 1.0f);
  std::vector<std::byte> out(34);
  EXPECT_EQ(store_exactly(ggml_type_info("q8_0")->type, values, out).error().code, ErrorCode::kUsage);
}

TEST(Store, KeepsANanWhoseUpperHalfAloneWouldBeInfinity) {
  const float nan = std::bit_cast<float>(0x7f800001u);
  uint16_t half = 0;
  ASSERT_TRUE(
      store_exactly(GgmlType::kBf16, std::span(&nan, 1), std::as_writable_bytes(std::span(&half, 1))));
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(static_cast<uint32_t>(half) << 16)));
}

TEST(Store, LeavesVectorsInF32) {
  EXPECT_EQ(storage_type({"v", GgmlType::kF32, {64, 1}, 0, 0}, GgmlType::kF16), GgmlType::kF32);
  EXPECT_EQ(storage_type({"m", GgmlType::kF32, {64, 2}, 0, 0}, GgmlType::kF16), GgmlType::kF16);
  for (const char* name :
       {"blk.0.ssm_conv1d.weight", "blk.0.ssm_a", "blk.0.attn_q_norm.weight", "blk.0.ssm_norm.weight",
        "blk.1.shortconv.conv.weight", "blk.0.time_mix_w1.weight"})
    EXPECT_EQ(storage_type({name, GgmlType::kF32, {4, 64}, 0, 0}, GgmlType::kF16), GgmlType::kF32) << name;
  for (const char* name : {"blk.0.ssm_in.weight", "blk.0.ssm_dt.weight", "blk.0.time_mix_key.weight"})
    EXPECT_EQ(storage_type({name, GgmlType::kF32, {64, 64}, 0, 0}, GgmlType::kF16), GgmlType::kF16) << name;
}

}  // namespace
}  // namespace fqlab
