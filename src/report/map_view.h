// What the reports of a map look up: cells by place, rankings, sums.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/sensitivity_map.h"
#include "report/messages.h"

namespace fqlab::report {

/// Where a group stands in the grid of layers and kinds.
struct MapRow {
  enum class Kind { kLayer, kNoLayer, kAllLayers } kind = Kind::kLayer;
  int layer = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): it takes <=> for a 0
  auto operator<=>(const MapRow&) const = default;
};
MapRow row_of(const MapGroup& group);
std::string row_label(const MapRow& row, const Text& text);
/// The kind's name, or "all kinds" in words.
std::string kind_label(const MapGroup& group, const Text& text);

/// Cells of a format and mode, in the map's order.
std::vector<const MapCell*> cells_of(const SensitivityMap& map, size_t format, MapMode mode);
/// The measured ones, the largest effect first.
std::vector<const MapCell*> ranked(const SensitivityMap& map, size_t format, MapMode mode);
/// Those of the main grouping.
std::vector<const MapCell*> ranked_of_main_grouping(const SensitivityMap& map, size_t format, MapMode mode);
/// Those of the main grouping, the part to protect first at the front: alone it does most (kOnly; parts whose
/// effect is not told from round-off are left out), or all the others do least without it (kExcept). Empty
/// where no effect is told from round-off.
std::vector<const MapCell*> by_need(const SensitivityMap& map, size_t format, MapMode mode);
/// The cells of a format and mode as layers by kinds, in the order of the map, kinds of layers first.
struct MapGrid {
  std::vector<std::string> kinds;
  std::map<MapRow, std::map<std::string, const MapCell*>> rows;  ///< by kind; absent: not asked for
};
MapGrid grid_of(const SensitivityMap& map, size_t format, MapMode mode, const Text& text);
/// Whether a format is a type of llama.cpp with its kernels, as a plan measures it, and no fake quantization.
bool is_real_type(const std::string& format);
std::vector<std::string> fake_formats(const SensitivityMap& map);
/// Where everything was changed together; null where that was not measured.
const MapCell* joint_cell(const SensitivityMap& map, size_t format);
/// kOnly and kExcept, those that have cells.
std::vector<MapMode> single_modes(const SensitivityMap& map);
/// The groupings of the cells of a mode, in order of appearance.
std::vector<std::string> groupings(const SensitivityMap& map, MapMode mode);

/// How many measured cells of single_modes() rest on how many chunks, by the number of chunks.
std::map<size_t, uint64_t> cells_by_chunks(const SensitivityMap& map);

/// What a person types to select the group, else its name.
std::string label_of(const MapGroup& group);
/// A prediction or a measurement: what the cell's effect is taken to be.
std::optional<double> effect_of(const MapCell& cell);

/// What stands in the cell of a grid: "0.0012", "failed", "?0.001" for a prediction, nothing where it was not
/// measured.
std::string cell_text(const MapCell& cell, const Text& text);

/// Mean KL divergence with its interval, which Student's t may draw below 0, where no KL divergence is.
std::string kl_estimate(const MapCell& cell);

/// A cell that changed something but cannot be told from round-off.
bool unresolved(const MapCell& cell);

/// "3 [1, 7]" or "3".
std::string rank_text(const MapCell& cell);

/// How many cells are in which state.
struct CellCounts {
  size_t all = 0, measured = 0, failed = 0, missing = 0, predicted = 0, unresolved = 0, vacuous = 0;
};
CellCounts count_cells(const std::vector<const MapCell*>& cells);

}  // namespace fqlab::report
