// The cells of a map that are compared with each other.
#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "fqlab/sensitivity_map.h"
#include "plan/chunk_model.h"

namespace fqlab {

/// The measured cells of each format and mode.
using MapSets = std::map<std::pair<size_t, MapMode>, std::vector<MapCell*>>;
MapSets measured_sets(SensitivityMap& map);

ChunkModel fit_chunk_model(std::span<MapCell* const> cells);

}  // namespace fqlab
