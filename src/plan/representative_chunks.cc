#include "plan/representative_chunks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "stats/square.h"

namespace fqlab {
namespace {

// On 210 matrices of SmolLM2 twelve pilots name a chunk as good as the best but one; more than a tenth of the
// cells would cost what a second chunk of every cell costs (docs/decisions/0016).
constexpr size_t kFewestPilots = 12, kMostPilots = 24, kCellsPerPilot = 20;
constexpr size_t kFewestCells = 10 * kFewestPilots;
constexpr int kFewestChunks = 4;
constexpr size_t kFewestJudges = 4;

using Pilots = std::vector<const Pilot*>;
using PilotsOfFormats = std::map<size_t, Pilots>;

/// ln(mean KL over `chunks` / mean KL over all), but for what all pilots share.
double log_error(const Pilot& pilot, std::span<const int> chunks) {
  double some = 0;
  for (const int chunk : chunks) some += pilot.chunk_kl[static_cast<size_t>(chunk)];
  return std::log(some / std::accumulate(pilot.chunk_kl.begin(), pilot.chunk_kl.end(), 0.0));
}

double mean_log_error(const Pilots& pilots, std::span<const int> chunks) {
  double sum = 0;
  for (const Pilot* pilot : pilots) sum += log_error(*pilot, chunks);
  return sum / static_cast<double>(pilots.size());
}

/// A pilot's KL on the chunks that are chosen so far, and on all of them.
struct PilotSums {
  const Pilot* pilot;
  double chosen = 0, all = 0;

  double with(int chunk) const { return chosen + pilot->chunk_kl[static_cast<size_t>(chunk)]; }
};

double squared_errors_with(std::span<const std::vector<PilotSums>> formats, int chunk) {
  double squares = 0;
  std::vector<double> errors;
  for (const std::vector<PilotSums>& pilots : formats) {
    errors.clear();
    for (const PilotSums& sums : pilots) errors.push_back(std::log(sums.with(chunk) / sums.all));
    const double mean =
        std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size());
    for (const double error : errors) squares += square(error - mean);
  }
  return squares;
}

/// One chunk after the other, each time the one that leaves the least squared errors.
std::vector<int> order_chunks(const PilotsOfFormats& formats, size_t chunks) {
  std::vector<std::vector<PilotSums>> sums;
  for (const auto& [format, pilots] : formats) {
    sums.emplace_back();
    for (const Pilot* pilot : pilots)
      sums.back().push_back({pilot, 0, std::accumulate(pilot->chunk_kl.begin(), pilot->chunk_kl.end(), 0.0)});
  }
  std::vector<int> order, left(chunks);
  std::iota(left.begin(), left.end(), 0);
  while (!left.empty()) {
    auto best = left.begin();
    double least = squared_errors_with(sums, *best);
    for (auto chunk = std::next(best); chunk != left.end(); ++chunk)
      if (const double squares = squared_errors_with(sums, *chunk); squares < least) {
        best = chunk;
        least = squares;
      }
    for (std::vector<PilotSums>& pilots : sums)
      for (PilotSums& pilot : pilots) pilot.chosen = pilot.with(*best);
    order.push_back(*best);
    left.erase(best);
  }
  return order;
}

/// By n - 1: mean squared error of a pilot on the first n chunks of the order that the other pilots find. The
/// pilots' own error in their own order would be too small: it is the least of many.
std::vector<double> held_out_variance(const PilotsOfFormats& formats, size_t chunks) {
  std::vector<double> squares(chunks, 0);
  double judged = 0;
  for (const auto& [format, pilots] : formats)
    for (size_t i = 0; i < pilots.size(); ++i) {
      PilotsOfFormats others = formats;
      Pilots& beside = others[format];
      beside.erase(beside.begin() + static_cast<std::ptrdiff_t>(i));
      const std::vector<int> order = order_chunks(others, chunks);
      const double n = static_cast<double>(beside.size());
      for (size_t k = 1; k < chunks; ++k) {
        const std::span<const int> first(order.data(), k);
        const double error = log_error(*pilots[i], first) - mean_log_error(beside, first);
        squares[k - 1] += square(error) * n / (n + 1);  // the mean of n has an error of its own
      }
      ++judged;
    }
  for (double& sum : squares) sum /= judged;
  return squares;
}

}  // namespace

std::vector<size_t> choose_pilots(size_t cells, int chunks) {
  std::vector<size_t> pilots;
  if (cells < kFewestCells || chunks < kFewestChunks) return pilots;
  const size_t count = std::clamp(cells / kCellsPerPilot, kFewestPilots, kMostPilots);
  for (size_t i = 0; i < count; ++i) pilots.push_back((2 * i + 1) * cells / (2 * count));
  return pilots;
}

std::optional<RepresentativeChunks> find_representative_chunks(std::span<const Pilot> pilots) {
  PilotsOfFormats formats;
  for (const Pilot& pilot : pilots)
    if (std::ranges::all_of(pilot.chunk_kl, [](double kl) { return kl > 0; }))
      formats[pilot.format].push_back(&pilot);
  std::erase_if(formats, [](const auto& entry) { return entry.second.size() < 2; });
  size_t judges = 0;
  for (const auto& [format, cells] : formats) judges += cells.size();
  if (judges < kFewestJudges) return std::nullopt;
  const size_t chunks = formats.begin()->second.front()->chunk_kl.size();
  return RepresentativeChunks{order_chunks(formats, chunks), held_out_variance(formats, chunks)};
}

}  // namespace fqlab
