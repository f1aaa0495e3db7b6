// A sensitivity map for a terminal: rankings and compact heatmaps.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "fqlab/map_report.h"
#include "report/map_tables.h"
#include "report/map_view.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "report/terminal_width.h"

namespace fqlab {
namespace report {
namespace {

// Light to dark; and, for colours, viridis in the 256-colour cube.
constexpr const char* kShades[] = {"░", "▒", "▓", "█"};
constexpr int kColours[] = {54, 61, 66, 30, 36, 71, 113, 220};

class MapText {
 public:
  MapText(const SensitivityMap& map, const MapTextOptions& options)
      : map_(map), options_(options), text_(options.language) {}

  std::string build() {
    out_ = map_.study.model_name + ", " +
           text_.plural(static_cast<uint64_t>(map_.study.chunks), "unit.chunk", "unit.chunks") + "\n";
    add_chunks();
    for (size_t format = 0; format < map_.formats.size(); ++format) {
      for (const MapMode mode : single_modes(map_)) {
        if (cells_of(map_, format, mode).empty()) continue;
        add_ranking(format, mode);
        add_predictions(format, mode);
        add_heatmap(format, mode);
      }
      add_curves(format);
    }
    return std::move(out_);
  }

 private:
  // How much text the cells rest on, where they differ in it.
  void add_chunks() {
    const std::map<size_t, uint64_t> cells = cells_by_chunks(map_);
    if (cells.size() < 2) return;
    std::string list;
    for (const auto& [chunks, n] : cells)
      list += fmt::format("{}{}: {}", list.empty() ? "" : ", ", chunks, count(n));
    out_ += text_("map.show.chunks", {{"list", list}}) + "\n";
  }

  void add_ranking(size_t format, MapMode mode) {
    const std::vector<const MapCell*> cells = ranked(map_, format, mode);
    if (cells.empty()) {
      if (predicted(format, mode).empty())
        out_ += "\n" + title(format, mode) + ": " + text_("map.nothing_measured") + "\n";
      return;
    }
    const size_t shown = options_.top == 0 ? cells.size() : std::min(options_.top, cells.size());
    out_ += "\n" +
            text_("map.show.ranking",
                  {{"format", title(format, mode)}, {"shown", count(shown)}, {"n", count(cells.size())}}) +
            "\n";
    Table table{"",
                {{text_("map.head.rank"), true},
                 {text_("map.head.group")},
                 {text_("head.kl_nats"), true},
                 {text_("head.chunks"), true}},
                {}};
    for (size_t i = 0; i < shown; ++i) {
      std::string kl = kl_estimate(*cells[i]);
      if (unresolved(*cells[i])) kl.insert(0, "~ ");
      table.rows.push_back({rank_text(*cells[i]), cut_start(label_of(map_.groups[cells[i]->group]), 30),
                            std::move(kl), count(cells[i]->chunks.size())});
    }
    out_ += terminal_text(table);
  }

  // What was not measured and is predicted, largest first.
  std::vector<const MapCell*> predicted(size_t format, MapMode mode) const {
    std::vector<const MapCell*> cells = cells_of(map_, format, mode);
    std::erase_if(cells, [](const MapCell* cell) { return cell->state != CellState::kPredicted; });
    std::ranges::stable_sort(cells, std::greater<>(),
                             [](const MapCell* cell) { return *cell->predicted_kl; });
    return cells;
  }

  void add_predictions(size_t format, MapMode mode) {
    const std::vector<const MapCell*> cells = predicted(format, mode);
    if (cells.empty()) return;
    const size_t shown = options_.top == 0 ? cells.size() : std::min(options_.top, cells.size());
    out_ += "\n" +
            text_("map.show.predicted",
                  {{"format", title(format, mode)}, {"shown", count(shown)}, {"n", count(cells.size())}}) +
            "\n";
    Table table{"", {{text_("map.head.group")}, {text_("head.kl_nats"), true}}, {}};
    for (size_t i = 0; i < shown; ++i)
      table.rows.push_back({cut_start(label_of(map_.groups[cells[i]->group]), 30),
                            "≈ " + estimate(*cells[i]->predicted_kl, cells[i]->predicted_interval)});
    out_ += terminal_text(table);
  }

