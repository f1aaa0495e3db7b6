// A document as one self-contained HTML page: no script, no request, readable without colour.
#include <algorithm>

#include "report/document.h"
#include "report/html_style.h"
#include "report/messages.h"
#include "report/svg.h"

namespace fqlab::report {
namespace {

// Length of a number such as 5.9e-5 that begins at `at`, which a browser would break after its hyphen; 0 for
// anything else.
size_t tiny_number(std::string_view text, size_t at) {
  const auto digits = [&](size_t from) {
    size_t end = from;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    return end;
  };
  size_t end = digits(at);
  if (end == at) return 0;
  if (end < text.size() && text[end] == '.') end = digits(end + 1);
  if (text.substr(end, 2) != "e-") return 0;
  const size_t last = digits(end + 2);
  return last == end + 2 ? 0 : last - at;
}

// `code` and **strong** of an escaped text. Code stays on its line unless it is long.
std::string inline_html(std::string_view text) {
  constexpr size_t kLong = 28;
  const std::string escaped = escape_html(text);
  std::string out;
  bool code = false, strong = false;
  for (size_t i = 0; i < escaped.size(); ++i) {
    const size_t end = escaped[i] == '`' ? escaped.find('`', i + 1) : std::string::npos;
    if (escaped[i] == '`' && (code || end != std::string::npos)) {
      out += code ? "</code>" : end - i > kLong ? "<code class=\"long\">" : "<code>";
      code = !code;
    } else if (!code && escaped.compare(i, 2, "**") == 0 &&
               (strong || escaped.find("**", i + 2) != std::string::npos)) {
      out += strong ? "</strong>" : "<strong>";
      strong = !strong;
      ++i;
    } else if (const size_t length = code ? 0 : tiny_number(escaped, i); length > 0) {
      out.append("<span class=\"tiny\">").append(escaped, i, length).append("</span>");
      i += length - 1;
    } else {
      out += escaped[i];
    }
  }
  if (code) out += "</code>";
  if (strong) out += "</strong>";
  return out;
}

struct HtmlRenderer {
  std::string& out;
  const Text& text;

  // Cells that are a verdict get its badge; the sign before the word says the same without colour.
  std::string cell(const std::string& content) const {
    for (const Verdict verdict : {Verdict::kIdentical, Verdict::kVacuous, Verdict::kEquivalent,
                                  Verdict::kDifferent, Verdict::kInconclusive}) {
      if (content == text.verdict(verdict)) {
        return std::string("<span class=\"badge ").append(name(verdict)) + "\">" + escape_html(content) +
               "</span>";
      }
    }
    const bool is_hash = content.size() == 66 && content.front() == '`' && content.back() == '`';  // sha256
    if (is_hash)
      return "<code class=\"hash\">" + escape_html(std::string_view(content).substr(1, 64)) + "</code>";
    return inline_html(content);
  }

