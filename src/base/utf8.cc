#include "base/utf8.h"

#include <fmt/format.h>

namespace fqlab {

Utf8Step next_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  char32_t character = lead & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    character = character << 6 | (byte(i) & 0x3Fu);
  }
  constexpr char32_t kLeast[5] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xD800 && character < 0xE000;
  if (character < kLeast[bytes] || surrogate || character > 0x10FFFF) return {};
  return {character, bytes};
}

std::string with_broken_bytes_spelled(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = next_character(text.substr(i));
    out += step.character ? std::string(text.substr(i, step.bytes))
                          : fmt::format("<0x{:02X}>", static_cast<unsigned char>(text[i]));
    i += step.bytes;
  }
  return out;
}

}  // namespace fqlab
