// A document as Markdown (CommonMark with pipe tables).
#include <algorithm>

#include "report/document.h"
#include "report/messages.h"

namespace fqlab::report {
namespace {

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|')
      out += "\\|";
    else if (c == '\n')
      out += ' ';
    else
      out += c;
  }
  return out;
}

// A fence longer than any run of backticks inside.
std::string fenced(const std::string& text) {
  size_t longest = 0, run = 0;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(std::max<size_t>(3, longest + 1), '`');
  return fence + "\n" + text + (text.ends_with('\n') ? "" : "\n") + fence + "\n\n";
}

std::string marked(const std::vector<TextPiece>& pieces) {
  std::string text;
  for (const TextPiece& piece : pieces) text += piece.differs ? "⟦" + piece.text + "⟧" : piece.text;
  return text;
}

struct MarkdownRenderer {
  std::string& out;

  void operator()(const Heading& heading) {
    out += std::string(heading.level, '#') + " " + heading.text + "\n\n";
  }
  void operator()(const Paragraph& paragraph) { out += paragraph.text + "\n\n"; }
  void operator()(const Callout& callout) { out += "> " + callout.text + "\n\n"; }
  void operator()(const Bullets& bullets) {
    for (const std::string& item : bullets.items) out += "- " + item + "\n";
    out += "\n";
  }
  void operator()(const Code& code) { out += fenced(code.text); }
  void operator()(const Table& table) {
    if (!table.caption.empty()) out += "**" + table.caption + "**\n\n";
    for (const Column& column : table.columns) out += "| " + cell(column.title) + " ";
    out += "|\n";
    for (const Column& column : table.columns) out += column.numeric ? "|---:" : "|---";
    out += "|\n";
    for (const auto& row : table.rows) {
      for (const std::string& text : row) out += "| " + cell(text) + " ";
      out += "|\n";
    }
    out += "\n";
  }
  void operator()(const Figure& figure) {
    Table data = figure.data;
    data.caption = figure.caption;
    (*this)(data);
  }
  void operator()(const SideBySide& answers) {
    out += answers.left_title + "\n\n" + fenced(marked(answers.left));
    out += answers.right_title + "\n\n" + fenced(marked(answers.right));
  }
};

}  // namespace

std::string render_markdown(const Document& document) {
  std::string out = "# " + document.title + "\n\n";
  for (const Block& block : document.blocks) std::visit(MarkdownRenderer{out}, block);
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

}  // namespace fqlab::report
