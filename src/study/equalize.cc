#include "study/equalize.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/system.h"
#include "fqlab/recipe.h"
#include "recipe/equalization.h"
#include "recipe/store.h"
#include "study/arms.h"

namespace fqlab {
namespace {

constexpr int kTokens = 64;  // of the check, random; the logits of all are compared

/// The model in float32, to be scaled and computed.
class Trial {
 public:
  static Result<Trial> create(const GgufFile& file, int threads) {
    const EvaluatorOptions options{kTokens, kTokens, threads};
    const ExpandedTensors expanded = tensors_to_expand(file, Arithmetic::kReference, {});
    const auto expand = [&](const TensorInfo& tensor) { return expanded.contains(tensor.name); };
    const Result<uint64_t> bytes = WeightImage::planned_bytes(file, expand);
    if (!bytes) return tl::unexpected(bytes.error());
    if (Result<void> fits =
            require_memory(*bytes + Evaluator::planned_bytes(file, options, kTokens), "the model in float32",
                           file.path().string(), "use a machine with more memory");
        !fits)
      return tl::unexpected(fits.error());
    Result<PatchableModel> model = PatchableModel::create(file, expanded, options);
    if (!model) return tl::unexpected(model.error());
    Trial trial(file, std::move(*model));
    Random random(1);
    for (int i = 0; i < kTokens; ++i)
      trial.tokens_.push_back(
          static_cast<int32_t>(random.below(static_cast<uint64_t>(trial.model_.model().vocabulary_size()))));
    return trial;
  }

  /// The original's logits; kInput where they could not show a difference.
  Result<std::vector<float>> original() {
    Result<std::vector<float>> all = logits();
    if (!all) return all;
    const bool finite = std::ranges::all_of(*all, [](float logit) { return std::isfinite(logit); });
    if (finite && std::ranges::adjacent_find(*all, std::not_equal_to<>()) != all->end()) return all;
    return fail(ErrorCode::kInput, finite ? "all logits are the same" : "the model's logits are not finite",
                file_.path().string(), "look for NaN, Inf and zeros in the weights: fqlab inspect MODEL");
  }

  /// Whether the logits keep their bits under these scales. The trial is as before afterwards.
  Result<bool> same_bits(std::span<const SharedInput> inputs, const std::vector<float>& original) {
    std::vector<const TensorInfo*> changed;
    for (const TensorInfo& tensor : file_.tensors()) {
      const TensorScale scale = scale_of(tensor, inputs);
      if (scale.empty()) continue;
      apply_scale(scale, model_.floats(tensor.name));
      changed.push_back(&tensor);
    }
    const Result<std::vector<float>> scaled = logits();
    for (const TensorInfo* tensor : changed) {
      const Result<std::vector<float>> values = file_.read_floats(*tensor);
      if (!values) return tl::unexpected(values.error());
      std::ranges::copy(*values, model_.floats(tensor->name).begin());
    }
    if (!scaled) return tl::unexpected(scaled.error());
    return std::memcmp(scaled->data(), original.data(), original.size() * sizeof(float)) == 0;
  }

 private:
  Trial(const GgufFile& file, PatchableModel model) : file_(file), model_(std::move(model)) {}

  Result<std::vector<float>> logits() {
    const Result<std::span<const float>> all = model_.evaluator().logits(tokens_, 0, kTokens);
    if (!all) return tl::unexpected(all.error());
    return std::vector<float>(all->begin(), all->end());
  }

