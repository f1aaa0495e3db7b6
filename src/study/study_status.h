// What a study holds, in numbers for a person.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fqlab/result.h"

namespace fqlab {

struct SweepStatus {
  std::string request;
  std::vector<std::string> command;
  bool finished = false;
  uint64_t cells = 0, cells_measured = 0, cells_failed = 0, cells_open = 0;
};

struct FailureStatus {
  std::string what, reason;
};

struct StudyStatus {
  std::string model, corpus;
  int tokens_per_chunk = 0;
  uint64_t chunks = 0;  ///< of the text that the study knows
  uint64_t trials = 0;  ///< with at least one run
  uint64_t runs = 0;    ///< of a trial on a chunk
  uint64_t positions = 0;
  uint64_t running = 0;  ///< claimed by living processes
  double seconds = 0;    ///< of the workers' time
  std::vector<SweepStatus> sweeps;
  std::vector<FailureStatus> failures;
};

Result<StudyStatus> read_status(const std::filesystem::path& study);

}  // namespace fqlab
