#include "study/trial_weights.h"

#include <algorithm>
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

/// What a really quantized tensor is kept under.
std::pair<size_t, std::string> key_of(const TensorChange& change) {
  return {change.tensor, change.format.print()};
}

uint64_t stored_bytes(const TensorChange& change, std::span<const TensorInfo> tensors) {
  const std::optional<GgmlType> type = stored_type(change.format);
  const GgmlTypeInfo* stored = type ? ggml_type_info(*type) : nullptr;
  return stored ? stored->bytes_of(tensors[change.tensor].values()) : 0;
}

}  // namespace

Result<std::shared_ptr<const StoredTensor>> TrialWeightMaker::stored(const TensorChange& change) {
  const std::pair key = key_of(change);
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  Result<StoredTensor> made = quantize(file_, file_.tensors()[change.tensor], change.format, /*threads=*/1);
  if (!made) return tl::unexpected(made.error());
  auto shared = std::make_shared<const StoredTensor>(std::move(*made));
  if (shared->bytes.size() > kMostKeptBytes) return shared;
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
  const bool real = trial.kind == TrialSpec::Kind::kReal;
  uint64_t held = 0, making = 0;
  for (const TensorChange& change : trial.changes) {
    const uint64_t floats = sizeof(float) * tensors[change.tensor].values();
    held += real ? stored_bytes(change, tensors) : floats;
    making = std::max(making, real ? 2 * floats : floats);  // the original; a real type's values beside it
  }
  return held + making;
}

uint64_t kept_bytes(std::span<const TrialSpec> trials, std::span<const TensorInfo> tensors) {
  std::map<std::pair<size_t, std::string>, uint64_t> kept;
  for (const TrialSpec& trial : trials)
    if (trial.kind == TrialSpec::Kind::kReal)
      for (const TensorChange& change : trial.changes)
        kept.try_emplace(key_of(change), stored_bytes(change, tensors));
  uint64_t bytes = 0;
  for (const auto& [key, stored] : kept)
    if (stored <= TrialWeightMaker::kMostKeptBytes) bytes += stored;
  return std::min(bytes, TrialWeightMaker::kMostKeptBytes);
}

}  // namespace fqlab
