// The models of a comparison: O as stored, and for each set of expanded tensors one model that is C, V and
// every control in turn, by writing its weights.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/engine.h"
#include "study/changes.h"
#include "study/controls.h"

namespace fqlab {

/// Names of the tensors that C holds in float32 although the file does not.
using ExpandedTensors = std::set<std::string>;

/// What C and V of a change need expanded: everything in reference arithmetic, in native the changed tensors.
ExpandedTensors tensors_to_expand(const GgufFile& file, Arithmetic arithmetic,
                                  std::span<const std::string> changed);

/// A model whose weights can be written, ready to evaluate.
class PatchableModel {
 public:
  static Result<PatchableModel> create(const GgufFile& file, const ExpandedTensors& expanded,
                                       const EvaluatorOptions& options);

  const Model& model() const { return model_; }
  Evaluator& evaluator() { return evaluator_; }
  const Evaluator& evaluator() const { return evaluator_; }

  /// A tensor's values, to be written: WeightImage::floats().
  std::span<float> floats(std::string_view tensor) { return image_.floats(tensor); }

  /// True where every changed tensor can be written (it is float32 in the image).
  bool can_write(const VariantChange& change);
  void write_variant(const VariantChange& change);
  void write_control(const VariantChange& change, const ControlSpec& control);
  void restore(const VariantChange& change);

 private:
  PatchableModel(WeightImage image, Model model, Evaluator evaluator)
      : image_(std::move(image)), model_(std::move(model)), evaluator_(std::move(evaluator)) {}
  WeightImage image_;
  Model model_;
  Evaluator evaluator_;
};

/// Refuses, with the sizes, what does not fit into memory.
Result<void> check_memory(const GgufFile& file, std::span<const ExpandedTensors> images,
                          uint64_t changed_values, const EvaluatorOptions& options, int chunks_at_once);

}  // namespace fqlab
