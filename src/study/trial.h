// One trial: a change of weights that is evaluated, and the key under which a study remembers it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/recipe.h"
#include "fqlab/result.h"
#include "fqlab/weight_damage.h"

namespace fqlab {

/// Version of everything that turns weights and logits into a study's numbers (formats, metrics, sums).
/// Raised whenever one of them gives other bits for the same input; studies of another version are not
/// continued.
inline constexpr int kNumericsVersion = 4;

/// What is done to the tensors of `changes`.
struct TrialSpec {
  enum class Kind {
    kRecipe,  ///< fake-quantized in their formats
    kFloor,   ///< noise floor: moved by one float32 unit in the last place at random (the format is f32)
    kReal,    ///< stored in the ggml types of their formats, so that the kernels round the activations too
  } kind = Kind::kRecipe;
  std::vector<TensorChange> changes;  ///< in the order of the file
  uint64_t seed = 0;                  ///< of a floor
  std::string what;                   ///< for people: "blk.3.attn_q.weight=int4:g32"
};

std::string_view name(TrialSpec::Kind kind);

/// Hashes of what imatrix files say of single tensors; each file is opened once.
class ImportanceHashes {
 public:
  /// Errors are those of ImportanceMatrix.
  Result<std::string> of(const std::string& imatrix_file, const TensorInfo& tensor);

 private:
  std::map<std::string, ImportanceMatrix> files_;
};

/// Hash of everything that can change the trial's numbers: the study's identity, each tensor with its
/// canonical format, what an imatrix says of it, the seed.
Result<std::string> trial_key(const TrialSpec& trial, std::span<const TensorInfo> tensors,
                              std::string_view study_identity, ImportanceHashes& hashes);

}  // namespace fqlab
