#include "report/numbers.h"

#include <gtest/gtest.h>

namespace fqlab::report {
namespace {

TEST(Number, PrintsTinyValuesSoThatTheyCanBeRead) {
  EXPECT_EQ(number(8.1e-13), "8.1e-13");
  EXPECT_EQ(number(5e-7, 2), "5.0e-7");
  EXPECT_EQ(number(1.5e9), "1.5e9");
}

TEST(Number, KeepsFourSignificantDigits) {
  EXPECT_EQ(number(24.49741), "24.5");
  EXPECT_EQ(number(0.00080312), "0.0008031");
  EXPECT_EQ(number(-0.25), "-0.25");
  EXPECT_EQ(number(123456), "123456");
}

TEST(Number, PrintsAnExactZeroAsZero) {
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-0.0), "0");
  EXPECT_EQ(percent(0), "0 %");
  EXPECT_EQ(estimate(0, Interval{0, 0}, true), "0");
}

TEST(Estimate, GivesHalfTheIntervalTwoDigits) {
  EXPECT_EQ(estimate(0.000803, Interval{0.000752, 0.000854}), "0.000803 [0.000752, 0.000854]");
  EXPECT_EQ(estimate(24.4974, Interval{22.81, 26.31}), "24.5 [22.8, 26.3]");
  EXPECT_EQ(estimate(1.02e-12, Interval{0.81e-12, 1.23e-12}), "1.02e-12 [8.1e-13, 1.23e-12]");
}

TEST(Estimate, ShowsNoIntervalWhereItHasNoWidth) {
  EXPECT_EQ(estimate(0.5, Interval{0.5, 0.5}), "0.5");
  EXPECT_EQ(estimate(0.5, {}), "0.5");
}

TEST(Estimate, MarksTheSignOfDifferences) {
  EXPECT_EQ(percent(0.000233, Interval{-0.0011, 0.0016}, true), "+0.02 % [-0.11 %, +0.16 %]");
  EXPECT_EQ(percent(0.000233, Interval{-0.0011, 0.0016}, false), "0.02 % [-0.11 %, 0.16 %]");
}

TEST(Estimate, NeverRoundsANonzeroNumberToZero) {
  EXPECT_EQ(estimate(0.00001, Interval{-0.5, 0.5}), "1.0e-5 [-0.50, 0.50]");
}

TEST(IntervalText, GivesBothEndsTheSameDigits) {
  EXPECT_EQ(interval_text({29, 33.6}), "[29.0, 33.6]");
  EXPECT_EQ(interval_text({0, 0}), "[0, 0]");
}

TEST(Percent, KeepsTheUnitAtEveryNumber) {
  EXPECT_EQ(percent(0.9902, Interval{0.9866, 0.9928}), "99.02 % [98.66 %, 99.28 %]");
  EXPECT_EQ(percent(0.9375), "93.75 %");
}

TEST(Percent, OfATinyMarginIsANumber) { EXPECT_EQ(margin_percent(1e-312), "1.0e-310 %"); }

TEST(NotNegative, CutsWhatAKlDivergenceCannotBe) {
  EXPECT_EQ(kl_estimate(1, Interval{-1, 3}), estimate(1, Interval{0, 3}));
  EXPECT_EQ(kl_estimate(2, Interval{1, 3}), estimate(2, Interval{1, 3}));
  EXPECT_EQ(kl_estimate(2, std::nullopt), estimate(2, std::nullopt));
}

TEST(Percent, PrintsMarginsInTwoDigits) {
  EXPECT_EQ(margin_percent(0.005012), "0.5 %");
  EXPECT_EQ(margin_percent(0.01), "1 %");
}

TEST(Count, GroupsThousands) {
  EXPECT_EQ(count(0), "0");
  EXPECT_EQ(count(999), "999");
  EXPECT_EQ(count(1000), "1,000");
  EXPECT_EQ(count(134515008), "134,515,008");
}

TEST(ByteSize, NamesTheUnitAndTheExactNumber) {
  EXPECT_EQ(byte_size(91739552), "87.5 MiB (91,739,552 bytes)");
  EXPECT_EQ(byte_size(12), "12 bytes");
}

TEST(Duration, ChoosesItsUnit) {
  EXPECT_EQ(duration(0.85), "850 ms");
  EXPECT_EQ(duration(12.34), "12.3 s");
  EXPECT_EQ(duration(125), "2 min 5 s");
  EXPECT_EQ(duration(3840), "1 h 4 min");
}

}  // namespace
}  // namespace fqlab::report
