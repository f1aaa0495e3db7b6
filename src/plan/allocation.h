// Which cell of a map is measured on which chunk next: few tokens for the same map. Pure: knows evidence, not
// models; the same evidence always gives the same answer, so a study can be resumed anywhere.
// See docs/statistics.md, "How cells get their chunks", and docs/decisions/0006.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "plan/representative_chunks.h"

namespace fqlab {

/// What is known of one cell: one group of tensors in one number format. The cells of one call share a
/// format.
struct CellEvidence {
  std::vector<std::optional<double>> chunk_kl;  ///< by chunk: mean KL of its scored positions, nats
  double cost = 1;      ///< of one chunk of this cell, relative to the other cells, above 0
  bool closed = false;  ///< gets no more chunks, such as a trial that failed; what it has still counts
};

struct AllocationGoal {
  enum class Kind {
    kExhaustive,  ///< every chunk of every cell
    kMap,         ///< the order of all cells; every cell's value where `precision_asked`
    kTop,    ///< which cells are the `top` largest, within 5 %, for a third of the exhaustive map at most
    kEqual,  ///< every cell on the same `each` chunks, as what is to be added up needs
  } kind = Kind::kMap;
  /// Half width of a cell's 95 % interval over its KL, against the KL of the exhaustive map.
  double precision = 0.10;
  /// kMap goes on until every cell has `precision`, with any number of chunks. Without it the map stops where
  /// its order is settled, and at a quarter of the exhaustive map's chunks and cost in any case.
  bool precision_asked = false;
  int top = 10;
  int each = 1;    ///< chunks that kEqual gives every cell
  int chunks = 8;  ///< most that a cell may get
  /// Chunks of the exhaustive map that limits are parts of; absent: `chunks`. A race of 16 chunks a cell on
  /// the budget of 8 settles what 8 chunks of every cell cannot: with 8 the cells beside the K-th look alike.
  std::optional<int> budget_chunks;
  /// kMap without `precision_asked`: a few cells are measured on every chunk first and say which chunks stand
  /// for all. For whoever sees the cells of all formats; allocate_next() goes by `representative`.
  bool pilots = false;
  /// Of these `chunks`; absent: they are taken as they come.
  std::optional<RepresentativeChunks> representative;
};

using CellChunks = std::vector<std::pair<size_t, int>>;  ///< cell, chunk; independent of each other

/// What to measure next, a round at a time: call again with the new evidence until it is nothing. A cell gets
/// chunks 0, 1, 2, ... (or the representative ones) in this order, so that cells are compared on the same
/// texts; gaps are filled first. Every cell gets one chunk, whatever the limits.
CellChunks allocate_next(std::span<const CellEvidence> cells, const AllocationGoal& goal);

}  // namespace fqlab
