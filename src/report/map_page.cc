// The page of a sensitivity map.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "fqlab/map_report.h"
#include "report/document.h"
#include "report/map_figures.h"
#include "report/map_findings.h"
#include "report/map_tables.h"
#include "report/map_view.h"
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab {
namespace report {
namespace {

constexpr size_t kRankedInFigure = 25;
constexpr size_t kRowsInMarkdown = 30;
constexpr size_t kFailuresShown = 20;

class MapPage {
 public:
  /// `short_tables`: for Markdown, where every table is in view.
  MapPage(const SensitivityMap& map, const Text& text, bool short_tables)
      : map_(map), text_(text), tables_(map, text), short_(short_tables) {}

  Document build() {
    document_.language = text_.language();
    document_.title = text_("map.title", {{"model", map_.study.model_name}});
    document_.footer = text_("map.footer", {{"version", FQLAB_VERSION}});
    add_overview();
    add_heatmaps();
    add_profiles();
    add_rankings();
    add_curves();
    add_additivity();
    add_predictions();
    add_next();
    add_limits();
    add_making();
    return std::move(document_);
  }

 private:
  void add(Block block) { document_.blocks.push_back(std::move(block)); }
  void section(const char* id, Key title, Key reading) {
    add(Heading{2, id, text_(title)});
    add(Paragraph{text_(reading)});
  }
  std::string id(const char* what, size_t format) const { return fmt::format("{}-{}", what, format + 1); }
  std::string caption(Key key, size_t format) const { return text_(key, {{"format", map_.formats[format]}}); }

  void add_overview() {
    add(Heading{2, "overview", text_("map.overview")});
    add(Paragraph{question(map_, text_)});
    if (std::string amount = text_per_cell(map_, text_); !amount.empty()) add(Paragraph{std::move(amount)});
    add(Paragraph{text_("map.kl_meaning", {{"positions", count(map_.study.positions_per_chunk)}})});
    if (const std::string top = headline(map_, text_); !top.empty()) add(Callout{false, top});
    std::vector<std::string> found;
    for (size_t format = 0; format < map_.formats.size(); ++format)
      if (std::string sentences = findings(map_, format, text_); !sentences.empty())
        found.push_back(std::move(sentences));
    if (found.empty())
      add(Callout{true, text_("map.nothing_measured")});
    else
      add(Bullets{std::move(found)});
    for (const std::string& warning : map_.study.warnings) {
      std::string sentence = text_.dynamic("warning.", warning);
      if (warning == "few_chunks" && !fake_formats(map_).empty())
        sentence = text_.sentences(sentence, text_("map.more_chunks"));
      add(Callout{true, std::move(sentence)});
    }
    add(tables_.formats());
    add_floor();
    add_failures();
  }

  void add_floor() {
    if (const auto& floor = map_.study.floor)
      add(Paragraph{text_("map.floor", {{"change", text_.dynamic("change.", floor->change)},
                                        {"seeds", count(static_cast<uint64_t>(floor->seeds))},
                                        {"kl", estimate(floor->kl, floor->interval)}})});
    else
      add(Paragraph{text_("map.no_floor")});
  }

  void add_failures() {
    Table table{text_("map.failures"),
                {{text_("map.head.format")}, {text_("map.head.group")}, {text_("map.head.reason")}},
                {}};
    size_t failed = 0;
    for (const MapCell& cell : map_.cells) {
      if (cell.state != CellState::kFailed || ++failed > kFailuresShown) continue;
      table.rows.push_back({code(map_.formats[cell.format]), code(label_of(map_.groups[cell.group])),
                            cell.reason.empty() ? text_("none") : code(cell.reason)});
    }
    if (failed == 0) return;
    add(Callout{true, text_("map.some_failed", {{"n", count(failed)}})});
    add(std::move(table));
  }

  void add_heatmaps() {
    const std::vector<MapMode> modes = single_modes(map_);
    if (modes.empty()) return;
    section("heatmaps", "map.heatmaps", "map.heatmaps_note");
    add(Bullets{{text_("map.key.value"), text_("map.key.hatched"), text_("map.key.empty"),
                 text_("map.key.failed"), text_("map.key.predicted")}});
    for (const MapMode mode : modes)
      for (size_t format = 0; format < map_.formats.size(); ++format) {
        if (cells_of(map_, format, mode).empty()) continue;
        const std::string title =
            caption(mode == MapMode::kOnly ? Key("map.heatmap_only") : Key("map.heatmap_except"), format);
        add(Figure{title, map_heatmap(map_, format, mode, title, text_), tables_.grid(format, mode, title)});
      }
  }

  void add_profiles() {
    std::vector<Figure> figures;
    for (const MapMode mode : single_modes(map_))
      for (size_t first = 0, series = 0; first < map_.formats.size(); first += series) {
        series = profile_series(map_, mode, first);
        std::vector<std::string> formats;
        for (size_t i = 0; i < series; ++i) formats.push_back(map_.formats[first + i]);
        const std::string title =
            text_(mode == MapMode::kOnly ? Key("map.profile_only") : Key("map.profile_except"),
                  {{"formats", text_.list(formats)}});
        if (std::string svg = profile_figure(map_, mode, first, series, title, text_); !svg.empty())
          figures.push_back({title, std::move(svg), tables_.profile(first, series, mode, title)});
      }
    if (figures.empty() || short_) return;
    section("profiles", "map.profiles", "map.profiles_note");
    for (Figure& figure : figures) add(std::move(figure));
  }

  void add_rankings() {
    const std::vector<MapMode> modes = single_modes(map_);
    if (modes.empty()) return;
    bool begun = false;
    for (const MapMode mode : modes)
      for (size_t format = 0; format < map_.formats.size(); ++format) {
        const std::vector<const MapCell*> cells = ranked(map_, format, mode);
        if (cells.empty()) continue;
        if (!begun) section("ranking", "map.ranking", "map.ranking_note");
        begun = true;
        const std::string title =
            text_(mode == MapMode::kOnly ? Key("map.ranking_only") : Key("map.ranking_except"),
                  {{"format", map_.formats[format]},
                   {"shown", count(std::min(kRankedInFigure, cells.size()))},
                   {"n", count(cells.size())}});
        add(Figure{title, ranking_figure(map_, cells, kRankedInFigure, title, text_),
                   tables_.ranking(cells, title, short_ ? kRowsInMarkdown : cells.size())});
      }
  }

  void add_curves() {
    std::vector<Figure> figures;
    for (size_t format = 0; format < map_.formats.size(); ++format) {
      const std::string title = caption("map.curve", format);
      if (std::string svg = curves_figure(map_, format, title, text_); !svg.empty())
        figures.push_back({title, std::move(svg), tables_.curves(format, title)});
    }
    if (figures.empty()) return;
    section("curves", "map.curves", "map.curves_note");
    for (Figure& figure : figures) add(std::move(figure));
  }

  void add_additivity() {
    if (map_.additivity.empty()) return;
    section("additivity", "map.additivity", "map.additivity_note");
    add(tables_.additivity());
  }

  void add_predictions() {
    std::vector<Block> blocks;
    for (size_t format = 0; format < map_.formats.size(); ++format) {
      const std::string title = caption("map.prediction", format);
      if (std::string svg = prediction_figure(map_, format, title, text_); !svg.empty()) {
        blocks.push_back(Paragraph{tables_.prediction_error(format)});
        blocks.push_back(
            Figure{title, std::move(svg),
                   tables_.predictions(format, title, short_ ? kRowsInMarkdown : map_.cells.size())});
      }
    }
    if (blocks.empty()) return;
    section("predictions", "map.predictions", "map.predictions_note");
    for (Block& block : blocks) add(std::move(block));
  }

  void add_next() {
    const std::vector<NextStep> steps = next_steps(map_, text_);
    if (steps.empty()) return;
    section("next", "map.next", "map.next_note");
    for (const NextStep& step : steps) {
      add(Paragraph{step.why});
      add(Code{step.command});
    }
  }

  void add_limits() {
    section("limits", "map.limits", "map.limits_note");
    Bullets limits{{text_("limits.text", {{"corpus", map_.study.corpus_path}}),
                    text_("limits.context", {{"n_ctx", count(static_cast<uint64_t>(map_.study.n_ctx))}}),
                    text_("map.limit.original"), text_("map.limit.unselected"), text_("map.limit.together"),
                    text_("map.limit.ranks"), text_("map.limit.selection")}};
    if (!fake_formats(map_).empty()) limits.items.insert(limits.items.begin() + 2, text_("limits.fake"));
    if (cells_by_chunks(map_).size() > 1)
      limits.items.insert(limits.items.end() - 2, text_("map.limit.own_chunks"));
    add(std::move(limits));
  }

  void add_making() {
    section("making", "map.making", "map.making_note");
    for (const std::vector<std::string>& command : map_.study.commands) add(Code{shell_command(command)});
    if (map_.study.commands.empty() && !map_.study.command.empty())  // a map.json of an earlier version
      add(Code{shell_command(map_.study.command)});
    add(tables_.making());
  }

  const SensitivityMap& map_;
  const Text& text_;
  MapTables tables_;
  bool short_;
  Document document_;
};

}  // namespace
}  // namespace report

std::string map_markdown(const SensitivityMap& map, Language language) {
  const report::Text text(language);
  return report::render_markdown(report::MapPage(map, text, true).build());
}

std::string map_html(const SensitivityMap& map, Language language) {
  const report::Text text(language);
  return report::render_html(report::MapPage(map, text, false).build());
}

}  // namespace fqlab
