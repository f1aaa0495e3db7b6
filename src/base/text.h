// Small helpers for texts that people write: recipes, specs, names of types.
#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace fqlab {

inline bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

inline std::string without_blanks(std::string_view text) {
  std::string out;
  std::ranges::copy_if(text, std::back_inserter(out), [](char c) { return !is_blank(c); });
  return out;
}

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Of ASCII letters.
inline std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// The pieces between separators; one empty piece for an empty text.
inline std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (c == separator) {
      pieces.emplace_back();
    } else {
      pieces.back() += c;
    }
  }
  return pieces;
}

/// The last name of a path, also of a folder's with a slash at its end.
inline std::string file_name_of(const std::filesystem::path& path) {
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// Number of characters of a `re:/REGEX/` at the start of `text`, closing slash included; 0 where there is
/// none or it is not closed. `\/` does not close it.
inline size_t regex_length(std::string_view text) {
  constexpr std::string_view kStart = "re:/";
  if (!text.starts_with(kStart)) return 0;
  for (size_t i = kStart.size(); i < text.size(); ++i) {
    if (text[i] == '/') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return 0;
}

}  // namespace fqlab
