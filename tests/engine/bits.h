#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "fqlab/gguf.h"

namespace fqlab {

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

inline bool expand_all(const TensorInfo&) { return true; }

}  // namespace fqlab
