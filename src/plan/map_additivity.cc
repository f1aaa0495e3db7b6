// Do single effects add up to the joint one?
#include <algorithm>
#include <map>
#include <set>

#include "fqlab/sensitivity_map.h"

namespace fqlab {
namespace {

/// Absent too where tensors of the joint cell were not asked about alone.
std::optional<MapAdditivity> add_up(const SensitivityMap& map, size_t format, const MapCell& joint) {
  const std::string grouping = main_grouping(map, format, MapMode::kOnly);
  const std::vector<std::string>& tensors = map.groups[joint.group].tensors;
  const std::set<std::string> in_joint(tensors.begin(), tensors.end());
  std::set<std::string> asked;
  MapAdditivity result;
  result.format = format;
  struct Sum {
    double singles = 0;
    uint64_t cells = 0;
  };
  std::map<int, Sum> by_chunk;
  for (const MapCell& cell : map.cells) {
    if (cell.format != format || cell.mode != MapMode::kOnly || map.groups[cell.group].grouping != grouping)
      continue;
    const std::vector<std::string>& changed = map.groups[cell.group].tensors;
    // A made-up map may leave open what its joint cell changed.
    if (!in_joint.empty() &&
        !std::ranges::all_of(changed, [&](const std::string& name) { return in_joint.contains(name); }))
      continue;
    asked.insert(changed.begin(), changed.end());
    if (!cell.measured()) {
      ++result.missing;
      continue;
    }
    ++result.groups;
    for (const ChunkMean& chunk : cell.chunks) {
      by_chunk[chunk.chunk].singles += chunk.kl;
      ++by_chunk[chunk.chunk].cells;
    }
  }
  if (!in_joint.empty() && asked.size() != in_joint.size()) return std::nullopt;
  std::map<int, RatioSum> clusters;
  double positions = 0, joint_sum = 0, single_sum = 0;
  for (const ChunkMean& chunk : joint.chunks) {
    const Sum& sum = by_chunk[chunk.chunk];
    if (result.groups == 0 || sum.cells != result.groups) continue;
    const double n = static_cast<double>(chunk.positions);
    ++result.chunks;
    positions += n;
    joint_sum += chunk.kl * n;
    single_sum += sum.singles * n;
    RatioSum& cluster = clusters[chunk.cluster];
    cluster.numerator += sum.singles * n;
    cluster.denominator += chunk.kl * n;
  }
  if (positions == 0) return std::nullopt;
  result.joint_kl = joint_sum / positions;
  result.sum_of_singles = single_sum / positions;
  if (joint_sum > 0) {
    std::vector<RatioSum> list;
    list.reserve(clusters.size());
    for (const auto& [id, sum] : clusters) list.push_back(sum);
    const ClusteredRatio ratio = clustered_ratio(list);
    result.ratio = ratio.ratio;
    result.interval = ratio.interval;
  }
  return result;
}

}  // namespace

std::string main_grouping(const SensitivityMap& map, size_t format, MapMode mode) {
  std::map<std::string, size_t> measured;
  for (const MapCell& cell : map.cells)
    if (cell.format == format && cell.mode == mode && cell.measured())
      ++measured[map.groups[cell.group].grouping];
  const auto most = std::ranges::max_element(measured, {}, [](const auto& entry) { return entry.second; });
  return most == measured.end() ? "" : most->first;
}

void add_up_cells(SensitivityMap& map) {
  for (size_t format = 0; format < map.formats.size(); ++format) {
    const auto same_format = [&](const auto& item) { return item.format == format; };
    if (std::ranges::any_of(map.additivity, same_format)) continue;
    // A study may hold sweeps of several selections: of those that are complete, the largest.
    std::optional<MapAdditivity> widest;
    size_t most = 0;
    for (const MapCell& cell : map.cells) {
      if (!same_format(cell) || cell.mode != MapMode::kAll || !cell.measured()) continue;
      const size_t tensors = map.groups[cell.group].tensors.size();
      if (tensors <= most && widest) continue;
      if (auto sum = add_up(map, format, cell)) widest = sum, most = tensors;
    }
    if (widest) map.additivity.push_back(*widest);
  }
}

}  // namespace fqlab
