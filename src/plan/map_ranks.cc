// Ranks of the cells of a map, and how sure they are.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "plan/map_sets.h"

namespace fqlab {
namespace {

constexpr double kTiny = 1e-18;  // nats; below what double arithmetic can tell from 0
constexpr int kOwnScatterFrom = 4;

double log_kl(const ChunkMean& chunk) { return std::log(std::max(chunk.kl, kTiny)); }

// Half the width of a 95 % Student t interval in standard errors; Boost's quantile is dear for millions of
// pairs.
class StudentQuantiles {
 public:
  double operator()(double degrees) {
    const auto [found, added] = quantiles_.try_emplace(degrees, 0);
    if (added) found->second = student_interval(0, 1.0, degrees).value_or(Interval{}).high;
    return found->second;
  }

 private:
  std::map<double, double> quantiles_;
};

// 1: a is certainly larger than b; -1: certainly smaller; 0: open. Absent where no scatter is known.
std::optional<int> certain_order(const MapCell& a, const MapCell& b, const ChunkModel& shared,
                                 StudentQuantiles& quantile) {
  std::vector<std::pair<int, ClusterSum>> clusters;
  double sum = 0;
  int common = 0;
  for (size_t i = 0, k = 0; i < a.chunks.size() && k < b.chunks.size();) {
    if (a.chunks[i].chunk != b.chunks[k].chunk) {
      ++(a.chunks[i].chunk < b.chunks[k].chunk ? i : k);
      continue;
    }
    const int id = a.chunks[i].cluster;
    const double difference = log_kl(a.chunks[i++]) - log_kl(b.chunks[k++]);
    auto cluster = std::ranges::find(clusters, id, [](const auto& each) { return each.first; });
    if (cluster == clusters.end()) cluster = clusters.insert(cluster, {id, {}});
    cluster->second.sum += difference;
    ++cluster->second.n;
    sum += difference;
    ++common;
  }
  if (common == 0) return std::nullopt;
  const double mean = sum / common, groups = static_cast<double>(clusters.size());
  double half = 0;
  if (static_cast<int>(clusters.size()) >= kOwnScatterFrom) {  // as clustered_mean()
    double squares = 0;
    for (const auto& [id, cluster] : clusters) {
      const double deviation = cluster.sum - mean * static_cast<double>(cluster.n);
      squares += deviation * deviation;
    }
    half = quantile(groups - 1) * std::sqrt(groups / (groups - 1) * squares) / common;
  } else {
    if (!(shared.degrees > 0)) return std::nullopt;
    half = quantile(shared.degrees) * shared.scatter * std::sqrt(2.0 / common);
  }
  return mean - half > 0 ? 1 : mean + half < 0 ? -1 : 0;
}

void rank_group(const std::vector<MapCell*>& cells) {
  const ChunkModel model = fit_chunk_model(cells);
  std::vector<double> kl;
  for (size_t i = 0; i < cells.size(); ++i) kl.push_back(model.cells[i].kl.value_or(*cells[i]->kl));
  const size_t n = cells.size();
  StudentQuantiles quantile;
  bool any_scatter = false;
  std::vector<double> certainly_larger(n, 0), certainly_smaller(n, 0);
  for (size_t i = 0; i < n; ++i)
    for (size_t k = i + 1; k < n; ++k) {
      const std::optional<int> order = certain_order(*cells[i], *cells[k], model, quantile);
      any_scatter = any_scatter || order;
      if (order.value_or(0) == 0) continue;
      ++certainly_larger[*order > 0 ? k : i];
      ++certainly_smaller[*order > 0 ? i : k];
    }
  for (size_t i = 0; i < n; ++i) {
    double larger = 0, equal = -1;  // itself
    for (const double other : kl) {
      larger += other > kl[i] ? 1 : 0;
      equal += other == kl[i] ? 1 : 0;
    }
    const double rank = 1 + larger + equal / 2;
    cells[i]->rank = rank;
    // The point estimate may rest on more chunks than a pair shares; the interval holds it in any case.
    if (any_scatter)
      cells[i]->rank_interval = Interval{std::min(1 + certainly_larger[i], rank),
                                         std::max(static_cast<double>(n) - certainly_smaller[i], rank)};
  }
}

}  // namespace

void rank_cells(SensitivityMap& map) {
  std::set<std::pair<size_t, MapMode>> ranked;
  for (const MapCell& cell : map.cells)
    if (cell.rank) ranked.insert({cell.format, cell.mode});
  for (const auto& [key, cells] : measured_sets(map)) {
    if (ranked.contains(key) || (key.second != MapMode::kOnly && key.second != MapMode::kExcept)) continue;
    std::map<std::string, std::vector<MapCell*>> alike;  // a layer has no place among tensors
    for (MapCell* cell : cells) alike[map.groups[cell->group].grouping].push_back(cell);
    for (const auto& [grouping, group] : alike) rank_group(group);
  }
}

}  // namespace fqlab