  void add_heatmap(size_t format, MapMode mode) {
    const MapGrid grid = grid_of(map_, format, mode, text_);
    if (grid.rows.size() < 2 || grid.kinds.empty()) return;
    std::vector<double> values;
    for (const auto& [row, cells] : grid.rows)
      for (const auto& [kind, cell] : cells)
        if (const auto effect = effect_of(*cell); effect && *effect > 0 && !unresolved(*cell))
          values.push_back(*effect);
    if (values.empty()) return;
    const auto [low, high] = std::ranges::minmax(values);
    const Axis scale{low, std::max(high, low * 1.0001), 0, 1, true};
    out_ += "\n" +
            text_(shaded() ? Key("map.show.heatmap") : Key("map.show.heatmap_digits"),
                  {{"format", title(format, mode)}, {"low", number(low, 2)}, {"high", number(high, 2)}}) +
            "\n";
    // Layers across where they fit, for most models have more layers than kinds and lines are cheap.
    size_t names = 0;
    for (const std::string& kind : grid.kinds) names = std::max(names, display_width(kind));
    names = std::min<size_t>(names, 24);
    const size_t room = static_cast<size_t>(std::max(40, options_.columns)) - names - 2;
    const std::vector<std::pair<MapRow, std::map<std::string, const MapCell*>>> rows(grid.rows.begin(),
                                                                                     grid.rows.end());
    const size_t width = rows.size() * 2 <= room ? 2 : 1;
    for (size_t first = 0; first < rows.size(); first += room / width) {
      const size_t last = std::min(rows.size(), first + room / width);
      add_layer_numbers(rows, first, last, names + 2, width);
      for (const std::string& kind : grid.kinds) {
        out_ += padded(cut_start(kind, names), names) + "  ";
        std::string line;
        for (size_t i = first; i < last; ++i) {
          const auto cell = rows[i].second.find(kind);
          line += cell == rows[i].second.end() ? std::string(width, ' ') : drawn(*cell->second, scale, width);
        }
        while (line.ends_with(' ')) line.pop_back();
        out_ += line + "\n";
      }
    }
    out_ += text_("map.show.key") + "\n";
    if (!predicted(format, mode).empty()) out_ += text_("map.show.key_predicted") + "\n";
  }

  // Every step: the rows are as many as layers.
  void add_curves(size_t format) {
    const Table table = MapTables(map_, text_).curves(format, "");
    if (table.rows.empty()) return;
    out_ += "\n" + text_("map.curve", {{"format", map_.formats[format]}}) + "\n" + terminal_text(table);
  }

  // "0    5    10" above the columns; "-" for tensors outside the layers.
  void add_layer_numbers(const std::vector<std::pair<MapRow, std::map<std::string, const MapCell*>>>& rows,
                         size_t first, size_t last, size_t indent, size_t width) {
    std::string line(indent, ' ');
    for (size_t i = first; i < last; ++i) {
      const size_t at = indent + (i - first) * width;
      const bool layer = rows[i].first.kind == MapRow::Kind::kLayer;
      if (layer && rows[i].first.layer % 5 != 0) continue;
      const std::string label = layer ? std::to_string(rows[i].first.layer) : "-";
      if (line.size() > at) continue;
      line += std::string(at - line.size(), ' ') + label;
    }
    out_ += line + "\n";
  }

  std::string title(size_t format, MapMode mode) const {
    const std::string& name = map_.formats[format];
    return mode == MapMode::kOnly ? name : text_("map.show.except", {{"format", name}});
  }

  bool shaded() const { return options_.unicode; }

  // A state's sign, or a shade or digit of the value; `width` columns wide.
  std::string drawn(const MapCell& cell, const Axis& scale, size_t width) const {
    const std::string blanks(width - 1, ' ');
    if (cell.state == CellState::kFailed) return "x" + blanks;
    const auto effect = effect_of(cell);
    if (!effect) return "." + blanks;
    if (unresolved(cell)) return "~" + blanks;
    if (!(*effect > 0)) return "=" + blanks;
    std::string mark = cell.state != CellState::kPredicted ? "" : options_.unicode ? "≈" : "?";
    if (!mark.empty() && width < 2) return mark;
    const double share = scale.at(*effect);
    const auto step = [&](size_t steps) {
      return std::min(steps - 1, static_cast<size_t>(share * static_cast<double>(steps)));
    };
    const std::string shade = options_.unicode ? kShades[step(std::size(kShades))] : std::to_string(step(10));
    std::string sign = shade;  // a predicted cell's second column says that it is one
    for (size_t i = 1; i < width; ++i) sign += !mark.empty() ? mark : options_.unicode ? shade : " ";
    if (!options_.colour) return sign;
    return fmt::format("\x1b[38;5;{}m{}\x1b[0m", kColours[step(std::size(kColours))], sign);
  }

  static std::string padded(const std::string& name, size_t width) {
    const size_t used = display_width(name);
    return name + std::string(width > used ? width - used : 0, ' ');
  }

  const SensitivityMap& map_;
  const MapTextOptions& options_;
  Text text_;
  std::string out_;
};

}  // namespace
}  // namespace report

std::string map_text(const SensitivityMap& map, const MapTextOptions& options) {
  return report::MapText(map, options).build();
}

}  // namespace fqlab
