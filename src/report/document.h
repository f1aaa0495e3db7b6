// A report as a list of blocks, built once and rendered as Markdown or HTML.
// Texts may hold `code` and **strong** in Markdown's spelling; everything else in them is plain.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "fqlab/report.h"

namespace fqlab::report {

/// `content` as code in a text.
inline std::string code(const std::string& content) { return "`" + content + "`"; }

struct Heading {
  int level = 2;
  std::string id;  ///< unique within the document, for links
  std::string text;
};

struct Paragraph {
  std::string text;
};

/// A sentence that must not be missed: the verdict of a comparison, or a warning.
struct Callout {
  bool warning = false;
  std::string text;
  std::optional<Verdict> verdict = {};  ///< gives the callout its sign and colour
};

struct Bullets {
  std::vector<std::string> items;
};

/// A command or a text that keeps its line breaks.
struct Code {
  std::string text;
};

struct Column {
  std::string title;
  bool numeric = false;
};

struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

/// A picture for HTML with the numbers behind it; Markdown shows the numbers.
struct Figure {
  std::string caption;
  std::string svg;
  Table data;
};

/// Two answers beside each other; the pieces alternate between common and differing text.
struct TextPiece {
  std::string text;
  bool differs = false;
};
struct SideBySide {
  std::string left_title, right_title;
  std::vector<TextPiece> left, right;
};

using Block = std::variant<Heading, Paragraph, Callout, Bullets, Code, Table, Figure, SideBySide>;

struct Document {
  Language language = Language::kEnglish;
  std::string title;
  std::vector<Block> blocks;
  std::string footer = {};  ///< of the web page; empty: that of a comparison
};

std::string render_markdown(const Document& document);
std::string render_html(const Document& document);

}  // namespace fqlab::report
