#include "base/utf8.h"

#include <gtest/gtest.h>

namespace fqlab {
namespace {

TEST(Utf8, ReadsOneCharacterOfEveryLength) {
  EXPECT_EQ(next_character("a").character, U'a');
  EXPECT_EQ(next_character("é").character, U'é');
  EXPECT_EQ(next_character("語x").character, U'語');
  EXPECT_EQ(next_character("語x").bytes, 3u);
  EXPECT_EQ(next_character("🤖").character, U'🤖');
}

TEST(Utf8, CallsPiecesLongFormsAndSurrogatesBroken) {
  for (const char* broken :
       {"\xE8\xAA", "\xAA", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE8\x41\x41"}) {
    EXPECT_FALSE(next_character(broken).character.has_value());
    EXPECT_EQ(next_character(broken).bytes, 1u);
  }
}

TEST(Utf8, SpellsBrokenBytesAndKeepsTheRest) {
  EXPECT_EQ(with_broken_bytes_spelled("a語\xE8\xAA|\n"), "a語<0xE8><0xAA>|\n");
}

}  // namespace
}  // namespace fqlab
