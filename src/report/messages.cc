// Looks messages up and fills their placeholders.
#include "report/messages.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include "report/numbers.h"

namespace fqlab::report {

std::string Text::fill(size_t index, Arguments arguments) const {
  const Message& message = kMessages[index];
  const std::string_view pattern = language_ == Language::kEnglish ? message.english : message.chinese;
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const auto& [name, value] : arguments) store.push_back(fmt::arg(name, value));
  try {
    return fmt::vformat(pattern, store);
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

std::string Text::list(std::span<const std::string> items) const {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += (*this)(i + 1 == items.size() ? Key("list.last") : Key("list.comma"));
    text += items[i];
  }
  return text;
}

}  // namespace fqlab::report
