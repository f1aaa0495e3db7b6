#include "plan/plan_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/text.h"

namespace fqlab {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 32 || c == 127; }

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

/// Takes one escape, after its backslash, off the front of `text`.
Result<char> read_escape(std::string_view& text) {
  if (text.starts_with('"') || text.starts_with('\\')) {
    const char c = text.front();
    text.remove_prefix(1);
    return c;
  }
  unsigned byte = 0;
  if (text.size() >= 3 && text.front() == 'x') {
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
    if (error == std::errc() && end == text.data() + 3) {
      text.remove_prefix(3);
      return static_cast<char>(byte);
    }
  }
  return fail(ErrorCode::kInput, "a backslash in a quoted text begins nothing that is known", "",
              "write \\\\ for a backslash, \\\" for a quote, \\xHH for another byte");
}

/// Takes a quoted text off the front of `text`, which begins with its quote.
Result<std::string> read_quoted(std::string_view& text) {
  std::string out;
  text.remove_prefix(1);
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    const Result<char> escaped = read_escape(text);
    if (!escaped) return tl::unexpected(escaped.error());
    out += *escaped;
  }
  return fail(ErrorCode::kInput, "a quoted text does not end", "", "close it with \"");
}

/// Takes a word up to one of `ends`, or a quoted one, and the blanks around it.
Result<std::string> read_word(std::string_view& text, std::string_view ends) {
  skip_blanks(text);
  if (text.starts_with('"')) {
    Result<std::string> word = read_quoted(text);
    skip_blanks(text);
    if (word && !text.empty() && ends.find(text.front()) == ends.npos)
      return fail(ErrorCode::kInput, "something stands after a quoted text", "",
                  "write \\\" for a quote inside");
    return word;
  }
  std::string_view word = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(word.size());
  while (!word.empty() && is_blank(word.back())) word.remove_suffix(1);
  return std::string(word);
}

}  // namespace

Result<PlanLine> split_plan_line(std::string_view line) {
  PlanLine parts;
  skip_blanks(line);
  if (!line.empty() && line.front() != '#') {
    parts.empty = false;
    Result<std::string> name = read_word(line, "=#");
    if (!name) return tl::unexpected(name.error());
    parts.name = std::move(*name);
    if (line.starts_with('=')) {
      line.remove_prefix(1);
      Result<std::string> value = read_word(line, "#");
      if (!value) return tl::unexpected(value.error());
      parts.value = std::move(*value);
    }
  }
  if (line.starts_with('#')) {
    line.remove_prefix(1);
    skip_blanks(line);
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    parts.comment = line;
  }
  return parts;
}

std::string plan_word(std::string_view text) {
  const auto misread = [](char c) {
    return is_control(c) || std::string_view("\"\\#=[]").find(c) != std::string_view::npos;
  };
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || std::ranges::any_of(text, misread))
    return quoted(text);
  return std::string(text);
}

std::string shown(std::string_view text) {
  constexpr size_t kMost = 60;
  return quoted(text.substr(0, kMost)) + (text.size() > kMost ? "..." : "");
}

}  // namespace fqlab
