// The floating-point mode of the kernels: nearest-even, no flushing of subnormals, no traps.
#pragma once

#include <cstdint>

namespace fqlab {

/// Sets the mode for this thread and restores the caller's at the end of the scope.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  uint64_t saved_;
};

}  // namespace fqlab
