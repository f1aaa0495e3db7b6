#include "study/controls.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/hash.h"
#include "base/random.h"

namespace fqlab {

std::vector<ControlSpec> controls_for(Arithmetic arithmetic, uint64_t seed) {
  const std::vector<std::string> changes = arithmetic == Arithmetic::kReference
                                               ? std::vector<std::string>{"ulp"}
                                               : std::vector<std::string>{"2^-23", "2^-18", "2^-13"};
  std::vector<ControlSpec> controls;
  for (const std::string& change : changes)
    for (uint64_t i = 0; i < kFloorSeeds; ++i) controls.push_back({"noise_floor", change, seed + i});
  controls.push_back({"matched", "matched", seed});
  return controls;
}

void add_ulp_noise(std::span<const float> original, std::span<float> out, uint64_t seed) {
  Random random(seed);
  for (size_t i = 0; i < original.size(); ++i) {
    const int sign = random.sign();
    const uint32_t bits = std::bit_cast<uint32_t>(original[i]);
    out[i] = original[i] == 0 ? original[i] : std::bit_cast<float>(bits + static_cast<uint32_t>(sign));
  }
}

void add_relative_noise(std::span<const float> original, std::span<float> out, double size, uint64_t seed) {
  Random random(seed);
  for (size_t i = 0; i < original.size(); ++i)
    out[i] = static_cast<float>(static_cast<double>(original[i]) * (1 + random.sign() * size));
}

void add_matched_noise(std::span<const float> original, std::span<float> out, double relative_mse,
                       uint64_t seed) {
  double signal = 0, noise = 0;
  Random draw(seed);
  for (float x : original) {
    const double z = draw.normal();
    signal += static_cast<double>(x) * x;
    noise += z * z;
  }
  const double scale = noise > 0 ? std::sqrt(relative_mse * signal / noise) : 0;
  Random again(seed);  // the same draws: nothing of the tensor's size is kept
  for (size_t i = 0; i < original.size(); ++i)
    out[i] = static_cast<float>(original[i] + scale * again.normal());
}

void apply_control(const ControlSpec& control, std::string_view tensor, double relative_mse,
                   std::span<const float> original, std::span<float> out) {
  const uint64_t seed = hash64(tensor, control.seed);
  if (control.change == "ulp") return add_ulp_noise(original, out, seed);
  if (control.change == "matched") return add_matched_noise(original, out, relative_mse, seed);
  const int exponent = std::stoi(control.change.substr(2));
  add_relative_noise(original, out, std::ldexp(1.0, exponent), seed);
}

}  // namespace fqlab
