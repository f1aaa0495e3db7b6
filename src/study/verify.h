// `fqlab verify`: really quantized files against their original, paired on the same text, in the arithmetic
// that people run.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/result.h"
#include "fqlab/verification.h"
#include "study/corpora.h"

namespace fqlab {

struct VerifyRequest {
  std::filesystem::path model;                 ///< the original
  std::filesystem::path output;                ///< the file that is verified
  std::vector<std::filesystem::path> against;  ///< files beside it
  std::optional<QuantizationPlan> plan;
  std::string plan_path;
  std::vector<CorpusSource> corpora;  ///< at least one
  int n_ctx = 512;
  int n_batch = 256;
  int chunks = 64;  ///< of each text
  int threads = 2;
  uint64_t seed = 1;
  Margins margins;
  bool dialogue = true;
  std::optional<std::filesystem::path> prompts;  ///< absent: the default prompts
  int predict = 64;                              ///< tokens an answer at the most
  bool speed = true;
  int speed_blocks = 5;
  std::vector<std::string> command;
};

/// Told before each step: steps done, steps in all, what runs now, and the share of the work that is done.
using VerifyProgress = std::function<void(int done, int total, const std::string& now, double share)>;

/// Measures. The original's logits of a chunk are computed once and compared with every file's; the numbers
/// of a file are those of compare() with --variant in native arithmetic. Errors: kUsage for wrong settings or
/// a file of another model; kInput, kSystem as the parts give them; kSystem where not even one file beside
/// the original fits into memory (with the sizes, before anything is loaded); kCheck where the original
/// differs from itself.
Result<Verification> verify(const VerifyRequest& request, const VerifyProgress& progress);

}  // namespace fqlab
