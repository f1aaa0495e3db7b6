// The sections of a report, each appended to a document. Pure functions of what was measured.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "report/document.h"
#include "report/messages.h"

namespace fqlab::report {

/// The verdict in one to three sentences, computed from the verdicts, never fixed text.
std::string verdict_sentence(const Comparison& comparison, const Text& text);

/// How many chunks more would decide everything that is open, by `power`, rounded up to two digits; where a
/// report has no `power`, when intervals shrink with the root of the number of chunks. Absent where nothing
/// is open, or where no reasonable number (below 100,000) would do.
std::optional<int> chunks_to_decide(const Comparison& comparison);

/// Rounded up to two digits, as befits an estimate.
int64_t two_digits(int64_t more);

/// Part of section 4: KL divergence and agreement of every turn, and over conversations.
void add_turns(const Comparison& comparison, const Text& text, Document& document);

/// One row a comparison.
Table overview_table(std::span<const Comparison> comparisons, const Text& text);

/// The same with one interval only, so that it fits a terminal of 120 columns.
Table terminal_overview(std::span<const Comparison> comparisons, const Text& text);

/// The overall verdict in a sentence, with the quantities and margins that it comes from.
std::string headline(const Comparison& comparison, const Text& text);

/// Sections 1 to 8 of one comparison; headings at `level`, ids ending in `suffix`.
struct SectionPlace {
  int level = 2;
  std::string suffix;
};
void add_summary(const Comparison& comparison, const Text& text, const SectionPlace& place,
                 Document& document);
void add_changes(const Comparison& comparison, const Text& text, const SectionPlace& place,
                 Document& document);
void add_divergence(const Comparison& comparison, const Text& text, const SectionPlace& place,
                    Document& document);
/// Further tables of section 3: several corpora, certainty, token classes and worst positions, the KLD table.
void add_positions(const Comparison& comparison, const Text& text, const SectionPlace& place,
                   Document& document);
void add_dialogue(const Comparison& comparison, const Text& text, const SectionPlace& place,
                  Document& document);
void add_performance(const Comparison& comparison, const Text& text, const SectionPlace& place,
                     Document& document);
void add_conclusions(const Comparison& comparison, const Text& text, const SectionPlace& place,
                     Document& document);
void add_next(const Comparison& comparison, const Text& text, const SectionPlace& place, Document& document);
void add_reproduce(const Comparison& comparison, const Text& text, const SectionPlace& place,
                   Document& document);

/// The whole report of one or several comparisons.
Document build_document(std::span<const Comparison> comparisons, Language language);

/// "N. TITLE" with an id; the section's number is part of report.md's contract.
void add_section_heading(int section, Key title, const Text& text, const SectionPlace& place,
                         Document& document);

/// Every speed of a comparison in the order of the tables; results and verdicts may be absent.
struct SpeedRow {
  Key metric;
  const char* key;  ///< in report.json, below "speed"
  const std::optional<SpeedResult>& result;
  std::optional<Verdict> verdict;
};
std::vector<SpeedRow> speed_rows(const Comparison& comparison);

/// What a variant is called: its recipe or its file's name.
std::string variant_name(const Comparison& comparison);
/// "wikitext-2" of a text file or a folder of that name; the names of several texts joined with a plus sign.
std::string text_name(const Comparison& comparison);
/// What each of several comparisons is called beside the others: the variant's name, after the original's
/// where they differ, before the text's where these do.
struct RowNames {
  explicit RowNames(std::span<const Comparison> comparisons);
  std::string operator()(const Comparison& comparison) const;
  bool several_originals = false, several_texts = false;
};

/// The interval, or none where every logit is equal: an exact result carries no sign of noise.
std::optional<Interval> shown(const Comparison& comparison, const std::optional<Interval>& interval);

/// The prompt up to its first line break or about 80 bytes, cut between characters: a heading holds one line.
std::string one_line(const std::string& prompt);

/// Whether a prompt may stand in a heading: one short line without signs of Markdown.
bool is_heading(const std::string& prompt);
/// "Prompt: PROMPT"; of one with signs of Markdown, which a heading would interpret, its number instead.
std::string prompt_heading(const std::string& prompt, int number, const Text& text);

/// The formats of the changed tensors, as a list in the text's language.
std::string formats_of(const Comparison& comparison, const Text& text);

/// The note for `key` of report.json, or for what holds it; null where there is none.
const Note* note_of(const Comparison& comparison, std::string_view key);
/// Its reason, or `otherwise`.
std::string reason_of(const Comparison& comparison, std::string_view key, std::string_view otherwise);

/// The argument as a POSIX shell reads it back; unchanged where no quoting is needed.
std::string shell_quote(std::string_view argument);
std::string shell_command(std::span<const std::string> arguments);

}  // namespace fqlab::report