  const GgufFile& file_;
  PatchableModel model_;
  std::vector<int32_t> tokens_;
};

std::vector<SharedInput> of_kind(std::span<const SharedInput> inputs, std::string_view kind) {
  std::vector<SharedInput> found;
  std::ranges::copy_if(inputs, std::back_inserter(found),
                       [&](const SharedInput& input) { return input.kind == kind; });
  return found;
}

/// Leaves the inputs whose scaling the engine undoes exactly, and moves them away from underflow where that
/// is exact too.
Result<void> keep_exact(const GgufFile& file, Trial& trial, const std::vector<float>& original,
                        std::vector<SharedInput>& inputs, std::vector<EqualizedKind>& kinds) {
  Result<bool> exact = trial.same_bits(inputs, original);
  for (EqualizedKind& kind : kinds) {
    if (!exact || *exact) break;
    const Result<bool> alone = trial.same_bits(of_kind(inputs, kind.kind), original);
    if (!alone) return tl::unexpected(alone.error());
    if (*alone) continue;
    kind.exact = false;
    std::erase_if(inputs, [&](const SharedInput& input) { return input.kind == kind.kind; });
    exact = trial.same_bits(inputs, original);
  }
  if (!exact) return tl::unexpected(exact.error());
  if (!*exact) {
    inputs.clear();
    for (EqualizedKind& kind : kinds) kind.exact = false;
  }
  std::vector<SharedInput> lifted = inputs;
  avoid_underflow(file, lifted);
  exact = trial.same_bits(lifted, original);
  if (!exact) return tl::unexpected(exact.error());
  if (*exact) inputs = std::move(lifted);
  return {};
}

/// Columns that do not move with most of their input.
uint64_t scaled_columns(const SharedInput& input) {
  std::map<int, uint64_t> columns_of;
  uint64_t most = 0;
  for (const int exponent : input.exponents) most = std::max(most, ++columns_of[exponent]);
  return input.exponents.size() - most;
}

std::vector<EqualizedKind> kinds_of(std::span<const SharedInput> inputs, const ImportanceMatrix& imatrix) {
  std::vector<EqualizedKind> kinds;
  for (const SharedInput& input : inputs) {
    auto at = std::ranges::find(kinds, input.kind, &EqualizedKind::kind);
    if (at == kinds.end()) at = kinds.insert(kinds.end(), {input.kind});
    ++at->inputs;
    at->known = at->known || std::ranges::any_of(input.readers,
                                                 [&](const std::string& name) { return imatrix.has(name); });
    at->columns += input.exponents.size();
    at->scaled += scaled_columns(input);
  }
  return kinds;
}

Result<std::vector<float>> scaled_values(const GgufFile& file, const TensorInfo& tensor,
                                         const TensorScale& scale) {
  Result<std::vector<float>> values = file.read_floats(tensor);
  if (!values) return values;
  const std::vector<float> original = *values;
  apply_scale(scale, *values);
  std::vector<float> back = *values;
  apply_scale(scale, back, -1);
  for (size_t i = 0; i < back.size(); ++i)
    if (back[i] != original[i] && !std::isnan(original[i]))
      return fail(ErrorCode::kInput, fmt::format("{} cannot be scaled within float32's range", original[i]),
                  tensor.name, "use the model as it is");
  return values;
}

/// The tensors that change, in their own type where that keeps every value.
Result<GgufRewrite> rewrite_of(const GgufFile& file, std::span<const SharedInput> inputs,
                               std::vector<std::string>& widened) {
  GgufRewrite rewrite;
  for (const TensorInfo& tensor : file.tensors()) {
    const TensorScale scale = scale_of(tensor, inputs);
    if (scale.empty()) continue;
    GgmlType type = tensor.type;
    if (type != GgmlType::kF32) {
      const Result<std::vector<float>> values = scaled_values(file, tensor, scale);
      if (!values) return tl::unexpected(values.error());
      const Exactness exact = exactness(*values);
      if ((type == GgmlType::kF16 ? exact.not_f16_exact : exact.not_bf16_exact) != 0) {
        type = GgmlType::kF32;
        widened.push_back(tensor.name);
      }
    }
    rewrite.replacements.push_back(
        {tensor.name, type, [&file, &tensor, scale, type](std::span<std::byte> out) -> Result<void> {
           const Result<std::vector<float>> values = scaled_values(file, tensor, scale);
           if (!values) return tl::unexpected(values.error());
           return store_exactly(type, *values, out);
         }});
  }
  return rewrite;
}

Result<void> require_wide_types(const GgufFile& file, std::span<const SharedInput> inputs) {
  for (const SharedInput& input : inputs) {
    std::vector<std::string> names = input.readers;
    names.push_back(input.source);
    for (const std::string& name : names) {
      const GgmlType type = file.find_tensor(name)->type;
      if (is_wide_float(type)) continue;
      return fail(ErrorCode::kUsage, "the model is quantized already: only an original can be equalized",
                  fmt::format("{}, {}", name, type_name(type)),
                  "give the file of 16 or 32 bits that it was made from");
    }
  }
  return {};
}

/// Why nothing is written: there is nothing to scale, or the engine computes in another way.
Error nothing_to_do(const GgufFile& file, const std::vector<EqualizedKind>& kinds) {
  std::vector<std::string> others;
  for (const EqualizedKind& kind : kinds)
    if (!kind.exact) others.push_back(kind.kind);
  const std::string where = file.path().string() + ", " + file.architecture();
  if (others.empty())
    return {ErrorCode::kUsage, "there is nothing to equalize in this model", where, "use it as it is"};
  return {ErrorCode::kUsage,
          fmt::format("there is nothing to equalize: scaling {} changes this architecture's logits",
                      fmt::join(others, ", ")),
          where, "use it as it is"};
}

}  // namespace

Result<EqualizeOutcome> equalize_model(const EqualizeRequest& request,
                                       const std::function<void(size_t done, size_t all)>& progress,
                                       const std::function<void(const std::string&)>& stage) {
  const Existing existing = request.overwrite ? Existing::kReplace : Existing::kRefuse;
  const std::vector<InputFile> files = {{"model", request.model}, {"imatrix", request.imatrix}};
  if (Result<void> possible = check_output(request.output, existing, files); !possible)
    return tl::unexpected(possible.error());
  const Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  const Result<ImportanceMatrix> imatrix = ImportanceMatrix::open(request.imatrix);
  if (!imatrix) return tl::unexpected(imatrix.error());
  if (Result<void> goes = imatrix->goes_with(*file); !goes) return tl::unexpected(goes.error());
  std::vector<SharedInput> inputs = find_shared_inputs(*file);
  if (inputs.empty()) return tl::unexpected(nothing_to_do(*file, {}));
  if (Result<void> wide = require_wide_types(*file, inputs); !wide) return tl::unexpected(wide.error());
  Result<Trial> trial = Trial::create(*file, request.threads);
  if (!trial) return tl::unexpected(trial.error());
  const Result<std::vector<float>> original = trial->original();
  if (!original) return tl::unexpected(original.error());

  if (Result<void> chosen = equalize(*file, *imatrix, inputs, request.threads, progress); !chosen)
    return tl::unexpected(chosen.error());
  EqualizeOutcome outcome;
  outcome.kinds = kinds_of(inputs, *imatrix);
  outcome.logits = original->size();
  stage("comparing logits");
  if (Result<void> kept = keep_exact(*file, *trial, *original, inputs, outcome.kinds); !kept)
    return tl::unexpected(kept.error());
  std::vector<std::string> changed;
  for (const EqualizedKind& kind : outcome.kinds)
    if (kind.exact && kind.scaled > 0) changed.push_back(kind.kind);
  if (changed.empty()) return tl::unexpected(nothing_to_do(*file, outcome.kinds));

  stage("writing");
  Result<GgufRewrite> rewrite = rewrite_of(*file, inputs, outcome.widened);
  if (!rewrite) return tl::unexpected(rewrite.error());
  const std::string source = sha256(file->bytes());
  rewrite->set_metadata = {{"fqlab.version", std::string(FQLAB_VERSION)},
                           {"fqlab.source.sha256", source},
                           {kEqualizedFrom, source},
                           {"fqlab.equalized", fmt::format("{}", fmt::join(changed, ", "))}};
  const Result<GgufLayout> layout = write_gguf_file(*file, *rewrite, request.output, request.overwrite);
  if (!layout) return tl::unexpected(layout.error());
  outcome.file_bytes = layout->file_bytes;
  return outcome;
}

}  // namespace fqlab
