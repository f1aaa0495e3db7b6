// Which chunks of a text stand for all of it, judged by a few cells that were measured on every chunk.
// See docs/statistics.md, "How cells get their chunks", and docs/decisions/0016.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace fqlab {

/// An order of a text's chunks: a cell's first n stand for all chunks as well as n found one after the other
/// can.
struct RepresentativeChunks {
  std::vector<int> order;
  /// By n - 1: variance of ln(mean KL over the first n chunks / mean KL over all), what all cells of a format
  /// share taken out, since it moves no rank. 0 for all chunks.
  std::vector<double> log_variance;
};

/// Mean KL in nats of one pilot cell, by chunk; all pilots have as many chunks.
struct Pilot {
  size_t format = 0;
  std::vector<double> chunk_kl;
};

/// Numbers below `cells`, evenly spread; none where pilots would cost more than they save.
std::vector<size_t> choose_pilots(size_t cells, int chunks);

/// Absent where fewer than four pilots, of formats with at least two, have a KL above 0 on every chunk.
std::optional<RepresentativeChunks> find_representative_chunks(std::span<const Pilot> pilots);

}  // namespace fqlab
