// The weights of one trial: what its tensors are replaced by.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/result.h"
#include "study/measured.h"
#include "study/trial.h"

namespace fqlab {

struct ReplacedTensor {
  std::string name;
  std::vector<float> values;
};

struct TrialWeights {
  std::vector<ReplacedTensor> tensors;
  WeightChange change;
};

/// Makes the changed values on one thread; the same bits as compare's recipes and controls. Errors are those
/// of apply(), such as a value that a format refuses.
Result<TrialWeights> make_trial_weights(const GgufFile& file, const TrialSpec& trial);

/// Bytes that the values take.
uint64_t trial_bytes(const TrialSpec& trial, std::span<const TensorInfo> tensors);

}  // namespace fqlab
