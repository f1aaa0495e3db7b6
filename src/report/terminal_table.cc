// Aligned text for a terminal; CJK characters are two columns wide.
#include <algorithm>
#include <string_view>

#include "base/utf8.h"
#include "report/sections.h"
#include "report/terminal_width.h"

namespace fqlab {
namespace report {

namespace {

size_t columns_of(char32_t code) {
  const bool wide = (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
                    (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                    (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60) ||
                    code >= 0x1F300;
  return wide ? 2 : 1;
}

/// Bytes of the longest beginning that takes at most so many columns.
size_t bytes_within(std::string_view text, size_t columns) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const Utf8Step step = next_character(text.substr(bytes));
    const size_t width = columns_of(step.character.value_or(U'?'));
    if (width > columns) break;
    columns -= width;
    bytes += step.bytes;
  }
  return bytes;
}

}  // namespace

size_t display_width(const std::string& text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = next_character(std::string_view(text).substr(i));
    width += columns_of(step.character.value_or(U'?'));
    i += step.bytes;
  }
  return width;
}

std::string cut_end(const std::string& text, size_t most) {
  return display_width(text) <= most ? text : text.substr(0, bytes_within(text, most - 1)) + "…";
}

std::string cut_start(const std::string& text, size_t most) {
  const size_t width = display_width(text);
  if (width <= most) return text;
  size_t left_out = bytes_within(text, width - (most - 1));
  if (display_width(text.substr(left_out)) >= most)  // a wide character stands across the border
    left_out += next_character(std::string_view(text).substr(left_out)).bytes;
  return "…" + text.substr(left_out);
}

std::string terminal_text(const Table& table) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : table.columns) lines[0].push_back(column.title);
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<size_t> widths(table.columns.size());
  for (auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(line[i]));
    }
  }
  std::string out;
  for (const auto& line : lines) {
    std::string row;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - display_width(line[i]), ' ');
      row += (i == 0 ? "" : "  ") + (table.columns[i].numeric ? padding + line[i] : line[i] + padding);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + "\n";
  }
  return out;
}

std::string without_marks(std::string text) {
  std::erase_if(text, [](char c) { return c == '`' || c == '*'; });
  return text;
}

}  // namespace report

std::vector<std::string> comparison_reasons(std::span<const Comparison> comparisons, Language language) {
  const report::Text text(language);
  const report::RowNames name(comparisons);
  std::vector<std::string> reasons;
  for (const Comparison& comparison : comparisons) {
    const Verdict overall = comparison.verdicts.overall;
    if (overall == Verdict::kVacuous || overall == Verdict::kIdentical) continue;
    reasons.push_back(name(comparison) + ": " + report::without_marks(report::headline(comparison, text)));
  }
  return reasons;
}

std::vector<std::string> comparison_warnings(std::span<const Comparison> comparisons, Language language) {
  const report::Text text(language);
  std::vector<std::string> sentences;
  for (const Comparison& comparison : comparisons)
    for (const std::string& warning : comparison.warnings)
      if (std::string sentence = text.dynamic("warning.", warning);
          std::ranges::find(sentences, sentence) == sentences.end())
        sentences.push_back(std::move(sentence));
  return sentences;
}

std::string comparison_table(std::span<const Comparison> comparisons, Language language) {
  return report::terminal_text(report::terminal_overview(comparisons, report::Text(language)));
}

}  // namespace fqlab
