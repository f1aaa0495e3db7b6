// What several sections share.
#include <filesystem>
#include <set>

#include "report/sections.h"

namespace fqlab::report {

void add_section_heading(int section, Key title, const Text& text, const SectionPlace& place,
                         Document& document) {
  const std::string number = std::to_string(section);
  document.blocks.push_back(Heading{place.level, "section-" + number + place.suffix,
                                    text("section.numbered", {{"n", number}, {"title", text(title)}})});
}

std::vector<SpeedRow> speed_rows(const Comparison& c) {
  return {{"metric.load", "load_ms", c.load_ms, c.verdicts.load},
          {"metric.first_token", "first_token_ms", c.first_token_ms, {}},
          {"metric.cold_load", "cold_load_ms", c.cold_load_ms, {}},
          {"metric.prompt", "prompt_tps", c.prompt_tps, c.verdicts.prompt},
          {"metric.generation", "generation_tps", c.generation_tps, c.verdicts.generation}};
}

std::string variant_name(const Comparison& comparison) {
  if (comparison.recipe) return *comparison.recipe;
  if (comparison.variant_file)
    return std::filesystem::path(comparison.variant_file->path).filename().string();
  return "?";
}

std::string model_and_variant(const Comparison& comparison) {
  return std::filesystem::path(comparison.original.path).stem().string() + " " + variant_name(comparison);
}

bool several_originals(std::span<const Comparison> comparisons) {
  for (const Comparison& c : comparisons) {
    if (c.original.sha256 != comparisons.front().original.sha256) return true;
  }
  return false;
}

std::optional<Interval> shown(const Comparison& comparison, const std::optional<Interval>& interval) {
  return comparison.logits_identical ? std::nullopt : interval;
}

std::string formats_of(const Comparison& comparison, const Text& text) {
  std::set<std::string> formats;
  for (const TensorReport& tensor : comparison.tensors) formats.insert(code(tensor.format));
  return text.list(std::vector<std::string>(formats.begin(), formats.end()));
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
