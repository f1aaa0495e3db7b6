#include "report/visible.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace fqlab::report {
namespace {

bool is_invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || (c >= 0x2000 && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202F) || (c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0xFEFF;
}

}  // namespace

std::string visible(std::string_view text) {
  if (text.empty()) return "∅";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = next_character(text.substr(i));
    const bool at_an_end = i == 0 || i + step.bytes == text.size();
    if (!step.character) {
      out += fmt::format("<0x{:02X}>", static_cast<unsigned char>(text[i]));
    } else if (*step.character == ' ' && at_an_end) {
      out += "␣";
    } else if (*step.character == '\n') {
      out += "\\n";
    } else if (*step.character == '\t') {
      out += "\\t";
    } else if (*step.character == '`') {
      out += "ˋ";
    } else if (is_invisible(*step.character)) {
      out += fmt::format("\\u{{{:X}}}", static_cast<uint32_t>(*step.character));
    } else {
      out += text.substr(i, step.bytes);
    }
    i += step.bytes;
  }
  return "`" + out + "`";
}

}  // namespace fqlab::report
