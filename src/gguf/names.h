// Rules for keys and tensor names, shared by reader and writer.
#pragma once

#include <string>
#include <string_view>

namespace fqlab {

/// Longest tensor name, in bytes: ggml keeps 64 with the closing zero.
constexpr size_t kLongestTensorName = 63;
/// Longest metadata key, by GGUF's specification.
constexpr size_t kLongestKey = 65535;

/// What is wrong with a key or tensor name, or "".
inline std::string name_problem(std::string_view name, size_t longest) {
  if (name.empty()) return "an empty name";
  if (name.size() > longest)
    return "a name of " + std::to_string(name.size()) + " bytes; the longest allowed is " +
           std::to_string(longest);
  if (name.find('\0') != name.npos) return "a name with a zero byte inside";
  return {};
}

/// The name between quotes for an error message, with control characters as '?' and cut after 80 bytes.
inline std::string in_quotes(std::string_view name) {
  std::string text(name.substr(0, 80));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return "'" + text + (name.size() > 80 ? "...'" : "'");
}

/// An ECMAScript expression that finds this tensor name and no other, also after llama-quantize made its
/// letters small; without blanks and '='.
inline std::string exact_pattern(std::string_view name) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyz0123456789_-", kHex = "0123456789abcdef";
  std::string pattern = "^";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != kPlain.npos || byte >= 0x80) {
      pattern += c;
    } else if (c == '.') {
      pattern += "\\.";
    } else {
      pattern += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return pattern + "$";
}

}  // namespace fqlab
