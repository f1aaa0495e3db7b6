// What a plan is used for: checks against a model, the size of the file, llama-quantize's own file.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "base/nearest.h"
#include "fqlab/quantization_plan.h"
#include "gguf/names.h"
#include "plan/plan_line.h"

namespace fqlab {
namespace {

GgufRewrite rewrite_of(const QuantizationPlan& plan, std::vector<GgufMetadata> metadata) {
  GgufRewrite rewrite;
  rewrite.set_metadata = std::move(metadata);
  for (const PlannedTensor& tensor : plan.tensors)
    rewrite.replacements.push_back({tensor.name, tensor.type, {}});
  return rewrite;
}

tl::unexpected<Error> refuse(std::string what, const std::string& tensor, std::string hint) {
  return fail(ErrorCode::kInput, std::move(what), "the plan, " + tensor, std::move(hint));
}

Result<void> check_names(const QuantizationPlan& plan, const GgufFile& file,
                         std::span<const std::string> quantizable) {
  std::set<std::string_view> planned;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (file.find_tensor(tensor.name) == nullptr) {
      std::vector<std::string> names;
      for (const TensorInfo& each : file.tensors()) names.push_back(each.name);
      return refuse("the model has no such tensor", shown(tensor.name), did_you_mean(tensor.name, names));
    }
    if (!planned.insert(tensor.name).second)
      return refuse("the tensor is planned twice", shown(tensor.name), "keep one of the two");
    if (!quantizable.empty() && std::ranges::find(quantizable, tensor.name) == quantizable.end())
      return refuse("llama.cpp does not quantize this tensor", shown(tensor.name),
                    "leave it out of the plan");
  }
  for (const std::string& name : quantizable)
    if (!planned.contains(name))
      return refuse("a tensor of the model is not planned", shown(name),
                    "add a line NAME = TYPE for it; llama.cpp would choose one itself");
  if (plan.tensors.empty())
    return fail(ErrorCode::kInput, "the plan names no tensor", "",
                "tensors stand after a line [tensors], as NAME = TYPE");
  return {};
}

Result<void> check_rows(const QuantizationPlan& plan, const GgufFile& file) {
  constexpr uint64_t kSmallBlock = 32;
  for (const PlannedTensor& tensor : plan.tensors) {
    const GgmlTypeInfo* type = ggml_type_info(tensor.type);
    const uint64_t columns = file.find_tensor(tensor.name)->columns();
    if (type == nullptr)
      return refuse(fmt::format("unknown tensor type {}", static_cast<uint32_t>(tensor.type)),
                    shown(tensor.name), "");
    if (columns % type->block_elements == 0) continue;
    return refuse(fmt::format("a row of {} values is no multiple of {}'s block of {}", columns, type->name,
                              type->block_elements),
                  shown(tensor.name),
                  columns % kSmallBlock == 0
                      ? "take a type with blocks of 32: q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl or mxfp4"
                      : "only f16, bf16 and f32 fit every row");
  }
  return {};
}

}  // namespace

std::string tensor_type_file(const QuantizationPlan& plan) {
  std::string text;
  for (const PlannedTensor& tensor : plan.tensors)
    if (const GgmlTypeInfo* type = ggml_type_info(tensor.type))
      text += fmt::format("{}={}\n", exact_pattern(tensor.name), type->name);
  return text;
}

Result<void> check_plan(const QuantizationPlan& plan, const GgufFile& file, std::string_view file_sha256,
                        std::span<const std::string> quantizable) {
  if (!plan.model_sha256.empty() && plan.model_sha256 != file_sha256)
    return fail(ErrorCode::kInput, "the plan is of another model: the file's sha256 is not the plan's",
                file.path().string(), fmt::format("the plan was made for {}", shown(plan.model)));
  if (Result<void> named = check_names(plan, file, quantizable); !named) return named;
  return check_rows(plan, file);
}

std::vector<GgufMetadata> plan_metadata(const QuantizationPlan& plan, std::string_view source_sha256) {
  constexpr size_t kShownHash = 16;
  const std::string text = print_plan(plan);
  const std::string hash = sha256(std::as_bytes(std::span(text))).substr(0, kShownHash);
  return {{"fqlab.version", std::string(FQLAB_VERSION)},
          {"fqlab.plan", plan.budget.empty() ? "sha256 " + hash : plan.budget + ", sha256 " + hash},
          {"fqlab.source.sha256", std::string(source_sha256)}};
}

Result<uint64_t> built_file_bytes(const QuantizationPlan& plan, const GgufFile& source,
                                  std::vector<GgufMetadata> metadata) {
  const Result<GgufLayout> layout = plan_rewrite(source, rewrite_of(plan, std::move(metadata)));
  if (!layout) return tl::unexpected(layout.error());
  return layout->file_bytes;
}

}  // namespace fqlab
