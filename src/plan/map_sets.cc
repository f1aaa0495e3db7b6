#include "plan/map_sets.h"

#include <algorithm>

namespace fqlab {

MapSets measured_sets(SensitivityMap& map) {
  MapSets sets;
  for (MapCell& cell : map.cells)
    if (cell.measured()) sets[{cell.format, cell.mode}].push_back(&cell);
  return sets;
}

ChunkModel fit_chunk_model(std::span<MapCell* const> cells) {
  int chunks = 0;
  for (const MapCell* cell : cells)
    for (const ChunkMean& chunk : cell->chunks) chunks = std::max(chunks, chunk.chunk + 1);
  std::vector<CellEvidence> evidence(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    evidence[i].chunk_kl.resize(static_cast<size_t>(chunks));
    for (const ChunkMean& chunk : cells[i]->chunks)
      evidence[i].chunk_kl[static_cast<size_t>(chunk.chunk)] = chunk.kl;
  }
  return fit_chunk_model(evidence);
}

}  // namespace fqlab
