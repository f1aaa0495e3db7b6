// An equalized copy of a model: the same function, easier to quantize. See docs/equalize.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "fqlab/result.h"

namespace fqlab {

struct EqualizeRequest {
  std::filesystem::path model;
  std::filesystem::path imatrix;
  std::filesystem::path output;
  bool overwrite = false;
  int threads = 2;
};

/// One kind of input: of all layers that have it.
struct EqualizedKind {
  std::string kind;      ///< "attn_norm", "ffn_norm", "output_norm", "attn_v" or "ffn_up"
  uint64_t inputs = 0;   ///< of the model
  uint64_t columns = 0;  ///< of all inputs
  uint64_t scaled = 0;   ///< columns that get another power of two than most of their input
  bool known = false;    ///< the imatrix says what enters at least one of them
  bool exact = true;     ///< false: the architecture computes in another way, so they were left as they are
};

struct EqualizeOutcome {
  std::vector<EqualizedKind> kinds;
  uint64_t logits = 0;               ///< compared bit for bit with the original's
  std::vector<std::string> widened;  ///< 16-bit tensors that had to become f32
  uint64_t file_bytes = 0;
};

/// Reads which columns matter, chooses the powers of two, lets the engine compute both models in float32 on a
/// chunk of random tokens, leaves out every kind of input with which a bit of the logits differs, and writes
/// the file. Metadata: fqlab.version, fqlab.source.sha256, fqlab.equalized (the kinds), kEqualizedFrom.
/// `progress` counts the inputs whose powers are chosen, which takes longest; `stage` is told what follows.
/// Errors: kUsage for quantized weights and for models where nothing can be scaled. Calls the engine: run it
/// supervised.
Result<EqualizeOutcome> equalize_model(const EqualizeRequest& request,
                                       const std::function<void(size_t done, size_t all)>& progress,
                                       const std::function<void(const std::string&)>& stage);

}  // namespace fqlab
