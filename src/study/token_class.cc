#include "study/token_class.h"

#include <algorithm>
#include <iterator>

#include "base/utf8.h"

namespace fqlab {
namespace {

struct Range {
  char32_t first, last;
};

template <size_t kCount>
bool in(const Range (&ranges)[kCount], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// By block, not by Unicode's tables: the classes are for a glance, and the blocks fit on a page.
constexpr Range kBlank[] = {{0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},
                            {0xA0, 0xA0},     {0x2000, 0x200A}, {0x2028, 0x2029},
                            {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
constexpr Range kLatin[] = {{'A', 'Z'},       {'a', 'z'},       {0xAA, 0xAA},    {0xBA, 0xBA},
                            {0xC0, 0xD6},     {0xD8, 0xF6},     {0xF8, 0x24F},   {0x300, 0x36F},
                            {0x1E00, 0x1EFF}, {0x2C60, 0x2C7F}, {0xA720, 0xA7FF}};
constexpr Range kSign[] = {
    {0, '@'},         {'[', '`'},       {'{', 0xBF},      {0xD7, 0xD7},      {0xF7, 0xF7},
    {0x2000, 0x2BFF},  // punctuation, currency, arrows, mathematics, boxes, symbols
    {0x2E00, 0x2E7F}, {0x3001, 0x303F}, {0xFE00, 0xFE0F}, {0xFE30, 0xFE4F},  {0xFF01, 0xFF0F},
    {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0x1F000, 0x1FAFF}};

}  // namespace

TokenClass class_of(std::string_view text) {
  bool latin = false, digit = false, sign = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = next_character(text.substr(i));
    i += step.bytes;
    if (!step.character) return TokenClass::kNonLatin;
    const char32_t c = *step.character;
    if (in(kBlank, c)) continue;
    if (in(kLatin, c)) {
      latin = true;
    } else if (c >= '0' && c <= '9') {
      digit = true;
    } else if (in(kSign, c)) {
      sign = true;
    } else {
      return TokenClass::kNonLatin;
    }
  }
  return latin   ? TokenClass::kWord
         : digit ? TokenClass::kDigits
         : sign  ? TokenClass::kPunctuation
                 : TokenClass::kWhitespace;
}

std::string_view name(TokenClass token_class) {
  switch (token_class) {
    case TokenClass::kWhitespace:
      return "whitespace";
    case TokenClass::kDigits:
      return "digits";
    case TokenClass::kPunctuation:
      return "punctuation";
    case TokenClass::kWord:
      return "words";
    case TokenClass::kNonLatin:
      break;
  }
  return "non_latin";
}

}  // namespace fqlab
