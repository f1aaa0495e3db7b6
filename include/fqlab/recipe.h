// Recipes: which tensors of a model are fake-quantized in which number format.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/format.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// Chooses tensors: `[LAYERS/]KINDS` with lists, ranges and globs ("0-2/ffn_norm", "5,10,15/attn_*",
/// "output", "*"), or `re:/REGEX/` (ECMAScript), searched for in the full name. A layer part, `*` included,
/// leaves out tensors without a layer. Cheap to copy.
class Selector {
 public:
  static Result<Selector> parse(std::string_view text);
  bool matches(std::string_view tensor_name) const;
  const std::string& print() const { return text_; }

 private:
  struct Pattern;
  friend Result<std::vector<size_t>> select(const Selector& selector, std::span<const TensorInfo> tensors);
  Selector(std::string text, std::shared_ptr<const Pattern> pattern)
      : text_(std::move(text)), pattern_(std::move(pattern)) {}

  std::string text_;
  std::shared_ptr<const Pattern> pattern_;
};

struct RecipeRule {
  Selector selector;
  FormatSpec format;
};

/// One tensor that a recipe changes.
struct TensorChange {
  size_t tensor = 0;  ///< index into the tensors given to resolve()
  FormatSpec format;
};

/// Ordered rules `SELECTOR=FORMAT`, separated by ';' or newlines; the last match wins.
class Recipe {
 public:
  static Result<Recipe> parse(std::string_view text);
  /// Canonical text: one rule after the other, separated by "; ".
  std::string print() const;
  std::span<const RecipeRule> rules() const { return rules_; }

  /// The tensors that change, in the order of `tensors`. kUsage errors, with the nearest names, where a rule
  /// matches nothing, is shadowed completely by later rules, or names `output` on a model with tied
  /// embeddings.
  Result<std::vector<TensorChange>> resolve(std::span<const TensorInfo> tensors) const;

 private:
  std::vector<RecipeRule> rules_;
};

/// The tensors of one selector, in the order of `tensors`; kUsage with the nearest names where there is none,
/// and where one member of its lists (a layer, a range, a kind) matches nothing.
Result<std::vector<size_t>> select(const Selector& selector, std::span<const TensorInfo> tensors);

/// How far `quantized` is from `original`. Sums in double, in eight lanes, in a fixed order. Originals that
/// are not finite are left out; a finite value that became infinite or NaN makes the distances infinite.
struct Distortion {
  double relative_mse =
      0;  ///< sum (q-x)^2 / sum x^2; 0 where nothing changed, infinite for zeros that changed
  std::optional<double> snr_db;  ///< -10 log10(relative_mse); absent where nothing changed
  double max_abs_error = 0;
};
Distortion distortion(std::span<const float> original, std::span<const float> quantized);

/// How many values a narrower 16-bit type would change, for the values of one tensor. NaN and infinities
/// count as exact.
struct Exactness {
  uint64_t values = 0;
  uint64_t not_bf16_exact = 0;
  uint64_t not_f16_exact = 0;
};
Exactness exactness(std::span<const float> values);

/// One tensor after its recipe: what `changes.tensors` of a report says, and the values.
struct ChangedTensor {
  TensorInfo source;
  FormatSpec format;
  QuantizeCounts counts;
  Distortion distortion;
  std::vector<float> original;  ///< the source's values as float32
  std::vector<float> values;    ///< fake-quantized
};
Result<ChangedTensor> apply(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                            int threads);

}  // namespace fqlab
