// The public functions of report.h: which sections a report has, and where it is written.
#include "fqlab/report.h"

#include <algorithm>
#include <filesystem>

#include "report/figures.h"
#include "report/numbers.h"
#include "report/report_files.h"
#include "report/sections.h"

namespace fqlab {
namespace report {
namespace {

void add_sections(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_summary(c, text, place, document);
  add_changes(c, text, place, document);
  add_divergence(c, text, place, document);
  add_positions(c, text, place, document);
  add_dialogue(c, text, place, document);
  add_performance(c, text, place, document);
  add_conclusions(c, text, place, document);
  add_next(c, text, place, document);
  add_reproduce(c, text, place, document);
}

// The forest plot's numbers, largest KL divergence first.
Table ranking_table(std::span<const Comparison* const> ranked, const RowNames& name, const Text& text) {
  Table table{text("figure.forest"),
              {{text("head.recipe")},
               {text("head.kl_nats"), true},
               {text("head.floor"), true},
               {text("head.verdict")}},
              {}};
  for (const Comparison* c : ranked) {
    const auto& floor = c->kl.noise_floor;
    table.rows.push_back({code(name(*c)), kl_estimate(c->kl.mean, shown(*c, c->kl.interval)),
                          floor ? estimate(floor->value, floor->interval) : text("none"),
                          text.verdict(c->verdicts.kl)});
  }
  return table;
}

}  // namespace

Document build_document(std::span<const Comparison> comparisons, Language language) {
  const Text text(language);
  Document document;
  document.language = language;
  const std::string model =
      comparisons.empty() ? "" : std::filesystem::path(comparisons.front().original.path).stem().string();
  if (comparisons.size() == 1) {
    document.title = text("title.one", {{"model", model}});
    add_sections(comparisons.front(), text, {2, ""}, document);
    return document;
  }
  const RowNames names(comparisons);
  document.title = names.several_originals
                       ? text("title.models", {{"n", std::to_string(comparisons.size())}})
                       : text("title.many", {{"model", model}, {"n", std::to_string(comparisons.size())}});
  document.blocks.push_back(Heading{2, "all", text("section.all")});
  document.blocks.push_back(Paragraph{text("summary.all")});
  document.blocks.push_back(overview_table(comparisons, text));
  std::vector<const Comparison*> ranked;
  for (const Comparison& c : comparisons) ranked.push_back(&c);
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Comparison* a, const Comparison* b) { return a->kl.mean > b->kl.mean; });
  document.blocks.push_back(
      Figure{text("figure.forest"), forest_figure(ranked, names, text), ranking_table(ranked, names, text)});
  int index = 0;
  for (const Comparison& c : comparisons) {
    const std::string suffix = "-" + std::to_string(++index);
    document.blocks.push_back(Heading{2, "comparison" + suffix,
                                      c.recipe ? text("section.recipe", {{"recipe", names(c)}})
                                               : text("section.file", {{"file", names(c)}})});
    add_sections(c, text, {3, suffix}, document);
  }
  return document;
}

}  // namespace report

Result<Language> parse_language(std::string_view text) {
  if (text == "en") return Language::kEnglish;
  if (text == "zh-TW") return Language::kTraditionalChinese;
  return fail(ErrorCode::kUsage, "there is no language '" + std::string(text) + "'", "--lang",
              "use en or zh-TW");
}

std::string comparison_markdown(std::span<const Comparison> comparisons, Language language) {
  return report::render_markdown(report::build_document(comparisons, language));
}

std::string comparison_html(std::span<const Comparison> comparisons, Language language) {
  return report::render_html(report::build_document(comparisons, language));
}

Result<std::vector<std::filesystem::path>> write_report(std::span<const Comparison> comparisons,
                                                        std::span<const Language> languages,
                                                        const std::filesystem::path& folder) {
  std::vector<ExportFile> files = {{"report.json", comparison_json(comparisons)}};
  for (size_t i = 0; i < languages.size(); ++i) {
    const report::Document document = report::build_document(comparisons, languages[i]);
    const std::string stem = "report" + report::language_suffix(languages, i);
    files.push_back({stem + ".md", report::render_markdown(document)});
    files.push_back({stem + ".html", report::render_html(document)});
  }
  return report::write_files(files, folder);
}

}  // namespace fqlab
