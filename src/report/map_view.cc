#include "report/map_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/numbers.h"

namespace fqlab::report {

MapRow row_of(const MapGroup& group) {
  if (group.layer) return {MapRow::Kind::kLayer, *group.layer};
  return {group.grouping == "kind" ? MapRow::Kind::kAllLayers : MapRow::Kind::kNoLayer, 0};
}

std::string row_label(const MapRow& row, const Text& text) {
  if (row.kind == MapRow::Kind::kLayer) return std::to_string(row.layer);
  return text(row.kind == MapRow::Kind::kNoLayer ? Key("weights.no_layer") : Key("map.all_layers"));
}

std::string kind_label(const MapGroup& group, const Text& text) {
  return group.kind ? *group.kind : text("map.all_kinds");
}

std::vector<const MapCell*> cells_of(const SensitivityMap& map, size_t format, MapMode mode) {
  std::vector<const MapCell*> list;
  for (const MapCell& cell : map.cells)
    if (cell.format == format && cell.mode == mode) list.push_back(&cell);
  return list;
}

std::vector<const MapCell*> ranked(const SensitivityMap& map, size_t format, MapMode mode) {
  std::vector<const MapCell*> list = cells_of(map, format, mode);
  std::erase_if(list, [](const MapCell* cell) { return !cell->measured(); });
  std::ranges::stable_sort(list, [](const MapCell* a, const MapCell* b) {
    if (a->rank && b->rank && *a->rank != *b->rank) return *a->rank < *b->rank;
    return *a->kl > *b->kl;
  });
  return list;
}

std::vector<const MapCell*> ranked_of_main_grouping(const SensitivityMap& map, size_t format, MapMode mode) {
  std::vector<const MapCell*> list = ranked(map, format, mode);
  const std::string main = main_grouping(map, format, mode);
  std::erase_if(list, [&](const MapCell* cell) { return map.groups[cell->group].grouping != main; });
  return list;
}

std::vector<const MapCell*> by_need(const SensitivityMap& map, size_t format, MapMode mode) {
  const auto does_nothing = [](const MapCell* cell) {
    return cell->values_changed == 0 || unresolved(*cell);
  };
  std::vector<const MapCell*> list = ranked_of_main_grouping(map, format, mode);
  if (mode == MapMode::kOnly) std::erase_if(list, does_nothing);
  if (std::ranges::all_of(list, does_nothing)) return {};
  if (mode == MapMode::kExcept) std::ranges::reverse(list);
  return list;
}

bool is_real_type(const std::string& format) { return format.starts_with("real:"); }

std::vector<std::string> fake_formats(const SensitivityMap& map) {
  std::vector<std::string> formats = map.formats;
  std::erase_if(formats, is_real_type);
  return formats;
}

MapGrid grid_of(const SensitivityMap& map, size_t format, MapMode mode, const Text& text) {
  MapGrid grid;
  for (const bool layered : {true, false})
    for (const MapCell* cell : cells_of(map, format, mode)) {
      const MapGroup& group = map.groups[cell->group];
      if (group.layer.has_value() != layered) continue;
      const std::string kind = kind_label(group, text);
      if (std::ranges::find(grid.kinds, kind) == grid.kinds.end()) grid.kinds.push_back(kind);
      grid.rows[row_of(group)][kind] = cell;
    }
  return grid;
}

const MapCell* joint_cell(const SensitivityMap& map, size_t format) {
  for (const MapCell& cell : map.cells)
    if (cell.format == format && cell.mode == MapMode::kAll && cell.measured()) return &cell;
  return nullptr;
}

std::vector<MapMode> single_modes(const SensitivityMap& map) {
  std::vector<MapMode> modes;
  for (const MapMode mode : {MapMode::kOnly, MapMode::kExcept})
    if (std::ranges::any_of(map.cells, [&](const MapCell& cell) { return cell.mode == mode; }))
      modes.push_back(mode);
  return modes;
}

std::vector<std::string> groupings(const SensitivityMap& map, MapMode mode) {
  std::vector<std::string> list;
  for (const MapCell& cell : map.cells)
    if (const std::string& grouping = map.groups[cell.group].grouping;
        cell.mode == mode && std::ranges::find(list, grouping) == list.end())
      list.push_back(grouping);
  return list;
}

std::map<size_t, uint64_t> cells_by_chunks(const SensitivityMap& map) {
  std::map<size_t, uint64_t> cells;
  for (const MapMode mode : single_modes(map))
    for (size_t format = 0; format < map.formats.size(); ++format)
      for (const MapCell* cell : ranked(map, format, mode)) ++cells[cell->chunks.size()];
  return cells;
}

std::string label_of(const MapGroup& group) { return group.selector.empty() ? group.name : group.selector; }

std::optional<double> effect_of(const MapCell& cell) {
  if (cell.measured()) return cell.kl;
  if (cell.state == CellState::kPredicted) return cell.predicted_kl;
  return std::nullopt;
}

std::string cell_text(const MapCell& cell, const Text& text) {
  switch (cell.state) {
    case CellState::kMeasured:
      return cell.kl ? number(*cell.kl, 2) : "";
    case CellState::kFailed:
      return text("map.failed");
    case CellState::kPredicted:
      return cell.predicted_kl ? "≈" + number(*cell.predicted_kl, 2) : "";
    case CellState::kNotMeasured:
      break;
  }
  return "";
}

std::string kl_estimate(const MapCell& cell) { return kl_estimate(*cell.kl, cell.kl_interval); }

bool unresolved(const MapCell& cell) {
  return cell.measured() && cell.values_changed > 0 && cell.resolved && !*cell.resolved;
}

std::string rank_text(const MapCell& cell) {
  if (!cell.rank) return "";
  std::string rank = number(*cell.rank);
  if (!cell.rank_interval) return rank;
  return fmt::format("{} [{}, {}]", rank, number(cell.rank_interval->low), number(cell.rank_interval->high));
}

CellCounts count_cells(const std::vector<const MapCell*>& cells) {
  CellCounts counts;
  counts.all = cells.size();
  for (const MapCell* cell : cells) {
    counts.measured += cell->measured();
    counts.failed += cell->state == CellState::kFailed;
    counts.missing += cell->state == CellState::kNotMeasured;
    counts.predicted += cell->state == CellState::kPredicted;
    counts.unresolved += unresolved(*cell);
    counts.vacuous += cell->measured() && cell->values_changed == 0;
  }
  return counts;
}

}  // namespace fqlab::report
