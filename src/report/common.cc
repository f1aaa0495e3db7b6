// What several sections share.
#include <filesystem>

#include "report/sections.h"

namespace fqlab::report {

void add_section_heading(int section, Key title, const Text& text, const SectionPlace& place,
                         Document& document) {
  const std::string number = std::to_string(section);
  document.blocks.push_back(Heading{place.level, "section-" + number + place.suffix,
                                    text("section.numbered", {{"n", number}, {"title", text(title)}})});
}

std::string variant_name(const Comparison& comparison) {
  if (comparison.recipe) return *comparison.recipe;
  if (comparison.variant_file)
    return std::filesystem::path(comparison.variant_file->path).filename().string();
  return "?";
}

std::optional<Interval> shown(const Comparison& comparison, const std::optional<Interval>& interval) {
  return comparison.logits_identical ? std::nullopt : interval;
}

std::string reason_of(const Comparison& comparison, std::string_view key, std::string_view otherwise) {
  for (const Note& note : comparison.notes) {
    if (note.key == key || (key.starts_with(note.key) && key[note.key.size()] == '.')) return note.reason;
  }
  return std::string(otherwise);
}

std::string shell_quote(std::string_view argument) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(argument);
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string shell_command(std::span<const std::string> arguments) {
  std::string command;
  for (const std::string& argument : arguments)
    command += (command.empty() ? "" : " ") + shell_quote(argument);
  return command;
}

}  // namespace fqlab::report
