// Reading UTF-8 that may be broken: a token can be a piece of a character.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fqlab {

/// One step through a text.
struct Utf8Step {
  std::optional<char32_t> character;  ///< absent: the byte begins no complete, shortest-form character
  size_t bytes = 1;
};
/// The character that begins at text[0]; text is not empty.
Utf8Step next_character(std::string_view text);

/// The text with every byte that is no UTF-8 spelled "<0xE2>", as llama.cpp spells byte tokens.
std::string with_broken_bytes_spelled(std::string_view text);

}  // namespace fqlab