  void operator()(const Heading& heading) {
    const std::string tag = "h" + std::to_string(std::min(heading.level, 6));
    out += "<" + tag + " id=\"" + escape_html(heading.id) + "\">" + inline_html(heading.text) + "</" + tag +
           ">\n";
  }
  void operator()(const Paragraph& paragraph) { out += "<p>" + inline_html(paragraph.text) + "</p>\n"; }
  void operator()(const Callout& callout) {
    const std::string style = callout.verdict   ? std::string("verdict ").append(name(*callout.verdict))
                              : callout.warning ? "warning"
                                                : "";
    out += "<div class=\"callout " + style + "\"><p>" + inline_html(callout.text) + "</p></div>\n";
  }
  void operator()(const Bullets& bullets) {
    out += "<ul>\n";
    for (const std::string& item : bullets.items) out += "<li>" + inline_html(item) + "</li>\n";
    out += "</ul>\n";
  }
  void operator()(const Code& code) {
    out += "<pre tabindex=\"0\" role=\"group\" aria-label=\"" + escape_html(text("html.command")) + "\">" +
           escape_html(code.text) + "</pre>\n";
  }
  // Tables of three columns and more become a block a row on narrow screens (style sheet); explicit roles
  // keep them tables to a screen reader although their display changes.
  void operator()(const Table& table) {
    const bool wide = table.columns.size() >= 3;
    const auto role = [&](const char* name) {
      return wide ? std::string(" role=\"") + name + "\"" : std::string();
    };
    out += "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"" + escape_html(table.caption) +
           "\"><table" + (wide ? " class=\"wide\"" : "") + role("table") + ">\n";
    if (!table.caption.empty()) out += "<caption>" + inline_html(table.caption) + "</caption>\n";
    out += "<thead" + role("rowgroup") + "><tr" + role("row") + ">";
    for (const Column& column : table.columns) {
      out += "<th scope=\"col\"" + role("columnheader") + (column.numeric ? " class=\"n\"" : "") + ">" +
             inline_html(column.title) + "</th>";
    }
    out += "</tr></thead>\n<tbody" + role("rowgroup") + ">\n";
    for (const auto& row : table.rows) {
      out += "<tr" + role("row") + ">";
      for (size_t i = 0; i < row.size(); ++i) table_cell(table, row[i], i, wide);
      out += "</tr>\n";
    }
    out += "</tbody></table></div>\n";
  }
  void table_cell(const Table& table, const std::string& content, size_t i, bool wide) {
    const Column column = i < table.columns.size() ? table.columns[i] : Column{};
    std::string style = column.numeric ? "n" : "";
    if (content == text("none")) style += style.empty() ? "none" : " none";
    std::string attributes = style.empty() ? "" : " class=\"" + style + "\"";
    if (i == 0) {
      if (wide) attributes += " role=\"rowheader\"";
      out += "<th scope=\"row\"" + attributes + ">" + cell(content) + "</th>";
      return;
    }
    if (wide) attributes += " role=\"cell\" data-label=\"" + escape_html(column.title) + "\"";
    out += "<td" + attributes + ">" + (wide ? "<span>" + cell(content) + "</span>" : cell(content)) + "</td>";
  }
  void operator()(const Figure& figure) {
    if (figure.svg.empty()) return (*this)(figure.data);
    out += "<figure><figcaption>" + inline_html(figure.caption) +
           "</figcaption>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"" +
           escape_html(figure.caption) + "\">" + figure.svg + "</div>\n<details><summary>" +
           escape_html(text("html.data")) + "</summary>\n";
    (*this)(figure.data);
    out += "</details></figure>\n";
  }
  void operator()(const SideBySide& answers) {
    const auto side = [&](const std::string& title, const std::vector<TextPiece>& pieces) {
      out += "<div><p class=\"who\">" + escape_html(title) + "</p><p>";
      for (const TextPiece& piece : pieces) {
        out += piece.differs ? "<mark>" + escape_html(piece.text) + "</mark>" : escape_html(piece.text);
      }
      out += "</p></div>\n";
    };
    out += "<div class=\"pair\">\n";
    side(answers.left_title, answers.left);
    side(answers.right_title, answers.right);
    out += "</div>\n";
  }
};

std::string contents(const Document& document, const Text& text) {
  std::string out = "<nav aria-label=\"" + escape_html(text("html.contents")) + "\"><ol>\n";
  for (const Block& block : document.blocks) {
    const auto* heading = std::get_if<Heading>(&block);
    if (heading && heading->level == 2)
      out +=
          "<li><a href=\"#" + escape_html(heading->id) + "\">" + inline_html(heading->text) + "</a></li>\n";
  }
  return out + "</ol></nav>\n";
}

}  // namespace

std::string render_html(const Document& document) {
  const Text text(document.language);
  const char* tag = document.language == Language::kEnglish ? "en" : "zh-Hant-TW";
  const std::string title = escape_html(document.title);
  std::string out = std::string("<!DOCTYPE html>\n<html lang=\"") + tag +
                    "\">\n<head>\n<meta charset=\"utf-8\">\n" +
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
                    title + "</title>\n" + "<link rel=\"icon\" href=\"data:,\">\n<style>" + kStyleSheet +
                    "</style>\n</head>\n<body>\n" + "<a class=\"skip\" href=\"#report\">" +
                    escape_html(text("html.skip")) + "</a>\n<header><h1>" + title + "</h1>\n" +
                    contents(document, text) + "</header>\n<main id=\"report\">\n";
  for (const Block& block : document.blocks) std::visit(HtmlRenderer{out, text}, block);
  return out + "</main>\n<footer><p>" +
         inline_html(document.footer.empty() ? text("html.footer", {{"version", FQLAB_VERSION}})
                                             : document.footer) +
         "</p></footer>\n</body>\n</html>\n";
}

}  // namespace fqlab::report
