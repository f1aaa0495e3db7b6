#include "fqlab/sensitivity_map.h"

#include <array>
#include <utility>

namespace fqlab {
namespace {

template <class Enum, size_t kCount>
using Names = std::array<std::pair<Enum, std::string_view>, kCount>;

constexpr Names<MapMode, 5> kModes = {{{MapMode::kOnly, "only"},
                                       {MapMode::kExcept, "except"},
                                       {MapMode::kCumulativeFront, "cumulative_front"},
                                       {MapMode::kCumulativeBack, "cumulative_back"},
                                       {MapMode::kAll, "all"}}};
constexpr Names<CellState, 4> kStates = {{{CellState::kMeasured, "measured"},
                                          {CellState::kFailed, "failed"},
                                          {CellState::kNotMeasured, "not_measured"},
                                          {CellState::kPredicted, "predicted"}}};

template <class Enum, size_t kCount>
std::string_view name_in(const Names<Enum, kCount>& names, Enum value) {
  for (const auto& [each, name] : names)
    if (each == value) return name;
  return "?";
}

template <class Enum, size_t kCount>
std::optional<Enum> parse_in(const Names<Enum, kCount>& names, std::string_view text) {
  for (const auto& [each, name] : names)
    if (name == text) return each;
  return std::nullopt;
}

}  // namespace

std::string_view name(MapMode mode) { return name_in(kModes, mode); }
std::optional<MapMode> parse_map_mode(std::string_view text) { return parse_in(kModes, text); }
std::string_view name(CellState state) { return name_in(kStates, state); }
std::optional<CellState> parse_cell_state(std::string_view text) { return parse_in(kStates, text); }

}  // namespace fqlab
