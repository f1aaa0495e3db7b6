// The types of llama-quantize's mixes, from a dry run of llama-quantize's own code: its rules depend on the
// architecture, on the tensors before, on an imatrix, and change between versions.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "base/nearest.h"
#include "engine/quantize_call.h"
#include "fqlab/quantizer.h"

namespace fqlab {
namespace {

struct Mix {
  std::string_view name;
  llama_ftype type;
};

// By bits a weight of an 8-billion-parameter model (llama-quantize --help).
constexpr Mix kMixes[] = {
    {"Q1_0", LLAMA_FTYPE_MOSTLY_Q1_0},       {"IQ1_S", LLAMA_FTYPE_MOSTLY_IQ1_S},
    {"TQ1_0", LLAMA_FTYPE_MOSTLY_TQ1_0},     {"IQ1_M", LLAMA_FTYPE_MOSTLY_IQ1_M},
    {"IQ2_XXS", LLAMA_FTYPE_MOSTLY_IQ2_XXS}, {"TQ2_0", LLAMA_FTYPE_MOSTLY_TQ2_0},
    {"Q2_0", LLAMA_FTYPE_MOSTLY_Q2_0},       {"IQ2_XS", LLAMA_FTYPE_MOSTLY_IQ2_XS},
    {"IQ2_S", LLAMA_FTYPE_MOSTLY_IQ2_S},     {"IQ2_M", LLAMA_FTYPE_MOSTLY_IQ2_M},
    {"Q2_K_S", LLAMA_FTYPE_MOSTLY_Q2_K_S},   {"Q2_K", LLAMA_FTYPE_MOSTLY_Q2_K},
    {"IQ3_XXS", LLAMA_FTYPE_MOSTLY_IQ3_XXS}, {"IQ3_XS", LLAMA_FTYPE_MOSTLY_IQ3_XS},
    {"Q3_K_S", LLAMA_FTYPE_MOSTLY_Q3_K_S},   {"IQ3_S", LLAMA_FTYPE_MOSTLY_IQ3_S},
    {"IQ3_M", LLAMA_FTYPE_MOSTLY_IQ3_M},     {"Q3_K_M", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"Q3_K_L", LLAMA_FTYPE_MOSTLY_Q3_K_L},   {"MXFP4_MOE", LLAMA_FTYPE_MOSTLY_MXFP4_MOE},
    {"IQ4_XS", LLAMA_FTYPE_MOSTLY_IQ4_XS},   {"Q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
    {"IQ4_NL", LLAMA_FTYPE_MOSTLY_IQ4_NL},   {"Q4_K_S", LLAMA_FTYPE_MOSTLY_Q4_K_S},
    {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M},   {"Q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
    {"Q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},       {"Q5_K_S", LLAMA_FTYPE_MOSTLY_Q5_K_S},
    {"Q5_K_M", LLAMA_FTYPE_MOSTLY_Q5_K_M},   {"Q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},
    {"Q6_K", LLAMA_FTYPE_MOSTLY_Q6_K},       {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0}};

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

using Types = std::map<std::string, GgmlType, std::less<>>;

/// What the log of a dry run says about each tensor, piece by piece.
class DryRunLog {
 public:
  explicit DryRunLog(const GgufFile& source) : source_(source) {}

  void hear(std::string_view piece) {
    if (const std::string_view name = announced_tensor(piece); !name.empty()) {
      const TensorInfo* tensor = source_.find_tensor(name);
      if (tensor != nullptr) types_[tensor->name] = tensor->type;
      current_ = tensor;
    } else if (piece.starts_with("size = ") && current_ != nullptr) {
      // "size =    54.00 MiB ->    28.69 MiB (q8_0)", or without the arrow where the type stays
      const size_t open = piece.rfind('('), close = piece.rfind(')');
      if (piece.find("->") == piece.npos || open == piece.npos || close < open) return;
      if (const GgmlTypeInfo* type = ggml_type_info(piece.substr(open + 1, close - open - 1)))
        types_[current_->name] = type->type;
    }
  }
  Result<Types> types() const {
    if (types_.size() == source_.tensors().size()) return types_;
    return fail(
        ErrorCode::kCheck,
        fmt::format("llama.cpp's dry run named {} of {} tensors", types_.size(), source_.tensors().size()),
        source_.path().string(), "this fqlab goes with another version of llama.cpp");
  }

 private:
  const GgufFile& source_;
  const TensorInfo* current_ = nullptr;
  Types types_;
};

Result<Types> dry_run(const GgufFile& source, llama_model_quantize_params parameters) {
  parameters.dry_run = true;
  parameters.nthread = 1;
  DryRunLog log(source);
  Result<void> called =
      call_quantizer(source, "", parameters, [&](std::string_view piece) { log.hear(piece); });
  if (!called) return tl::unexpected(called.error());
  return log.types();
}

/// The types when everything that can be pinned is pinned to `type`.
Result<Types> all_pinned(const GgufFile& source, ggml_type type) {
  const std::array<llama_model_tensor_override, 2> pins{{{".*", type}, {nullptr, GGML_TYPE_COUNT}}};
  llama_model_quantize_params parameters = llama_model_quantize_default_params();
  parameters.tt_overrides = pins.data();
  return dry_run(source, parameters);
}

}  // namespace

std::optional<llama_ftype> find_mix(std::string_view name) {
  std::string wanted = upper(name);
  if (wanted == "Q3_K" || wanted == "Q4_K" || wanted == "Q5_K") wanted += "_M";
  const auto* mix = std::ranges::find(kMixes, wanted, &Mix::name);
  return mix == std::end(kMixes) ? std::nullopt : std::optional(mix->type);
}

Result<std::vector<const TensorInfo*>> quantizable_tensors(const GgufFile& source) {
  // No function of llama.h tells. What can be pinned follows both pins; what cannot stays what it is.
  const Result<Types> wide = all_pinned(source, GGML_TYPE_F32);
  if (!wide) return tl::unexpected(wide.error());
  const Result<Types> narrow = all_pinned(source, GGML_TYPE_F16);
  if (!narrow) return tl::unexpected(narrow.error());
  std::vector<const TensorInfo*> tensors;
  for (const TensorInfo& tensor : source.tensors())
    if (wide->at(tensor.name) == GgmlType::kF32 && narrow->at(tensor.name) == GgmlType::kF16)
      tensors.push_back(&tensor);
  return tensors;
}

std::vector<std::string> stock_mixes() {
  std::vector<std::string> names;
  for (const Mix& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

Result<std::vector<TensorType>> stock_mix(const GgufFile& file, std::string_view mix, bool with_imatrix) {
  const std::optional<llama_ftype> type = find_mix(mix);
  if (!type)
    return fail(ErrorCode::kUsage, fmt::format("llama-quantize has no mix {}", mix), "",
                did_you_mean(upper(mix), stock_mixes()));
  const auto tensors = quantizable_tensors(file);
  if (!tensors) return tl::unexpected(tensors.error());
  llama_model_quantize_params parameters = llama_model_quantize_default_params();
  parameters.ftype = *type;
  const llama_model_imatrix_data empty{nullptr, nullptr, 0};  // that there is one is all that the mixes ask
  if (with_imatrix) parameters.imatrix = &empty;
  const Result<Types> types = dry_run(file, parameters);
  if (!types) return tl::unexpected(types.error());
  std::vector<TensorType> out;
  for (const TensorInfo* tensor : *tensors) out.push_back({tensor->name, types->at(tensor->name)});
  return out;
}

}  // namespace fqlab
