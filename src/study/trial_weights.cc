#include "study/trial_weights.h"

#include <bit>

#include "formats/format_details.h"
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

Result<std::shared_ptr<const StoredTensor>> TrialWeightMaker::stored(const TensorChange& change) {
  const std::pair key(change.tensor, change.format.print());
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  Result<StoredTensor> made = quantize(file_, file_.tensors()[change.tensor], change.format, /*threads=*/1);
  if (!made) return tl::unexpected(made.error());
  auto shared = std::make_shared<const StoredTensor>(std::move(*made));
  if (kept_bytes_ + shared->bytes.size() > kMostKeptBytes) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  kept_bytes_ += shared->bytes.size();
  kept_.emplace(key, shared);
  return shared;
}

Result<TrialWeights> TrialWeightMaker::make(const TrialSpec& trial) {
  TrialWeights weights;
  double signal = 0, error = 0;
  const auto count = [&](const QuantizeCounts& counts, double relative_mse, double tensor_signal) {
    weights.change.values += counts.values;
    weights.change.changed += counts.changed;
    signal += tensor_signal;
    error += relative_mse * tensor_signal;
  };
  for (const TensorChange& change : trial.changes) {
    const TensorInfo& tensor = file_.tensors()[change.tensor];
    if (trial.kind == TrialSpec::Kind::kReal) {
      Result<std::shared_ptr<const StoredTensor>> made = stored(change);
      if (!made) return tl::unexpected(made.error());
      count((*made)->counts, (*made)->relative_mse, (*made)->energy);
      weights.tensors.push_back({tensor.name, {}, std::move(*made)});
      continue;
    }
    Result<ChangedTensor> changed = trial.kind == TrialSpec::Kind::kFloor
                                        ? with_noise(file_, tensor, change.format, trial.seed)
                                        : apply(file_, tensor, change.format, /*threads=*/1);
    if (!changed) return tl::unexpected(changed.error());
    count(changed->counts, changed->distortion.relative_mse, energy(changed->original));
    weights.tensors.push_back({tensor.name, std::move(changed->values), nullptr});
  }
  weights.change.relative_mse = signal > 0 ? error / signal : 0;
  return weights;
}

uint64_t trial_bytes(const TrialSpec& trial, std::span<const TensorInfo> tensors) {
  uint64_t bytes = 0;
  for (const TensorChange& change : trial.changes) {
    const uint64_t values = tensors[change.tensor].values();
    const GgmlTypeInfo* stored =
        trial.kind == TrialSpec::Kind::kReal ? ggml_type_info(change.format.details().ggml_type) : nullptr;
    bytes += stored ? values / stored->block_elements * stored->block_bytes : sizeof(float) * values;
  }
  return bytes;
}

}  // namespace fqlab
