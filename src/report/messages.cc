// Looks messages up and fills their placeholders.
#include "report/messages.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include "report/numbers.h"

namespace fqlab::report {
namespace {

constexpr char kEdge =
    '\x1f';  // stands around filled-in values until the spacing is settled; no text holds it

// Han characters are U+3400 to U+9FFF: three bytes, the first from E3 to E9, and not of the punctuation block
// U+30xx.
bool ends_in_han(std::string_view text) {
  if (text.size() < 3) return false;
  const auto lead = static_cast<unsigned char>(text[text.size() - 3]);
  return lead >= 0xE4 && lead <= 0xE9;
}
bool starts_with_han(std::string_view text) {
  return text.size() >= 3 && static_cast<unsigned char>(text[0]) >= 0xE4 &&
         static_cast<unsigned char>(text[0]) <= 0xE9;
}
bool is_latin(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '`' || c == '+' ||
         c == '-' || c == '%' || c == ']';
}

// Chinese sets a space between Han characters and Latin letters, digits and code: here at the edges of
// values.
std::string space_edges(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != kEdge) {
      out += text[i];
      continue;
    }
    size_t next = i + 1;
    while (next < text.size() && text[next] == kEdge) ++next;
    const std::string_view rest = text.substr(next);
    if (!out.empty() && !rest.empty()) {
      if ((ends_in_han(out) && is_latin(rest.front())) || (is_latin(out.back()) && starts_with_han(rest)))
        out += ' ';
    }
    i = next - 1;
  }
  return out;
}

}  // namespace

std::string Text::fill(size_t index, Arguments arguments) const {
  const Message& message = kMessages[index];
  const std::string_view pattern = language_ == Language::kEnglish ? message.english : message.chinese;
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const auto& [name, value] : arguments) store.push_back(fmt::arg(name, kEdge + value + kEdge));
  try {
    return space_edges(fmt::vformat(pattern, store));
  } catch (
      const fmt::format_error&) {  // only a bug leaves a placeholder without a value; a test looks for braces
    return std::string(pattern);
  }
}

std::string Text::dynamic(std::string_view prefix, std::string_view key) const {
  const size_t index = index_of(std::string(prefix) + std::string(key));
  return index == kMessageCount ? std::string(key) : fill(index, {});
}

std::string Text::verdict(Verdict verdict) const {
  switch (verdict) {
    case Verdict::kIdentical:
      return (*this)("verdict.identical");
    case Verdict::kVacuous:
      return (*this)("verdict.vacuous");
    case Verdict::kEquivalent:
      return (*this)("verdict.equivalent");
    case Verdict::kDifferent:
      return (*this)("verdict.different");
    case Verdict::kInconclusive:
      break;
  }
  return (*this)("verdict.inconclusive");
}

std::string Text::plural(uint64_t n, Key one, Key many) const {
  return (*this)(n == 1 ? one : many, {{"n", count(n)}});
}

std::string Text::sentences(std::string first, std::string_view second) const {
  const size_t start = first.size();
  if (!first.empty() && !second.empty() && language_ == Language::kEnglish) first += ' ';
  first.append(second);
  if (start > 0 && start + 1 < first.size() && first[start] == ' ' && first[start + 1] >= 'a' &&
      first[start + 1] <= 'z') {
    first[start + 1] = static_cast<char>(first[start + 1] - 'a' + 'A');
  }
  return first;
}

std::string Text::list(std::span<const std::string> items) const {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += (*this)(i + 1 == items.size() ? Key("list.last") : Key("list.comma"));
    text += kEdge + items[i] + kEdge;
  }
  return space_edges(text);
}

}  // namespace fqlab::report
