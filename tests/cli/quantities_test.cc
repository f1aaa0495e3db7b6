#include "cli/quantities.h"

#include <gtest/gtest.h>

namespace fqlab::cli {
namespace {

TEST(Quantities, ReadsTimes) {
  EXPECT_EQ(parse_seconds("90", "").value(), 90);
  EXPECT_EQ(parse_seconds("1.5m", "").value(), 90);
  EXPECT_EQ(parse_seconds("2h", "").value(), 7200);
  for (const char* bad : {"", "s", "-1", "0", "1d", "1 s", "nan", "inf"})
    EXPECT_EQ(parse_seconds(bad, "--limit-time").error().where, "--limit-time") << bad;
}

TEST(Quantities, ReadsSizes) {
  EXPECT_EQ(parse_bytes("8GB", "").value(), 8'000'000'000u);
  EXPECT_EQ(parse_bytes("0.5KiB", "").value(), 512u);
  for (const char* bad : {"", "GB", "8gb", "0", "0.1", "1e30GB"}) EXPECT_FALSE(parse_bytes(bad, "")) << bad;
}

TEST(Quantities, ReadsShares) {
  EXPECT_DOUBLE_EQ(parse_fraction("10%", "").value(), 0.1);
  EXPECT_EQ(parse_fraction("0.25", "").value(), 0.25);
  for (const char* bad : {"", "%", "0%", "-5%"}) EXPECT_FALSE(parse_fraction(bad, "")) << bad;
}

TEST(Quantities, CountsInWords) {
  EXPECT_EQ(counted(1, "run"), "1 run");
  EXPECT_EQ(counted(0, "run"), "0 runs");
  EXPECT_EQ(counted(12345, "run"), "12,345 runs");
}

TEST(RefuseNegative, SaysWhatIsWrongWithNumbersBelowZero) {
  EXPECT_EQ(refuse_negative("-1"), "-1 is below 0");
  EXPECT_EQ(refuse_negative("0"), "");
}

}  // namespace
}  // namespace fqlab::cli
