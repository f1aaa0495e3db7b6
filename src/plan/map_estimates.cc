// What few chunks of a cell say together with all chunks of the others.
#include <algorithm>
#include <cmath>

#include "plan/map_sets.h"
#include "stats/square.h"

namespace fqlab {
namespace {

// The chunks' effects, which all cells share: variance of their mean as a sample of texts, and its degrees.
struct SharedError {
  double variance = 0, degrees = 0;
  size_t chunks = 0;
};

SharedError shared_error(const ChunkModel& model) {
  SharedError error;
  double squares = 0;
  for (const std::optional<double>& effect : model.chunk_effect)
    if (effect) {
      squares += square(*effect);  // their mean is 0
      ++error.chunks;
    }
  if (error.chunks < 2) return error;
  error.degrees = static_cast<double>(error.chunks) - 1;
  error.variance = squares / error.degrees / static_cast<double>(error.chunks);
  return error;
}

/// kl * exp(-+ t se): se^2 = scatter^2 / n + variance of the mean chunk effect, in logs; degrees of freedom
/// by Welch and Satterthwaite.
std::optional<Interval> interval_by_model(const CellEstimate& cell, const SharedError& shared) {
  if (!cell.kl || !(*cell.kl > 0) || !(cell.degrees > 0) || !(shared.degrees > 0)) return std::nullopt;
  const double own = square(cell.scatter) / cell.chunks, sum = own + shared.variance;
  if (!(sum > 0)) return std::nullopt;
  const double effective =
      square(sum) / (square(own) / cell.degrees + square(shared.variance) / shared.degrees);
  const std::optional<Interval> logs = student_interval(std::log(*cell.kl), std::sqrt(sum), effective);
  if (!logs) return std::nullopt;
  return Interval{std::exp(logs->low), std::exp(logs->high)};
}

}  // namespace

void estimate_cells(SensitivityMap& map) {
  for (const auto& [key, cells] : measured_sets(map)) {
    const ChunkModel model = fit_chunk_model(cells);
    const SharedError shared = shared_error(model);
    for (size_t i = 0; i < cells.size(); ++i) {
      MapCell& cell = *cells[i];
      if (cell.chunks.size() == shared.chunks) continue;
      const auto interval = interval_by_model(model.cells[i], shared);
      if (!interval) continue;
      cell.kl = model.cells[i].kl;
      cell.kl_interval = interval;
    }
  }
}

}  // namespace fqlab
