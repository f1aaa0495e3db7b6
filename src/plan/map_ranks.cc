// Ranks of the cells of a map, and how sure they are.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "fqlab/sensitivity_map.h"

namespace fqlab {
namespace {

constexpr double kTiny = 1e-18;  // nats; below what double arithmetic can tell from 0
constexpr int kOwnScatterFrom = 4;

double log_kl(const ChunkMean& chunk) { return std::log(std::max(chunk.kl, kTiny)); }

// Scatter of log KL around cell + chunk, over all cells of a format: what is left when hard texts and
// sensitive tensors are taken out.
struct Scatter {
  double standard_deviation = 0;
  double degrees = 0;
};

Scatter shared_scatter(const std::vector<const MapCell*>& cells) {
  constexpr int kRounds = 50;  // alternating means converge geometrically; unbalanced maps need a few
  std::map<int, double> of_chunk;
  std::vector<double> of_cell(cells.size(), 0);
  for (int round = 0; round < kRounds; ++round) {
    std::map<int, std::pair<double, int>> sums;
    for (size_t i = 0; i < cells.size(); ++i) {
      double sum = 0;
      for (const ChunkMean& chunk : cells[i]->chunks) sum += log_kl(chunk) - of_chunk[chunk.chunk];
      of_cell[i] = sum / static_cast<double>(std::max<size_t>(1, cells[i]->chunks.size()));
      for (const ChunkMean& chunk : cells[i]->chunks) {
        auto& [total, n] = sums[chunk.chunk];
        total += log_kl(chunk) - of_cell[i];
        ++n;
      }
    }
    for (const auto& [chunk, sum] : sums) of_chunk[chunk] = sum.first / sum.second;
  }
  double squares = 0, n = 0, cells_used = 0;
  std::set<int> chunks;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i]->chunks.size() < 2) continue;
    ++cells_used;
    for (const ChunkMean& chunk : cells[i]->chunks) {
      const double residual = log_kl(chunk) - of_cell[i] - of_chunk[chunk.chunk];
      squares += residual * residual;
      ++n;
      chunks.insert(chunk.chunk);
    }
  }
  const double degrees = n - cells_used - static_cast<double>(chunks.size()) + 1;
  return degrees > 0 ? Scatter{std::sqrt(squares / degrees), degrees} : Scatter{};
}

// 1: a is certainly larger than b; -1: certainly smaller; 0: open.
int certain_order(const MapCell& a, const MapCell& b, const Scatter& scatter) {
  std::map<int, ClusterSum> clusters;
  double sum = 0;
  int common = 0;
  for (size_t i = 0, k = 0; i < a.chunks.size() && k < b.chunks.size();) {
    if (a.chunks[i].chunk != b.chunks[k].chunk) {
      ++(a.chunks[i].chunk < b.chunks[k].chunk ? i : k);
      continue;
    }
    const double difference = log_kl(a.chunks[i++]) - log_kl(b.chunks[k++]);
    ClusterSum& cluster = clusters[a.chunks[i - 1].cluster];
    cluster.sum += difference;
    ++cluster.n;
    sum += difference;
    ++common;
  }
  std::optional<Interval> interval;
  if (static_cast<int>(clusters.size()) >= kOwnScatterFrom) {
    std::vector<ClusterSum> list;
    for (const auto& [id, cluster] : clusters) list.push_back(cluster);
    interval = clustered_mean(list).interval;
  } else if (common > 0 && scatter.degrees > 0) {
    interval =
        student_interval(sum / common, scatter.standard_deviation * std::sqrt(2.0 / common), scatter.degrees);
  }
  if (!interval) return 0;
  return interval->low > 0 ? 1 : interval->high < 0 ? -1 : 0;
}

void rank_group(const std::vector<MapCell*>& cells) {
  const std::vector<const MapCell*> views(cells.begin(), cells.end());
  const Scatter scatter = shared_scatter(views);
  const bool any_scatter = scatter.degrees > 0;
  const double n = static_cast<double>(cells.size());
  for (MapCell* cell : cells) {
    double larger = 0, equal = 0, certainly_larger = 0, certainly_smaller = 0;
    for (const MapCell* other : cells) {
      if (other == cell) continue;
      larger += *other->kl > *cell->kl ? 1 : 0;
      equal += *other->kl == *cell->kl ? 1 : 0;
      const int order = certain_order(*other, *cell, scatter);
      certainly_larger += order > 0 ? 1 : 0;
      certainly_smaller += order < 0 ? 1 : 0;
    }
    cell->rank = 1 + larger + equal / 2;
    // The point estimate may rest on more chunks than a pair shares; the interval holds it in any case.
    if (any_scatter)
      cell->rank_interval =
          Interval{std::min(1 + certainly_larger, *cell->rank), std::max(n - certainly_smaller, *cell->rank)};
  }
}

}  // namespace

void rank_cells(SensitivityMap& map) {
  std::map<std::pair<size_t, MapMode>, std::vector<MapCell*>> sets;
  std::set<std::pair<size_t, MapMode>> ranked;
  for (MapCell& cell : map.cells) {
    if (cell.rank) ranked.insert({cell.format, cell.mode});
    if (cell.measured()) sets[{cell.format, cell.mode}].push_back(&cell);
  }
  for (const auto& [key, cells] : sets)
    if (!ranked.contains(key) && (key.second == MapMode::kOnly || key.second == MapMode::kExcept))
      rank_group(cells);
}

}  // namespace fqlab
