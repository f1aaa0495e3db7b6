#include "report/map_tables.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "formats/describe.h"
#include "fqlab/stats.h"
#include "report/map_figures.h"
#include "report/map_view.h"
#include "report/numbers.h"

namespace fqlab::report {
namespace {

std::optional<Interval> transformed(const std::optional<Interval>& interval, double (*function)(double)) {
  if (!interval) return std::nullopt;
  const double a = function(interval->low), b = function(interval->high);
  return Interval{std::min(a, b), std::max(a, b)};
}

std::string perplexity_change(const MapCell* cell, const Text& text) {
  if (cell == nullptr || !cell->log_ratio) return text("none");
  const auto change = [](double log_ratio) { return std::expm1(log_ratio); };
  return percent(change(*cell->log_ratio), transformed(cell->log_ratio_interval, change), true);
}

std::string flipped(const MapCell* cell, const Text& text) {
  if (cell == nullptr || !cell->same_top) return text("none");
  const auto rest = [](double same) { return 1 - same; };
  return percent(rest(*cell->same_top), transformed(cell->same_top_interval, rest));
}

// What a weight takes, and all the weights that were changed together, where they were.
std::string weight_size(const std::string& format, const MapGroup* all, const Text& text) {
  const Result<FormatSpec> spec = FormatSpec::parse(format);
  if (!spec) return text("none");
  const double bits = describe(*spec).bits_per_weight;
  if (all == nullptr) return fixed(bits, 2);
  return fixed(bits, 2) + " (" + fixed(static_cast<double>(all->values) * bits / 8 / 1e6, 1) + " MB)";
}

// Whether a cell stays below fqlab's usual margin of KL divergence.
std::string against_margin(const MapCell* cell, const Text& text) {
  if (cell == nullptr || !cell->kl_interval) return text("none");
  const double margin = Margins{}.kl_nats;
  if (cell->kl_interval->high < margin) return text("map.margin.below");
  return cell->kl_interval->low > margin ? text("map.margin.above") : text("map.margin.open");
}

}  // namespace

std::string MapTables::kl_text(const MapCell* cell) const {
  if (cell == nullptr) return text_("none");
  if (!cell->measured()) {
    const std::string words = cell_text(*cell, text_);
    return words.empty() ? text_("none") : words;
  }
  const std::string value = kl_estimate(*cell);
  return unresolved(*cell) ? text_("map.value_unresolved", {{"value", value}}) : value;
}

Table MapTables::formats() const {
  Table table{text_("map.formats"),
              {{text_("map.head.format")},
               {text_("map.head.bits"), true},
               {text_("map.head.together"), true},
               {text_("map.head.margin", {{"margin", number(Margins{}.kl_nats)}})},
               {text_("map.head.perplexity"), true},
               {text_("map.head.flipped"), true},
               {text_("map.head.measured"), true}},
              {}};
  std::vector<CellCounts> counts;
  for (size_t format = 0; format < map_.formats.size(); ++format) {
    std::vector<const MapCell*> cells;
    for (const MapMode mode : single_modes(map_))
      for (const MapCell* cell : cells_of(map_, format, mode)) cells.push_back(cell);
    counts.push_back(count_cells(cells));
    const MapCell* joint = joint_cell(map_, format);
    table.rows.push_back(
        {code(map_.formats[format]),
         weight_size(map_.formats[format], joint ? &map_.groups[joint->group] : nullptr, text_),
         kl_text(joint), against_margin(joint, text_), perplexity_change(joint, text_), flipped(joint, text_),
         text_("map.of", {{"n", count(counts.back().measured)}, {"all", count(counts.back().all)}})});
  }
  const auto add_where_any = [&](const Key& head, const auto& of) {
    if (std::ranges::all_of(counts, [&](const CellCounts& each) { return of(each) == 0; })) return;
    table.columns.push_back({text_(head), true});
    for (size_t format = 0; format < counts.size(); ++format)
      table.rows[format].push_back(count(of(counts[format])));
  };
  add_where_any("map.head.unresolved", [](const CellCounts& c) { return c.unresolved; });
  add_where_any("map.head.vacuous", [](const CellCounts& c) { return c.vacuous; });
  add_where_any("map.head.failed", [](const CellCounts& c) { return c.failed; });
  add_where_any("map.head.missing", [](const CellCounts& c) { return c.missing + c.predicted; });
  return table;
}

Table MapTables::grid(size_t format, MapMode mode, const std::string& caption) const {
  const MapGrid grid = grid_of(map_, format, mode, text_);
  Table table{caption, {{text_("map.head.layer")}}, {}};
  for (const std::string& kind : grid.kinds) table.columns.push_back({code(kind), true});
  for (const auto& [row, cells] : grid.rows) {
    std::vector<std::string> line = {row_label(row, text_)};
    for (const std::string& kind : grid.kinds) {
      const auto cell = cells.find(kind);
      const std::string value = cell == cells.end() ? "" : cell_text(*cell->second, text_);
      line.push_back(value.empty()               ? text_("none")
                     : unresolved(*cell->second) ? text_("map.value_unresolved", {{"value", value}})
                                                 : value);
    }
    table.rows.push_back(std::move(line));
  }
  return table;
}

Table MapTables::profile(size_t first, size_t formats, MapMode mode, const std::string& caption) const {
  Table table{caption, {{text_("map.head.kind")}, {text_("map.head.layer"), true}}, {}};
  std::vector<std::string> kinds;
  std::map<std::pair<size_t, int>, std::vector<const MapCell*>> cells;
  for (size_t f = 0; f < formats; ++f) {
    table.columns.push_back({code(map_.formats[first + f]), true});
    for (const MapCell* cell : cells_of(map_, first + f, mode)) {
      const MapGroup& group = map_.groups[cell->group];
      if (!group.layer) continue;
      const std::string kind = kind_label(group, text_);
      const auto at = static_cast<size_t>(std::ranges::find(kinds, kind) - kinds.begin());
      if (at == kinds.size()) kinds.push_back(kind);
      auto& row = cells[{at, *group.layer}];
      row.resize(formats);
      row[f] = cell;
    }
  }
  for (const auto& [place, row] : cells) {
    std::vector<std::string> line = {code(kinds[place.first]), std::to_string(place.second)};
    for (const MapCell* cell : row) line.push_back(kl_text(cell));
    table.rows.push_back(std::move(line));
  }
  return table;
}

Table MapTables::ranking(const std::vector<const MapCell*>& ranked, const std::string& caption,
                         size_t most) const {
  Table table{caption,
              {{text_("map.head.group")},
               {text_("map.head.rank"), true},
               {text_("head.kl_nats"), true},
               {text_("map.head.perplexity"), true},
               {text_("map.head.flipped"), true},
               {text_("head.changed"), true},
               {text_("head.chunks"), true}},
              {}};
  for (const MapCell* cell : ranked) {
    if (table.rows.size() == most) break;
    const MapGroup& group = map_.groups[cell->group];
    table.rows.push_back({code(label_of(group)), rank_text(*cell), kl_text(cell),
                          perplexity_change(cell, text_), flipped(cell, text_),
                          text_("map.of", {{"n", count(cell->values_changed)}, {"all", count(group.values)}}),
                          count(cell->chunks.size())});
  }
  return table;
}

Table MapTables::curves(size_t format, const std::string& caption) const {
  const auto front = cells_of(map_, format, MapMode::kCumulativeFront),
             back = cells_of(map_, format, MapMode::kCumulativeBack);
  Table table{caption,
              {{text_("map.layers_changed"), true},
               {text_("map.front"), true},
               {text_("map.head.layer"), true},
               {text_("map.back"), true},
               {text_("map.head.layer"), true}},
              {}};
  for (size_t i = 0; i < std::max(front.size(), back.size()); ++i) {
    std::vector<std::string> line = {count(i + 1)};
    for (const auto* list : {&front, &back}) {
      const MapCell* cell = i < list->size() ? (*list)[i] : nullptr;
      line.push_back(kl_text(cell));
      const auto layer = cell ? map_.groups[cell->group].layer : std::nullopt;
      line.push_back(layer ? std::to_string(*layer) : text_("none"));
    }
    table.rows.push_back(std::move(line));
  }
  return table;
}

Table MapTables::additivity() const {
  Table table{text_("map.additivity"),
              {{text_("map.head.format")},
               {text_("map.head.sum"), true},
               {text_("map.head.together_here"), true},
               {text_("map.head.ratio"), true},
               {text_("map.head.summed"), true},
               {text_("head.chunks"), true}},
              {}};
  for (const MapAdditivity& sum : map_.additivity)
    table.rows.push_back(
        {code(map_.formats[sum.format]), number(sum.sum_of_singles), number(sum.joint_kl),
         !sum.ratio     ? text_("none")
         : sum.interval ? estimate(*sum.ratio, sum.interval)
                        : number(*sum.ratio, 2),
         text_("map.of", {{"n", count(sum.groups)}, {"all", count(sum.groups + sum.missing)}}),
         count(static_cast<uint64_t>(sum.chunks))});
  return table;
}

Table MapTables::predictions(size_t format, const std::string& caption, size_t most) const {
  Table table{caption,
              {{text_("map.head.group")},
               {text_("map.head.predicted"), true},
               {text_("map.head.measured_kl"), true},
               {text_("map.head.factor"), true}},
              {}};
  for (const MapCell& cell : map_.cells) {
    if (cell.format != format || cell.mode != MapMode::kOnly || !cell.predicted_kl) continue;
    if (table.rows.size() == most) break;
    const bool has_factor = cell.measured() && *cell.kl > 0;
    table.rows.push_back({code(label_of(map_.groups[cell.group])),
                          estimate(*cell.predicted_kl, cell.predicted_interval),
                          cell.measured() ? kl_text(&cell) : text_("none"),
                          has_factor ? number(*cell.predicted_kl / *cell.kl, 2) : text_("none")});
  }
  return table;
}

std::string MapTables::prediction_error(size_t format) const {
  std::vector<double> factors;
  size_t inside = 0, with_interval = 0;
  for (const MapCell& cell : map_.cells) {
    if (cell.format != format || cell.mode != MapMode::kOnly || !cell.measured() || !cell.predicted_kl)
      continue;
    if (!(*cell.kl > 0) || !(*cell.predicted_kl > 0)) continue;
    factors.push_back(std::exp(std::abs(std::log(*cell.predicted_kl / *cell.kl))));
    if (!cell.predicted_interval) continue;
    ++with_interval;
    inside += cell.predicted_interval->low <= *cell.kl && *cell.kl <= cell.predicted_interval->high;
  }
  std::string sentence = text_("map.prediction_factor", {{"format", code(map_.formats[format])},
                                                         {"n", count(factors.size())},
                                                         {"half", number(quantile(factors, 0.5), 2)},
                                                         {"most", number(quantile(factors, 0.9), 2)}});
  if (with_interval > 0)
    sentence = text_.sentences(
        sentence, text_("map.prediction_inside", {{"n", count(inside)}, {"all", count(with_interval)}}));
  return sentence;
}

Table MapTables::making() const {
  const MapStudy& study = map_.study;
  Table table{text_("map.making_table"), {{text_("head.setting")}, {text_("head.value")}}, {}};
  const auto add = [&](Key key, std::string value) {
    if (!value.empty()) table.rows.push_back({text_(key), std::move(value)});
  };
  const auto code_or_nothing = [](const std::string& value) { return value.empty() ? value : code(value); };
  add("map.study", code_or_nothing(study.path));
  add("setting.model", code_or_nothing(study.model_path));
  add("reproduce.original_hash", code_or_nothing(study.model_sha256));
  add("reproduce.architecture", code_or_nothing(study.architecture));
  add("setting.corpus", code_or_nothing(study.corpus_path));
  add("setting.corpus_hash", code_or_nothing(study.corpus_sha256));
  add("setting.n_ctx", std::to_string(study.n_ctx));
  add("map.chunks_most", std::to_string(study.chunks));
  add("map.positions_per_chunk",
      text_("map.positions_value",
            {{"n", count(study.positions_per_chunk)},
             {"score", text_(study.score == "all" ? Key("map.score_all") : Key("map.score_half"))}}));
  add("setting.arithmetic", fake_formats(map_).empty() && !map_.formats.empty()
                                ? text_("arithmetic.real")
                                : text_.dynamic("arithmetic.", study.arithmetic));
  add("map.trials",
      text_("map.trials_value", {{"n", count(study.trials)}, {"failed", count(study.trials_failed)}}));
  add("map.tokens", count(study.tokens));
  add("map.seconds", duration(study.seconds));
  add("reproduce.created", study.created);
  add("reproduce.version", study.version);
  add("reproduce.engine", study.engine);
  return table;
}

}  // namespace fqlab::report
