// Section 4: both models' answers beside each other.
#include <algorithm>

#include "report/numbers.h"
#include "report/sections.h"
#include "report/word_diff.h"

namespace fqlab::report {
namespace {

SideBySide side_by_side(const DialogueResult& d, const Text& text) {
  WordDiff diff = diff_words(d.original, d.variant);
  return {text("head.original"), text("head.variant"), std::move(diff.left), std::move(diff.right)};
}

void add_dialogue_not_measured(const Comparison& c, const Text& text, Document& document) {
  const std::string reason = reason_of(c, "dialogue", "not_measured");
  document.blocks.push_back(
      Paragraph{text("dialogue.not_measured", {{"reason", text.dynamic("reason.", reason)}})});
  if (reason == "switched_off") document.blocks.push_back(Paragraph{text("dialogue.how_option")});
  if (reason != "not_measured" && reason != "not_measured_yet") return;
  document.blocks.push_back(Paragraph{text("dialogue.how_by_hand")});
  const std::string ask = " --temp 0 -n 64 -st -p 'What is 2+2?'";
  std::string lines;
  std::string variant = "variant.gguf";
  if (c.recipe) {
    lines = "fqlab quantize " + shell_quote(c.original.path) + " --recipe " + shell_quote(*c.recipe) +
            " -o " + variant + "\n";
  } else if (c.variant_file) {
    variant = shell_quote(c.variant_file->path);
  }
  lines +=
      "llama-completion -m " + shell_quote(c.original.path) + ask + "\nllama-completion -m " + variant + ask;
  document.blocks.push_back(Code{lines});
}

}  // namespace

std::string one_line(const std::string& prompt) {
  std::string line = prompt.substr(0, prompt.find('\n'));
  if (line.size() > 80) {
    size_t end = 80;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
    line.resize(end);
  }
  return line.size() == prompt.size() ? line : line + " …";
}

namespace {

bool has_markup(std::string_view text) { return text.find_first_of("`*_<[\\") != std::string_view::npos; }

}  // namespace

bool is_heading(const std::string& prompt) { return one_line(prompt) == prompt && !has_markup(prompt); }

std::string prompt_heading(const std::string& prompt, int number, const Text& text) {
  const std::string line = one_line(prompt);
  return has_markup(line) ? text("dialogue.prompt_numbered", {{"n", std::to_string(number)}})
                          : text("dialogue.prompt", {{"prompt", line}});
}

void add_dialogue(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(4, "section.dialogue", text, place, document);
  auto& blocks = document.blocks;
  if (c.dialogue.empty()) return add_dialogue_not_measured(c, text, document);
  const auto same =
      std::count_if(c.dialogue.begin(), c.dialogue.end(), [](const auto& d) { return d.identical; });
  blocks.push_back(
      Paragraph{text("dialogue.lead", {{"same", count(same)}, {"all", count(c.dialogue.size())}})});
  if (!c.dialogue.front().chat_template) blocks.push_back(Paragraph{text("dialogue.raw_prompt")});
  if (static_cast<size_t>(same) < c.dialogue.size()) blocks.push_back(Paragraph{text("dialogue.marks")});
  add_turns(c, text, document);
  int index = 0;
  for (const DialogueResult& d : c.dialogue) {
    ++index;
    blocks.push_back(Heading{place.level + 1, "prompt-" + std::to_string(index) + place.suffix,
                             prompt_heading(d.prompt, index, text)});
    if (!is_heading(d.prompt)) blocks.push_back(Code{d.prompt});
    std::string line = text("dialogue.identical");
    if (!d.identical && d.first_divergent_token) {
      line =
          text("dialogue.diverges", {{"token", count(static_cast<uint64_t>(*d.first_divergent_token) + 1)}});
    } else if (!d.identical) {
      line.clear();
    }
    if (d.teacher_forced_agreement) {
      line = text.sentences(line,
                            text("dialogue.agreement", {{"fraction", percent(*d.teacher_forced_agreement)}}));
    }
    if (!line.empty()) blocks.push_back(Paragraph{line});
    blocks.push_back(side_by_side(d, text));
  }
}

}  // namespace fqlab::report
