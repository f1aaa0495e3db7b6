#include "study/arms.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/system.h"
#include "fqlab/ggml_type.h"
#include "study/chunk_passes.h"

namespace fqlab {

namespace {

/// Weights in less than 32 bits; tensors of integers are tables, which the engine reads as they are.
bool is_widened(GgmlType type) { return type != GgmlType::kF32 && holds_weights(type); }

}  // namespace

ExpandedTensors tensors_to_expand(const GgufFile& file, Arithmetic arithmetic,
                                  std::span<const std::string> changed) {
  ExpandedTensors expanded;
  for (const TensorInfo& tensor : file.tensors()) {
    const bool named = std::find(changed.begin(), changed.end(), tensor.name) != changed.end();
    if (is_widened(tensor.type) && (arithmetic == Arithmetic::kReference || named))
      expanded.insert(tensor.name);
  }
  return expanded;
}

Result<PatchableModel> PatchableModel::create(const GgufFile& file, const ExpandedTensors& expanded,
                                              const EvaluatorOptions& options) {
  Result<WeightImage> image =
      WeightImage::create(file, [&](const TensorInfo& tensor) { return expanded.contains(tensor.name); });
  if (!image) return tl::unexpected(image.error());
  Result<Model> model = Model::load(*image);
  if (!model) return tl::unexpected(model.error());
  Result<Evaluator> evaluator = Evaluator::create(*model, options);
  if (!evaluator) return tl::unexpected(evaluator.error());
  return PatchableModel(std::move(*image), std::move(*model), std::move(*evaluator));
}

bool PatchableModel::can_write(const VariantChange& change) {
  return std::all_of(change.tensors.begin(), change.tensors.end(),
                     [&](const ChangedTensor& tensor) { return !image_.floats(tensor.source.name).empty(); });
}

void PatchableModel::write_variant(const VariantChange& change) {
  for (const ChangedTensor& tensor : change.tensors)
    std::copy(tensor.values.begin(), tensor.values.end(), image_.floats(tensor.source.name).begin());
}

void PatchableModel::write_control(const VariantChange& change, const ControlSpec& control) {
  for (const ChangedTensor& tensor : change.tensors)
    apply_control(control, tensor.source.name, tensor.distortion.relative_mse, tensor.original,
                  image_.floats(tensor.source.name));
}

void PatchableModel::restore(const VariantChange& change) {
  for (const ChangedTensor& tensor : change.tensors)
    std::copy(tensor.original.begin(), tensor.original.end(), image_.floats(tensor.source.name).begin());
}

Result<void> check_memory(const GgufFile& file, std::span<const ExpandedTensors> images,
                          uint64_t changed_values, const EvaluatorOptions& options, int chunks_at_once) {
  uint64_t weights = 0;
  for (const ExpandedTensors& expanded : images) {
    Result<uint64_t> bytes = WeightImage::planned_bytes(
        file, [&](const TensorInfo& tensor) { return expanded.contains(tensor.name); });
    if (!bytes) return tl::unexpected(bytes.error());
    weights += *bytes;
  }
  const uint64_t changes =
      2 * sizeof(float) * changed_values;  // original and new values of each changed tensor
  const uint64_t working = static_cast<uint64_t>(chunks_at_once) * (images.size() + 1) *
                           Evaluator::planned_bytes(file, options, second_half(options.n_ctx).count);
  return require_memory(
      weights + changes + working + file.file_bytes(), "the comparison",
      fmt::format("weights in float32 {}, the file itself {}, changed tensors {}, evaluation {}",
                  human_bytes(weights), human_bytes(file.file_bytes()), human_bytes(changes),
                  human_bytes(working)),
      "--arithmetic native keeps the untouched tensors as stored; a smaller --ctx or fewer tensors "
      "need less");
}

}  // namespace fqlab
