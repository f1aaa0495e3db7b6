#include "report/word_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fqlab::report {
namespace {

using ::testing::ElementsAre;

/// The text with [brackets] around what differs.
std::string bracketed(const std::vector<TextPiece>& pieces) {
  std::string text;
  for (const TextPiece& piece : pieces) text += piece.differs ? "[" + piece.text + "]" : piece.text;
  return text;
}

std::pair<std::string, std::string> diff(const std::string& a, const std::string& b) {
  const WordDiff found = diff_words(a, b);
  return {bracketed(found.left), bracketed(found.right)};
}

TEST(WordDiff, CutsATextIntoWordsThatJoinToIt) {
  EXPECT_THAT(words_of("It's  naïve, 2+2.\n"),
              ElementsAre("It", "'", "s", "  ", "naïve", ",", " ", "2", "+", "2", ".", "\n"));
  EXPECT_THAT(words_of("量化 ok😀"), ElementsAre("量", "化", " ", "ok", "😀"));
  EXPECT_THAT(words_of(""), ElementsAre());
}

TEST(WordDiff, MarksNothingInEqualTexts) {
  EXPECT_EQ(diff("the same", "the same"), std::pair(std::string("the same"), std::string("the same")));
  EXPECT_EQ(diff("", ""), std::pair(std::string(), std::string()));
}

TEST(WordDiff, MarksSingleWordsAndKeepsWhatBothHaveBetweenThem) {
  EXPECT_EQ(diff("The cat sat on the mat today.", "The dog sat on a mat today."),
            std::pair(std::string("The [cat] sat on [the] mat today."),
                      std::string("The [dog] sat on [a] mat today.")));
}

TEST(WordDiff, MarksNeighbouringWordsAsOne) {
  EXPECT_EQ(diff("a red fox ran", "a blue dog ran"),
            std::pair(std::string("a [red fox] ran"), std::string("a [blue dog] ran")));
}

TEST(WordDiff, MarksWhatOnlyOneSideHas) {
  EXPECT_EQ(diff("one two three", "one three"),
            std::pair(std::string("one [two ]three"), std::string("one three")));
  EXPECT_EQ(diff("", "new"), std::pair(std::string(), std::string("[new]")));
}

TEST(WordDiff, NeverCutsACharacter) {
  EXPECT_EQ(diff("四加四", "四減四"), std::pair(std::string("四[加]四"), std::string("四[減]四")));
  EXPECT_EQ(diff("é", "è"),
            std::pair(std::string("[é]"), std::string("[è]")));  // they share their first byte
}

TEST(WordDiff, ComparesVeryLongTextsByTheirEndsOnly) {
  std::string a = "start ", b = "start ";
  for (int i = 0; i < 5000; ++i) {
    a += "x" + std::to_string(i) + " ";
    b += "y" + std::to_string(i) + " ";
  }
  const WordDiff found = diff_words(a + "end", b + "end");
  ASSERT_EQ(found.left.size(), 3u);
  EXPECT_EQ(found.left.front().text, "start ");
  EXPECT_EQ(found.left.back().text, " end");
}

}  // namespace
}  // namespace fqlab::report
