// What chunks say of cells that were not measured on the same chunks: log KL = cell + chunk + scatter.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "plan/allocation.h"

namespace fqlab {

/// Estimate of one cell.
struct CellEstimate {
  /// Mean KL in nats over all chunks that any cell has, those not measured here filled in by the chunks'
  /// effects; the plain mean where all were measured. Absent without evidence.
  std::optional<double> kl;
  double scatter =
      0;  ///< standard deviation of one chunk's log KL around cell + chunk, own and shared evidence
  double degrees =
      0;  ///< of `scatter`: cells differ in it, so what they share counts as a few chunks; 0: a guess
  int chunks = 0;  ///< measured
  /// Standard error of ln(kl) against all `of` chunks measured: with every chunk there is none left.
  double log_error(int of) const;
};

struct ChunkModel {
  std::vector<CellEstimate> cells;
  std::vector<std::optional<double>> chunk_effect;  ///< log, mean 0; absent where no cell has the chunk
  double scatter = 0;                               ///< shared by all cells
  double degrees = 0;                               ///< of `scatter`; 0: a guess, as nothing was repeated
};

/// Least squares in log KL by alternating means. Chunks with a KL of 0 or below count in the means and not in
/// the logs. Blind spot: chunks whose effect differs by kind of tensor are scatter.
ChunkModel fit_chunk_model(std::span<const CellEvidence> cells);

}  // namespace fqlab
