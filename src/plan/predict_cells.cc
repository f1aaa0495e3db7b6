#include "plan/predict_cells.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace fqlab {
namespace {

/// Of a group of tensors under a format; absent where the format cannot store one of them.
std::optional<double> weight_error(const MapGroup& group, const WeightDamage& damage, size_t format,
                                   const std::map<std::string_view, size_t>& index) {
  DamageSums sums;
  for (const std::string& name : group.tensors) {
    const auto found = index.find(name);
    if (found == index.end()) return std::nullopt;
    const FormatDamage& one = damage.tensors[found->second].formats[format];
    if (one.refused) return std::nullopt;
    sums.merge(one.sums);
  }
  return sums.damage();
}

class CellPredictor {
 public:
  CellPredictor(SensitivityMap& map, const WeightDamage& damage)
      : map_(map), cells_before_(map.cells.size()) {
    std::set<size_t> groups;
    std::map<std::pair<size_t, size_t>, size_t> known;  // format and group
    for (size_t i = 0; i < map.cells.size(); ++i) {
      const MapCell& cell = map.cells[i];
      if (cell.mode != MapMode::kOnly) continue;
      if (cell.measured()) groups.insert(cell.group);
      known.emplace(std::pair(cell.format, cell.group), i);
    }
    std::map<std::string_view, size_t> index;
    for (size_t i = 0; i < damage.tensors.size(); ++i) index.emplace(damage.tensors[i].tensor.name, i);
    for (size_t f = 0; f < damage.formats.size(); ++f) {
      const size_t format = format_in_map(damage.formats[f].print());
      for (const size_t group : groups) {
        const std::optional<double> error = weight_error(map.groups[group], damage, f, index);
        if (!error) continue;
        const auto [cell, added] = known.try_emplace(std::pair(format, group), map.cells.size());
        if (added) map.cells.push_back({format, group});
        const MapCell& now = map.cells[cell->second];
        if (now.state == CellState::kFailed) continue;
        cells_.push_back({group, format, *error, now.measured() ? now.kl : std::nullopt});
        cell_in_map_.push_back(cell->second);
      }
    }
  }

  std::vector<FormatPrediction> predict() {
    std::vector<FormatPrediction> predictions = predict_damage(cells_);
    std::set<size_t> open;  // formats with cells that were not measured
    for (const PredictionCell& cell : cells_)
      if (!cell.kl) open.insert(cell.format);
    for (const FormatPrediction& prediction : predictions) fill(prediction.cells, CellState::kPredicted);
    std::set<size_t> whole;  // formats done
    for (size_t i = 0; i < cells_.size(); ++i) {
      const size_t format = cells_[i].format;
      if (!cells_[i].kl) continue;
      if (open.contains(format))
        fill_held_out([&](size_t other) { return other == i; });
      else if (whole.insert(format).second)
        fill_held_out([&](size_t other) { return cells_[other].format == format; });
    }
    const auto added_in_vain =
        std::remove_if(map_.cells.begin() + static_cast<std::ptrdiff_t>(cells_before_), map_.cells.end(),
                       [](const MapCell& cell) { return cell.state == CellState::kNotMeasured; });
    map_.cells.erase(added_in_vain, map_.cells.end());
    return predictions;
  }

 private:
  size_t format_in_map(const std::string& format) {
    const auto found = std::ranges::find(map_.formats, format);
    if (found != map_.formats.end()) return static_cast<size_t>(found - map_.formats.begin());
    map_.formats.push_back(format);
    return map_.formats.size() - 1;
  }

  void fill(std::span<const PredictedCell> predicted, CellState state) {
    for (const PredictedCell& one : predicted) {
      MapCell& cell = map_.cells[cell_in_map_[one.cell]];
      cell.state = state;
      cell.predicted_kl = one.kl;
      cell.predicted_interval = one.interval;
    }
  }

  /// Predicts the chosen measured cells from the others.
  template <class F>
  void fill_held_out(const F& is_held_out) {
    std::vector<PredictionCell> cells;
    std::vector<size_t> index;
    for (size_t i = 0; i < cells_.size(); ++i) {
      if (!cells_[i].kl) continue;
      cells.push_back(cells_[i]);
      index.push_back(i);
      if (is_held_out(i)) cells.back().kl.reset();
    }
    for (FormatPrediction& prediction : predict_damage(cells)) {
      for (PredictedCell& one : prediction.cells) one.cell = index[one.cell];
      fill(prediction.cells, CellState::kMeasured);
    }
  }

  SensitivityMap& map_;
  size_t cells_before_;
  std::vector<PredictionCell> cells_;
  std::vector<size_t> cell_in_map_;  // parallel
};

}  // namespace

std::vector<FormatPrediction> predict_cells(SensitivityMap& map, const WeightDamage& damage) {
  return CellPredictor(map, damage).predict();
}

}  // namespace fqlab
