#include "cli/terminal.h"

#include <gmock/gmock.h>

#include "recipe/layer_list.h"

namespace fqlab::cli {
namespace {

using ::testing::ElementsAre;

TEST(Terminal, WritesNumbersAndTimesForPeople) {
  EXPECT_EQ(with_commas(7), "7");
  EXPECT_EQ(with_commas(134515008), "134,515,008");
  EXPECT_EQ(duration(59.4), "59s");
  EXPECT_EQ(duration(130), "2m10s");
  EXPECT_EQ(duration(3720), "1h02m");
}

TEST(Terminal, AlignsColumnsByCharacters) {
  EXPECT_EQ(table({"name", ">n"}, {{"é", "10"}, {"long name", "7"}}),
            "name        n\né          10\nlong name   7\n");
}

TEST(Terminal, MakesControlCharactersHarmless) { EXPECT_EQ(printable("a\x1b[31mb\n"), "a?[31mb?"); }

TEST(LayerList, IsWhatASelectorTakes) {
  EXPECT_EQ(layer_list({0, 1, 2, 5}), "0-2,5");
  EXPECT_EQ(layer_list({3, 7, 8}), "3,7-8");
  EXPECT_EQ(layer_list({}), "");
}

struct Recorded {
  std::vector<std::string> lines;
  double now = 0;
  Progress progress(bool terminal) {
    return Progress([this](std::string_view text) { lines.emplace_back(text); }, terminal,
                    [this] { return now; });
  }
};

TEST(Progress, ShowsTheTimeLeft) {
  Recorded recorded;
  {
    Progress progress = recorded.progress(true);
    recorded.now = 10;
    progress.update(5, 100, "blk.0.ffn_down");
  }
  EXPECT_THAT(recorded.lines, ElementsAre("\r[  5/100] blk.0.ffn_down  3m10s left\x1b[K", "\r\x1b[K"));
}

TEST(Progress, RenewsItsLineAtMostTenTimesASecond) {
  Recorded recorded;
  Progress progress = recorded.progress(true);
  for (uint64_t i = 1; i <= 50; ++i) {
    recorded.now += 0.01;
    progress.update(i, 100, "");
  }
  EXPECT_LE(recorded.lines.size(), 6u);
}

TEST(Progress, WritesTheFirstLineAndOneEveryTenthWhereThereIsNoTerminal) {
  Recorded recorded;
  {
    Progress progress = recorded.progress(false);
    for (uint64_t i = 1; i <= 200; ++i) progress.update(i, 200, "x");
  }
  ASSERT_EQ(recorded.lines.size(), 11u);
  EXPECT_EQ(recorded.lines[0], "[  1/200] x  0s left\n");
  EXPECT_EQ(recorded.lines[1], "[ 20/200] x  0s left\n");
  EXPECT_EQ(recorded.lines.back(), "[200/200] x\n");
}

TEST(Progress, IsNotSilentForLongerThanAMinuteWhereThereIsNoTerminal) {
  Recorded recorded;
  Progress progress = recorded.progress(false);
  progress.update(0, 1000, "x");
  for (uint64_t i = 1; i <= 5; ++i) {
    recorded.now += 30;
    progress.update(i, 1000, "x");
  }
  EXPECT_THAT(recorded.lines,
              ElementsAre("[   0/1000] x\n", "[   2/1000] x  8h19m left\n", "[   4/1000] x  8h18m left\n"));
}

TEST(Progress, BegunAnewHasLinesAndAClockOfItsOwn) {
  Recorded recorded;
  Progress progress = recorded.progress(false);
  recorded.now = 100;
  progress.update(10, 10, "first");
  progress.finish();
  recorded.now = 104;
  progress.update(2, 10, "second");
  EXPECT_EQ(recorded.lines.back(), "[ 2/10] second  16s left\n");
}

}  // namespace
}  // namespace fqlab::cli
