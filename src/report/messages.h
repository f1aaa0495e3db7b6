// The words of a report: message catalogues in English and Traditional Chinese (Taiwan), looked up by key.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "fqlab/report.h"
#include "report/catalogue.h"

namespace fqlab::report {

/// A key that the catalogue is known to hold: a misspelled literal does not compile.
class Key {
 public:
  consteval Key(const char* text) : index_(index_of(text)) {  // NOLINT: implicit on purpose
    if (index_ == kMessageCount) throw "no such key in catalogue.h";
  }
  constexpr size_t index() const { return index_; }

 private:
  size_t index_;
};

/// Values of a message's named placeholders, formatted already.
using Arguments = std::initializer_list<std::pair<const char*, std::string>>;

/// Speaks one language.
class Text {
 public:
  explicit Text(Language language) : language_(language) {}
  Language language() const { return language_; }

  std::string operator()(Key key, Arguments arguments = {}) const { return fill(key.index(), arguments); }

  /// The message `prefix` + `key` of data that came from elsewhere (a note's reason); `key` itself where
  /// there is none.
  std::string dynamic(std::string_view prefix, std::string_view key) const;

  /// "identical", in words of the language, with a sign before it so that it is told by more than colour.
  std::string verdict(Verdict verdict) const;

  /// "1 chunk", "16 chunks": `one` and `many` are messages with a placeholder n.
  std::string plural(uint64_t n, Key one, Key many) const;

  /// Two sentences one after the other, either of which may be empty; the second begins with a capital
  /// letter.
  std::string sentences(std::string first, std::string_view second) const;

  /// "a, b and c" in the language's way.
  std::string list(std::span<const std::string> items) const;

 private:
  std::string fill(size_t index, Arguments arguments) const;
  Language language_;
};

}  // namespace fqlab::report
