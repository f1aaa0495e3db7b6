// The weights of one trial: what its tensors are replaced by.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/result.h"
#include "recipe/real_quantization.h"
#include "study/measured.h"
#include "study/trial.h"

namespace fqlab {

struct ReplacedTensor {
  std::string name;
  std::vector<float> values;                   ///< fake-quantized, or
  std::shared_ptr<const StoredTensor> stored;  ///< really quantized
};

struct TrialWeights {
  std::vector<ReplacedTensor> tensors;
  WeightChange change;
};

/// Makes trials' weights on one thread; the same bits as compare's recipes and controls, the same bytes as
/// llama-quantize. Mixes of types share most of their tensors with the mix before, so really quantized
/// tensors are kept for a while.
class TrialWeightMaker {
 public:
  explicit TrialWeightMaker(const GgufFile& file) : file_(file) {}

  /// Errors are those of apply() and quantize(), such as a value that a format refuses.
  Result<TrialWeights> make(const TrialSpec& trial);

  /// What is kept at most, besides the trial's own tensors.
  static constexpr uint64_t kMostKeptBytes = uint64_t{256} << 20;

 private:
  Result<std::shared_ptr<const StoredTensor>> stored(const TensorChange& change);
  const GgufFile& file_;
  std::map<std::pair<size_t, std::string>, std::shared_ptr<const StoredTensor>> kept_;
  uint64_t kept_bytes_ = 0;
};

/// Bytes that a trial's tensors take, and making the largest of them.
uint64_t trial_bytes(const TrialSpec& trial, std::span<const TensorInfo> tensors);

/// What a maker of all these trials keeps at most.
uint64_t kept_bytes(std::span<const TrialSpec> trials, std::span<const TensorInfo> tensors);

}  // namespace fqlab
