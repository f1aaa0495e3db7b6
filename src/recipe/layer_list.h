// Layers as people write them.
#pragma once

#include <set>
#include <string>

namespace fqlab {

/// {0, 1, 2, 5} -> "0-2,5": what a selector takes as its layer part.
inline std::string layer_list(const std::set<int>& layers) {
  std::string text;
  for (auto it = layers.begin(); it != layers.end();) {
    const int first = *it;
    int last = first;
    while (++it != layers.end() && *it == last + 1) last = *it;
    text +=
        (text.empty() ? "" : ",") + std::to_string(first) + (last > first ? "-" + std::to_string(last) : "");
  }
  return text;
}

}  // namespace fqlab
