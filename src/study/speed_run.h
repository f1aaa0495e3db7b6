// Speed of two files as stored, measured in turn on this machine.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/result.h"

namespace fqlab {

struct SpeedSettings {
  int threads = 2;
  int blocks = 5;  ///< A B B A blocks; more give a narrower interval
  int prompt_tokens = 512;
  int generated_tokens = 64;
  uint64_t seed = 1;
};

struct SpeedRun {
  SpeedResult load_ms, first_token_ms, prompt_tps, generation_tps;
  std::optional<SpeedResult> cold_load_ms;  ///< absent where the page cache could not be dropped
  std::vector<std::string> warnings;        ///< "busy_machine", "speed_outliers"
};

/// Measures in blocks A A' B B A' A, A' being a second load of the original: A against B gives the result, A
/// against A' the machine's own noise, from the same minutes. Every number comes from a load of its own. One
/// unmeasured load of each file comes first.
/// `tell(done, total)` is called before each block.
Result<SpeedRun> measure_speed(const std::filesystem::path& original, const std::filesystem::path& variant,
                               const SpeedSettings& settings, const std::function<void(int, int)>& tell);

}  // namespace fqlab
