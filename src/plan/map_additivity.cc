// Do single effects add up to the joint one?
#include <algorithm>
#include <map>

#include "fqlab/sensitivity_map.h"

namespace fqlab {
namespace {

std::optional<MapAdditivity> add_up(const SensitivityMap& map, size_t format, const MapCell& joint) {
  const std::string grouping = main_grouping(map, format, MapMode::kOnly);
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
    const auto joint = std::ranges::find_if(map.cells, [&](const MapCell& cell) {
      return same_format(cell) && cell.mode == MapMode::kAll && cell.measured();
    });
    if (joint == map.cells.end()) continue;
    if (auto sum = add_up(map, format, *joint)) map.additivity.push_back(*sum);
  }
}

}  // namespace fqlab
