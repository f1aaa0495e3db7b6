// What several sections share.
#include <filesystem>
#include <set>

#include "base/text.h"
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

std::string text_name(const Comparison& comparison) {
  std::string joined;
  for (const CorpusResult& corpus : comparison.corpora) joined += (joined.empty() ? "" : "+") + corpus.name;
  if (!joined.empty()) return joined;
  return std::filesystem::path(file_name_of(comparison.settings.corpus.path)).stem().string();
}

RowNames::RowNames(std::span<const Comparison> comparisons) {
  for (const Comparison& c : comparisons) {
    const Comparison& first = comparisons.front();
    several_originals = several_originals || c.original.sha256 != first.original.sha256;
    several_texts = several_texts || c.settings.corpus.sha256 != first.settings.corpus.sha256;
  }
}

std::string RowNames::operator()(const Comparison& comparison) const {
  const std::string original =
      several_originals ? std::filesystem::path(comparison.original.path).stem().string() + " " : "";
  return original + variant_name(comparison) + (several_texts ? " (" + text_name(comparison) + ")" : "");
}

std::optional<Interval> shown(const Comparison& comparison, const std::optional<Interval>& interval) {
  return comparison.logits_identical ? std::nullopt : interval;
}

std::string formats_of(const Comparison& comparison, const Text& text) {
  std::set<std::string> formats;
  for (const TensorReport& tensor : comparison.tensors) formats.insert(code(tensor.format));
  return text.list(std::vector<std::string>(formats.begin(), formats.end()));
}

const Note* note_of(const Comparison& comparison, std::string_view key) {
  for (const Note& note : comparison.notes) {
    if (note.key == key || (key.starts_with(note.key) && key[note.key.size()] == '.')) return &note;
  }
  return nullptr;
}

std::string reason_of(const Comparison& comparison, std::string_view key, std::string_view otherwise) {
  const Note* note = note_of(comparison, key);
  return note != nullptr ? note->reason : std::string(otherwise);
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
