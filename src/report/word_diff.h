// Where two answers differ, word by word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/document.h"

namespace fqlab::report {

/// The words of a text: runs of letters and digits, runs of blanks, every other character (a sign, an
/// ideograph, an emoji) by itself. Joined they give the text.
std::vector<std::string_view> words_of(std::string_view text);

struct WordDiff {
  std::vector<TextPiece> left, right;  ///< what both have in a longest common sequence of words, and the rest
};

/// Texts longer than 4,000 words are compared by their common beginning and end only.
WordDiff diff_words(std::string_view left, std::string_view right);

}  // namespace fqlab::report
