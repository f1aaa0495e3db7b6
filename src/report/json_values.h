// Values that may be absent, as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "fqlab/comparison.h"

namespace fqlab::report {

using Json = nlohmann::ordered_json;

/// [low, high], or null.
inline Json from(const std::optional<Interval>& interval) {
  return interval ? Json::array({interval->low, interval->high}) : Json(nullptr);
}

/// The value, or null.
template <class T>
Json from(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

inline Json from(const std::optional<Verdict>& verdict) {
  return verdict ? Json(name(*verdict)) : Json(nullptr);
}

inline Json from(const Estimate& estimate) {
  return {{"mean", estimate.value}, {"interval", from(estimate.interval)}};
}

}  // namespace fqlab::report
