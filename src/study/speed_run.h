// Speed of two files as stored, measured in turn on this machine.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
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
  int cold_blocks = 3;  ///< loads after the page cache was dropped; 0: none
  uint64_t seed = 1;    ///< of the random tokens
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

/// The note of a speed measurement that failed and says nothing against what was measured before it: the
/// system or the engine refused. Any other error comes back as it is.
Result<Note> note_of_failure(const Error& error);

/// On the log ratio's 90 % interval; inconclusive where there is none. `margin` is of the log ratio.
Verdict judge_speed(const SpeedResult& result, double margin);

/// Several variants measured together, so that any two of them can be compared.
struct SpeedTable {
  std::vector<SpeedRun> against_original;  ///< one a variant
  std::vector<SpeedRun> first_against;     ///< the first variant against each of the others
  std::vector<std::string> warnings;       ///< of all; those of the runs are empty
};

/// The same in blocks A A' B1 .. Bn Bn .. B1 A' A: the two visits of each file lie around the same middle, so
/// that a steady drift of the machine cancels for every pair.
Result<SpeedTable> measure_speeds(const std::filesystem::path& original,
                                  std::span<const std::filesystem::path> variants,
                                  const SpeedSettings& settings, const std::function<void(int, int)>& tell);

}  // namespace fqlab
