// Sections 5 and 8: speed of the files, and how to run it all again.

#include "report/figures.h"
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

void add_speed_not_measured(const Comparison& c, const Text& text, Document& document) {
  const std::string reason = reason_of(c, "speed.load_ms", "not_measured");
  document.blocks.push_back(
      Paragraph{text("performance.not_measured", {{"reason", text.dynamic("reason.", reason)}})});
  if (const Note* note = note_of(c, "speed.load_ms"); note != nullptr && !note->detail.empty())
    document.blocks.push_back(Code{note->detail});
  if (reason == "several_recipes") document.blocks.push_back(Paragraph{text("performance.how_one_recipe")});
  if (reason == "switched_off") document.blocks.push_back(Paragraph{text("performance.how_option")});
  if (reason != "not_measured" && reason != "not_measured_yet") return;
  document.blocks.push_back(Paragraph{text("performance.how_by_hand")});
  const std::string variant = c.variant_file ? shell_quote(c.variant_file->path) : "variant.gguf";
  document.blocks.push_back(Code{"llama-bench -m " + shell_quote(c.original.path) + " -m " + variant +
                                 " -t " + std::to_string(c.settings.threads)});
}

Table blocks_table(const Comparison& c, const Text& text) {
  Table table{text("figure.speed"),
              {{text("head.metric")},
               {text("figure.block"), true},
               {text("head.control")},
               {text("figure.ratio"), true}},
              {}};
  for (const SpeedRow& row : speed_rows(c)) {
    if (!row.result) continue;
    for (size_t i = 0; i < row.result->blocks.size(); ++i) {
      const SpeedBlockRatio& block = row.result->blocks[i];
      table.rows.push_back({text(row.metric), count(i + 1),
                            text(block.aa ? Key("figure.aa") : Key("figure.ab")), number(block.ratio)});
    }
  }
  return table;
}

}  // namespace

void add_performance(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(5, "section.performance", text, place, document);
  if (c.recipe && !c.tensors.empty()) {
    document.blocks.push_back(Paragraph{text("performance.no_meaning", {{"formats", formats_of(c, text)}})});
  }
  if (!c.load_ms && !c.prompt_tps && !c.generation_tps) return add_speed_not_measured(c, text, document);
  document.blocks.push_back(Paragraph{text("performance.lead")});
  Table table{text("performance.table"),
              {{text("head.metric")},
               {text("head.original"), true},
               {text("head.variant"), true},
               {text("performance.ratio"), true},
               {text("performance.aa"), true},
               {text("head.verdict")}},
              {}};
  for (const SpeedRow& row : speed_rows(c)) {
    if (!row.result) continue;
    const SpeedResult& speed = *row.result;
    table.rows.push_back({text(row.metric), number(speed.original), number(speed.variant),
                          estimate(speed.ratio, speed.interval),
                          speed.aa_interval ? interval_text(*speed.aa_interval) : text("none"),
                          row.verdict ? text.verdict(*row.verdict) : text("none")});
  }
  document.blocks.push_back(std::move(table));
  for (const SpeedRow& row : speed_rows(c)) {
    if (row.verdict != Verdict::kDifferent || !row.result || !row.result->interval ||
        !row.result->aa_interval)
      continue;
    const Interval &effect = *row.result->interval, &noise = *row.result->aa_interval;
    if (effect.low <= noise.high && noise.low <= effect.high) {
      document.blocks.push_back(Callout{
          true,
          text("summary.warning", {{"text", text("performance.noisy", {{"metric", text(row.metric)}})}})});
    }
  }
  if (std::string svg = speed_figure(c, text); !svg.empty()) {
    document.blocks.push_back(Figure{text("figure.speed"), std::move(svg), blocks_table(c, text)});
  }
}

void add_reproduce(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(8, "section.reproduce", text, place, document);
  document.blocks.push_back(Paragraph{text("reproduce.lead")});
  if (!c.command.empty()) document.blocks.push_back(Code{shell_command(c.command)});
  const Environment& e = c.environment;
  Table table{text("reproduce.table"), {{text("head.setting")}, {text("head.value")}}, {}};
  table.rows = {{text("reproduce.created"), c.created},
                {text("reproduce.version"), c.fqlab_version},
                {text("reproduce.engine"), c.engine_version},
                {text("reproduce.cpu"), e.cpu},
                {text("reproduce.isa"), e.isa},
                {text("reproduce.hardware_threads"), count(e.threads)},
                {text("reproduce.memory"), byte_size(e.memory_bytes)},
                {text("reproduce.os"), e.os},
                {text("reproduce.compiler"), e.compiler},
                {text("setting.seed"), std::to_string(c.settings.seed)},
                {text("reproduce.original_hash"), code(c.original.sha256)}};
  if (c.variant_file) table.rows.push_back({text("reproduce.variant_hash"), code(c.variant_file->sha256)});
  table.rows.push_back({text("setting.corpus_hash"), code(c.settings.corpus.sha256)});
  document.blocks.push_back(std::move(table));
}

}  // namespace fqlab::report
