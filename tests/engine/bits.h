#pragma once

#include <cstring>
#include <span>

#include "fqlab/gguf.h"

namespace fqlab {

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

inline bool expand_all(const TensorInfo&) { return true; }

}  // namespace fqlab
