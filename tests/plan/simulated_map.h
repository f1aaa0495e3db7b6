// Maps with a known truth, and the loop that measures them as a sweep does.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "base/random.h"
#include "plan/allocation.h"
#include "plan/chunk_model.h"

namespace fqlab::testing {

/// Mean KL of each cell on each chunk, and what a chunk of the cell costs.
struct TrueMap {
  std::vector<std::vector<double>> kl;  ///< cells x chunks
  std::vector<double> cost;
};

/// Standard deviations in log KL.
struct MapShape {
  int cells = 210;
  int chunks = 16;
  double cell = 1.0;
  double chunk = 0.3;
  double scatter = 0.25;  ///< of one cell on one chunk; half as much to twice as much from cell to cell
};

inline TrueMap simulate_map(const MapShape& shape, uint64_t seed) {
  Random random(seed);
  std::vector<double> chunk_effect;
  for (int c = 0; c < shape.chunks; ++c) chunk_effect.push_back(shape.chunk * random.normal());
  TrueMap map;
  for (int i = 0; i < shape.cells; ++i) {
    const double cell = -6 + shape.cell * random.normal();
    const double scatter = shape.scatter * std::exp2(2 * random.uniform() - 1);
    map.kl.emplace_back();
    for (const double effect : chunk_effect)
      map.kl.back().push_back(std::exp(cell + effect + scatter * random.normal()));
    map.cost.push_back(0.1 + 0.9 * random.uniform());  // replay: the share of the layers behind the change
  }
  return map;
}

/// The same map with its chunks in a random order.
inline TrueMap shuffle_chunks(TrueMap map, uint64_t seed) {
  Random random(seed);
  const size_t chunks = map.kl.front().size();
  for (size_t c = chunks; c > 1; --c) {
    const size_t other = random.below(c);
    for (auto& cell : map.kl) std::swap(cell[c - 1], cell[other]);
  }
  return map;
}

/// The same map with its cells in a random order.
inline TrueMap shuffle_cells(TrueMap map, uint64_t seed) {
  Random random(seed);
  for (size_t i = map.kl.size(); i > 1; --i) {
    const size_t other = random.below(i);
    std::swap(map.kl[i - 1], map.kl[other]);
    std::swap(map.cost[i - 1], map.cost[other]);
  }
  return map;
}

inline double mean_over(std::span<const double> values, size_t n) {
  return std::accumulate(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n), 0.0) /
         static_cast<double>(n);
}

struct MeasuredMap {
  std::vector<CellEvidence> cells;
  std::vector<double> kl;  ///< estimated
  int evaluations = 0;
  double share_of_tokens = 0, share_of_cost = 0;  ///< of goal.chunks chunks of every cell
  int rounds = 0;
};

/// Nothing known yet.
inline std::vector<CellEvidence> no_evidence(const TrueMap& map, const AllocationGoal& goal) {
  std::vector<CellEvidence> cells;
  for (const double cost : map.cost) {
    cells.emplace_back();
    cells.back().chunk_kl.resize(static_cast<size_t>(goal.chunks));
    cells.back().cost = cost;
  }
  return cells;
}

inline MeasuredMap measure(const TrueMap& map, const AllocationGoal& goal, std::vector<CellEvidence> cells) {
  MeasuredMap result;
  result.cells = std::move(cells);
  for (;; ++result.rounds) {
    const CellChunks next = allocate_next(result.cells, goal);
    if (next.empty()) break;
    for (const auto& [cell, chunk] : next)
      result.cells[cell].chunk_kl[static_cast<size_t>(chunk)] = map.kl[cell][static_cast<size_t>(chunk)];
  }
  double cost = 0, all_cost = 0;
  for (const CellEvidence& cell : result.cells) {
    const auto known = std::ranges::count_if(cell.chunk_kl, [](const auto& kl) { return kl.has_value(); });
    result.evaluations += static_cast<int>(known);
    cost += cell.cost * static_cast<double>(known);
    all_cost += cell.cost * goal.chunks;
  }
  for (const CellEstimate& cell : fit_chunk_model(result.cells).cells)
    result.kl.push_back(cell.kl.value_or(0));
  result.share_of_tokens = static_cast<double>(result.evaluations) /
                           static_cast<double>(map.kl.size() * static_cast<size_t>(goal.chunks));
  result.share_of_cost = cost / all_cost;
  return result;
}

inline MeasuredMap measure(const TrueMap& map, const AllocationGoal& goal) {
  return measure(map, goal, no_evidence(map, goal));
}

/// Maps of several formats, one after the other, with pilots from all of them.
inline std::vector<MeasuredMap> measure_with_pilots(std::span<const TrueMap> maps, AllocationGoal goal) {
  std::vector<std::vector<CellEvidence>> cells;
  std::vector<std::pair<size_t, size_t>> competing;  // map, cell
  for (size_t m = 0; m < maps.size(); ++m) {
    cells.push_back(no_evidence(maps[m], goal));
    for (size_t i = 0; i < maps[m].kl.size(); ++i) competing.emplace_back(m, i);
  }
  std::vector<Pilot> pilots;
  for (const size_t pilot : choose_pilots(competing.size(), goal.chunks)) {
    const auto [m, i] = competing[pilot];
    pilots.push_back({m, maps[m].kl[i]});
    pilots.back().chunk_kl.resize(static_cast<size_t>(goal.chunks));
    std::ranges::copy(pilots.back().chunk_kl, cells[m][i].chunk_kl.begin());
  }
  goal.representative = find_representative_chunks(pilots);
  std::vector<MeasuredMap> measured;
  for (size_t m = 0; m < maps.size(); ++m) measured.push_back(measure(maps[m], goal, std::move(cells[m])));
  return measured;
}

/// Mean of each cell over its first `n` chunks.
inline std::vector<double> truth(const TrueMap& map, int n) {
  std::vector<double> means;
  for (const auto& cell : map.kl) means.push_back(mean_over(cell, static_cast<size_t>(n)));
  return means;
}

inline std::vector<size_t> descending(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return values[a] > values[b]; });
  return order;
}

/// Without ties.
inline double spearman(std::span<const double> a, std::span<const double> b) {
  std::vector<double> rank(a.size());
  const auto order = descending(a);
  for (size_t r = 0; r < order.size(); ++r) rank[order[r]] = static_cast<double>(r);
  double squares = 0;
  const auto other = descending(b);
  for (size_t r = 0; r < other.size(); ++r)
    squares += (rank[other[r]] - static_cast<double>(r)) * (rank[other[r]] - static_cast<double>(r));
  const double n = static_cast<double>(a.size());
  return 1 - 6 * squares / (n * (n * n - 1));
}

/// The smallest true KL among the `top` that look largest, over the true KL of the top-th.
inline double weakest_winner(std::span<const double> estimated, std::span<const double> true_kl, int top) {
  const auto looks = descending(estimated);
  const auto is = descending(true_kl);
  double weakest = HUGE_VAL;
  for (size_t r = 0; r < static_cast<size_t>(top); ++r) weakest = std::min(weakest, true_kl[looks[r]]);
  return weakest / true_kl[is[static_cast<size_t>(top) - 1]];
}

}  // namespace fqlab::testing
