// What a WeightImage holds; shared between the image and the loader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "fqlab/engine.h"

namespace fqlab {

struct WeightImage::State {
  int descriptor = -1;
  std::byte* memory = nullptr;
  uint64_t size = 0;
  std::string shown_name;
  std::unordered_map<std::string, std::span<float>> floats;
  ~State();
};

}  // namespace fqlab
