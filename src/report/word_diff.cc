#include "report/word_diff.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace fqlab::report {
namespace {

constexpr size_t kMostWords = 4000;  // the table of the longest common sequence has the square of it

using Words = std::vector<std::string_view>;

enum class Kind { kWord, kBlank, kOther };

// Of the character that starts with this byte. Letters outside ASCII up to U+07FF (Latin, Greek, Cyrillic,
// Hebrew, Arabic: two bytes in UTF-8) make words; longer ones, ideographs among them, stand by themselves.
Kind kind_of(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') return Kind::kBlank;
  if (byte >= 0x80) return byte < 0xE0 ? Kind::kWord : Kind::kOther;
  return std::isalnum(byte) != 0 ? Kind::kWord : Kind::kOther;
}

size_t end_of_character(std::string_view text, size_t begin) {
  size_t end = begin + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end;
}

void append(std::vector<TextPiece>& pieces, std::string_view word, bool differs) {
  if (!pieces.empty() && pieces.back().differs == differs) {
    pieces.back().text += word;
  } else {
    pieces.push_back({std::string(word), differs});
  }
}

bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return kind_of(c) == Kind::kBlank; });
}

/// A blank between two marks is easier to read as part of one.
std::vector<TextPiece> without_islands(const std::vector<TextPiece>& pieces) {
  std::vector<TextPiece> joined;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const bool island = i > 0 && i + 1 < pieces.size() && is_blank(pieces[i].text);
    append(joined, pieces[i].text, pieces[i].differs || island);
  }
  return joined;
}

/// lengths[i][j]: of the longest common sequence of the words from i and from j on.
class CommonLengths {
 public:
  CommonLengths(const Words& left, const Words& right)
      : columns_(right.size() + 1), lengths_((left.size() + 1) * columns_) {
    for (size_t i = left.size(); i-- > 0;)
      for (size_t j = right.size(); j-- > 0;)
        at(i, j) = left[i] == right[j] ? static_cast<uint16_t>(at(i + 1, j + 1) + 1)
                                       : std::max(at(i + 1, j), at(i, j + 1));
  }
  uint16_t& at(size_t i, size_t j) { return lengths_[i * columns_ + j]; }

 private:
  size_t columns_;
  std::vector<uint16_t> lengths_;
};

void diff_middle(const Words& left, const Words& right, WordDiff& diff) {
  size_t i = 0, j = 0;
  if (left.size() <= kMostWords && right.size() <= kMostWords) {
    CommonLengths lengths(left, right);
    while (i < left.size() && j < right.size()) {
      if (left[i] == right[j]) {
        append(diff.left, left[i++], false);
        append(diff.right, right[j++], false);
      } else if (lengths.at(i + 1, j) >= lengths.at(i, j + 1)) {
        append(diff.left, left[i++], true);
      } else {
        append(diff.right, right[j++], true);
      }
    }
  }
  while (i < left.size()) append(diff.left, left[i++], true);
  while (j < right.size()) append(diff.right, right[j++], true);
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view text) {
  Words words;
  for (size_t begin = 0; begin < text.size();) {
    const Kind kind = kind_of(text[begin]);
    size_t end = end_of_character(text, begin);
    while (kind != Kind::kOther && end < text.size() && kind_of(text[end]) == kind)
      end = end_of_character(text, end);
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

WordDiff diff_words(std::string_view left_text, std::string_view right_text) {
  const Words left = words_of(left_text), right = words_of(right_text);
  const auto head = static_cast<size_t>(
      std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first - left.begin());
  const size_t most = std::min(left.size(), right.size()) - head;
  size_t tail = 0;
  while (tail < most && left[left.size() - 1 - tail] == right[right.size() - 1 - tail]) ++tail;
  const auto middle = [&](const Words& words) {
    return Words(words.begin() + static_cast<std::ptrdiff_t>(head),
                 words.end() - static_cast<std::ptrdiff_t>(tail));
  };
  WordDiff diff;
  for (size_t i = 0; i < head; ++i) {
    append(diff.left, left[i], false);
    append(diff.right, right[i], false);
  }
  diff_middle(middle(left), middle(right), diff);
  for (size_t i = left.size() - tail; i < left.size(); ++i) {
    append(diff.left, left[i], false);
    append(diff.right, left[i], false);
  }
  diff.left = without_islands(diff.left);
  diff.right = without_islands(diff.right);
  return diff;
}

}  // namespace fqlab::report
