// Controls: changes to a tensor that mean nothing (noise floor), or that have a format's size but not its
// shape.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/comparison.h"

namespace fqlab {

/// One kind of control, run with one seed.
struct ControlSpec {
  std::string kind;    ///< "noise_floor" or "matched"
  std::string change;  ///< "ulp", "2^-23", "2^-18", "2^-13", "matched"
  uint64_t seed = 0;
};

inline constexpr uint64_t kFloorSeeds = 3;  ///< noise of one kind, drawn as often

/// The controls of a comparison: reference: "ulp"; native: three sizes of relative noise; three seeds each;
/// one "matched".
std::vector<ControlSpec> controls_for(Arithmetic arithmetic, uint64_t seed);

/// Every nonzero value moved by one float32 unit in the last place, up or down at random.
void add_ulp_noise(std::span<const float> original, std::span<float> out, uint64_t seed);

/// Every value times 1 + s * size, s = +1 or -1 at random.
void add_relative_noise(std::span<const float> original, std::span<float> out, double size, uint64_t seed);

/// Normal noise, scaled so that sum (out-x)^2 / sum x^2 = relative_mse before rounding to float32.
void add_matched_noise(std::span<const float> original, std::span<float> out, double relative_mse,
                       uint64_t seed);

/// Applies one control to a tensor; the noise depends on the seed and the tensor's name only.
void apply_control(const ControlSpec& control, std::string_view tensor, double relative_mse,
                   std::span<const float> original, std::span<float> out);

}  // namespace fqlab
