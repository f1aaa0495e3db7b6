// The figures of a sensitivity map, as SVG. Each returns an empty text where there is nothing to draw.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fqlab/sensitivity_map.h"
#include "report/messages.h"

namespace fqlab::report {

/// How many formats one figure tells apart by colour, mark and dashes.
inline constexpr size_t kSeriesPerFigure = 4;

/// Layers by kinds: mean KL in each cell; hatched where it cannot be told from round-off, a word where the
/// trial failed, empty where it was not measured.
std::string map_heatmap(const SensitivityMap& map, size_t format, MapMode mode, const std::string& label,
                        const Text& text);

/// KL along the layers, a panel a kind, a line each for `series` formats from `first` on.
std::string profile_figure(const SensitivityMap& map, MapMode mode, size_t first, size_t series,
                           const std::string& label, const Text& text);
/// How many formats from `first` on one profile holds: as many as differ little enough that lines keep their
/// shape on a common axis, 1 to kSeriesPerFigure.
size_t profile_series(const SensitivityMap& map, MapMode mode, size_t first);

/// The `most` largest effects, each with its interval; the rank with its interval at the right.
std::string ranking_figure(const SensitivityMap& map, std::span<const MapCell* const> ranked, size_t most,
                           const std::string& label, const Text& text);

/// KL against the number of layers changed together, from the front and from the back.
std::string curves_figure(const SensitivityMap& map, size_t format, const std::string& label,
                          const Text& text);

/// Predicted against measured KL of the cells that have both, with the line where they agree.
std::string prediction_figure(const SensitivityMap& map, size_t format, const std::string& label,
                              const Text& text);

}  // namespace fqlab::report
