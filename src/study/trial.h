// One trial: a change of weights that is evaluated, and the key under which a study remembers it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/recipe.h"
#include "fqlab/result.h"

namespace fqlab {

/// Version of everything that turns weights and logits into a study's numbers (formats, metrics, sums).
/// Raised whenever one of them gives other bits for the same input; studies of another version are not
/// continued.
inline constexpr int kNumericsVersion = 1;

/// What is done to the weights. Either every tensor of `changes` is fake-quantized in its format, or, for a
/// noise floor, moved by one float32 unit in the last place at random (its format is then f32).
struct TrialSpec {
  enum class Kind { kRecipe, kFloor } kind = Kind::kRecipe;
  std::vector<TensorChange> changes;  ///< in the order of the file
  uint64_t seed = 0;                  ///< of a floor
  std::string what;                   ///< for people: "blk.3.attn_q.weight=int4:g32"
};

std::string_view name(TrialSpec::Kind kind);

/// Hash of everything that can change the trial's numbers: the study's identity, each tensor with its
/// canonical format, the contents of an imatrix, the seed. kSystem where an imatrix cannot be read.
Result<std::string> trial_key(const TrialSpec& trial, std::span<const TensorInfo> tensors,
                              std::string_view study_identity);

}  // namespace fqlab
