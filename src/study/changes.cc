#include "study/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "formats/format_details.h"

namespace fqlab {
namespace {

/// `stored_as`: how the variant holds it.
TensorReport report_of(const ChangedTensor& tensor, std::string format, std::string_view stored_as) {
  const TensorName name = parse_tensor_name(tensor.source.name);
  TensorReport report;
  report.name = tensor.source.name;
  report.kind = name.kind;
  report.layer = name.layer;
  const GgmlTypeInfo* type = ggml_type_info(tensor.source.type);
  report.from = type != nullptr ? std::string(type->name) : "unknown";
  report.format = std::move(format);
  report.stored_as = stored_as;
  report.values = tensor.counts.values;
  report.changed = tensor.counts.changed;
  report.flushed_to_zero = tensor.counts.flushed_to_zero;
  report.relative_mse = tensor.distortion.relative_mse;
  report.snr_db = tensor.distortion.snr_db;
  report.max_abs_error = tensor.distortion.max_abs_error;
  return report;
}

QuantizeCounts differences(std::span<const float> original, std::span<const float> variant) {
  QuantizeCounts counts;
  counts.values = original.size();
  for (size_t i = 0; i < original.size(); ++i) {
    const bool same = std::bit_cast<uint32_t>(original[i]) == std::bit_cast<uint32_t>(variant[i]) ||
                      (std::isnan(original[i]) && std::isnan(variant[i]));
    counts.changed += !same;
    counts.flushed_to_zero += original[i] != 0 && variant[i] == 0;
    counts.nan += std::isnan(original[i]);
  }
  return counts;
}

bool same_value(const GgufValue& a, const GgufValue& b) {
  const auto* x = std::get_if<std::shared_ptr<const GgufArray>>(&a);
  const auto* y = std::get_if<std::shared_ptr<const GgufArray>>(&b);
  if (x == nullptr || y == nullptr) return a == b;
  return std::equal((*x)->elements.begin(), (*x)->elements.end(), (*y)->elements.begin(),
                    (*y)->elements.end(), same_value);
}

}  // namespace

uint64_t VariantChange::values_total() const {
  uint64_t total = 0;
  for (const TensorReport& tensor : reports) total += tensor.values;
  return total;
}

uint64_t VariantChange::values_changed() const {
  uint64_t total = 0;
  for (const TensorReport& tensor : reports) total += tensor.changed;
  return total;
}

Result<VariantChange> change_by_recipe(const GgufFile& original, const Recipe& recipe, int threads) {
  Result<std::vector<TensorChange>> changes = recipe.resolve(original.tensors());
  if (!changes) return tl::unexpected(changes.error());
  VariantChange variant;
  for (const TensorChange& change : *changes) {
    Result<ChangedTensor> tensor = apply(original, original.tensors()[change.tensor], change.format, threads);
    if (!tensor) return tl::unexpected(tensor.error());
    variant.reports.push_back(report_of(*tensor, change.format.print(), "f32"));
    if (change.format.details().counts_saturated())
      variant.reports.back().saturated = tensor->counts.saturated;
    variant.tensors.push_back(std::move(*tensor));
  }
  return variant;
}

Result<void> check_same_model(const GgufFile& original, const GgufFile& variant) {
  const auto refuse = [&](std::string what) {
    return fail(ErrorCode::kUsage, std::move(what), variant.path().string(),
                "only files of one model can be compared; make this one from " + original.path().string());
  };
  if (original.architecture() != variant.architecture())
    return refuse(fmt::format("the file's architecture is {}, the original's {}", variant.architecture(),
                              original.architecture()));
  for (const char* key : {"tokenizer.ggml.model", "tokenizer.ggml.tokens"}) {
    const GgufValue* a = original.find_metadata(key);
    const GgufValue* b = variant.find_metadata(key);
    if ((a == nullptr) != (b == nullptr) || (a != nullptr && !same_value(*a, *b)))
      return refuse(fmt::format("the file has another tokenizer ({} differs)", key));
  }
  for (const TensorInfo& tensor : original.tensors()) {
    const TensorInfo* other = variant.find_tensor(tensor.name);
    if (other == nullptr) return refuse(fmt::format("the file has no tensor {}", tensor.name));
    if (other->shape != tensor.shape)
      return refuse(fmt::format("tensor {} has another shape in the file", tensor.name));
  }
  for (const TensorInfo& tensor : variant.tensors())
    if (original.find_tensor(tensor.name) == nullptr)
      return refuse(fmt::format("the file has an additional tensor {}", tensor.name));
  return {};
}

Result<VariantChange> change_by_file(const GgufFile& original, const GgufFile& variant) {
  if (Result<void> same = check_same_model(original, variant); !same) return tl::unexpected(same.error());
  VariantChange change;
  const FormatSpec as_is = *FormatSpec::parse("f32");
  for (const TensorInfo& tensor : original.tensors()) {
    const TensorInfo& other = *variant.find_tensor(tensor.name);
    const std::span<const std::byte> a = original.data(tensor), b = variant.data(other);
    if (tensor.type == other.type && std::equal(a.begin(), a.end(), b.begin(), b.end())) continue;
    Result<std::vector<float>> before = original.read_floats(tensor), after = variant.read_floats(other);
    if (!before) return tl::unexpected(before.error());
    if (!after) return tl::unexpected(after.error());
    const QuantizeCounts counts = differences(*before, *after);
    if (counts.changed == 0) continue;
    ChangedTensor changed{tensor,           as_is, counts, distortion(*before, *after), std::move(*before),
                          std::move(*after)};
    change.reports.push_back(report_of(changed, type_name(other.type), type_name(other.type)));
    change.tensors.push_back(std::move(changed));
  }
  return change;
}

Result<void> write_variant_file(const GgufFile& original, const VariantChange& change,
                                const std::filesystem::path& path, bool overwrite) {
  GgufRewrite rewrite;
  for (const ChangedTensor& tensor : change.tensors)
    rewrite.replacements.push_back(
        {tensor.source.name, GgmlType::kF32, [&tensor](std::span<std::byte> out) -> Result<void> {
           std::memcpy(out.data(), tensor.values.data(), out.size());
           return {};
         }});
  Result<GgufLayout> written = write_gguf_file(original, rewrite, path, overwrite);
  if (!written) return tl::unexpected(written.error());
  return {};
}

}  // namespace fqlab
