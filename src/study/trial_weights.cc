#include "study/trial_weights.h"

#include <bit>

#include "study/controls.h"

namespace fqlab {
namespace {

double energy(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

Result<ChangedTensor> with_noise(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& as_is,
                                 uint64_t seed) {
  Result<std::vector<float>> original = file.read_floats(tensor);
  if (!original) return tl::unexpected(original.error());
  ChangedTensor noisy{tensor, as_is, {}, {}, std::move(*original), {}};
  noisy.values.resize(noisy.original.size());
  apply_control({"noise_floor", "ulp", seed}, tensor.name, 0, noisy.original, noisy.values);
  noisy.counts.values = noisy.values.size();
  for (size_t i = 0; i < noisy.values.size(); ++i)
    noisy.counts.changed +=
        std::bit_cast<uint32_t>(noisy.original[i]) != std::bit_cast<uint32_t>(noisy.values[i]);
  noisy.distortion = distortion(noisy.original, noisy.values);
  return noisy;
}

}  // namespace

Result<TrialWeights> make_trial_weights(const GgufFile& file, const TrialSpec& trial) {
  TrialWeights weights;
  double signal = 0, error = 0;
  for (const TensorChange& change : trial.changes) {
    const TensorInfo& tensor = file.tensors()[change.tensor];
    Result<ChangedTensor> changed = trial.kind == TrialSpec::Kind::kFloor
                                        ? with_noise(file, tensor, change.format, trial.seed)
                                        : apply(file, tensor, change.format, /*threads=*/1);
    if (!changed) return tl::unexpected(changed.error());
    weights.change.values += changed->counts.values;
    weights.change.changed += changed->counts.changed;
    const double tensor_signal = energy(changed->original);
    signal += tensor_signal;
    error += changed->distortion.relative_mse * tensor_signal;
    weights.tensors.push_back({tensor.name, std::move(changed->values)});
  }
  weights.change.relative_mse = signal > 0 ? error / signal : 0;
  return weights;
}

uint64_t trial_bytes(const TrialSpec& trial, std::span<const TensorInfo> tensors) {
  uint64_t values = 0;
  for (const TensorChange& change : trial.changes) values += tensors[change.tensor].values();
  return sizeof(float) * values;
}

}  // namespace fqlab
