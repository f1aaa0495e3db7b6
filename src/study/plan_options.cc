#include "study/plan_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "fqlab/quantization_plan.h"

namespace fqlab {
namespace {

/// The pinned type of every tensor that a pin chooses; the last pin wins.
Result<std::map<size_t, GgmlType>> pinned_types(const GgufFile& file, std::span<const TypePin> pins,
                                                const std::set<size_t>& can_be_quantized) {
  std::map<size_t, GgmlType> pinned;
  for (const TypePin& pin : pins) {
    const Result<std::vector<size_t>> chosen = select(pin.selector, file.tensors());
    if (!chosen) return tl::unexpected(chosen.error());
    for (const size_t tensor : *chosen) {
      if (!can_be_quantized.contains(tensor))
        return fail(ErrorCode::kUsage,
                    "llama.cpp's quantizer leaves this tensor as it is, so it cannot be pinned",
                    fmt::format("--pin {}={}, {}", pin.selector.print(), type_name(pin.type),
                                file.tensors()[tensor].name),
                    "select matrices only");
      pinned[tensor] = pin.type;
    }
  }
  return pinned;
}

}  // namespace

Result<FormatSpec> PlanSpace::format(const TensorInfo& tensor, GgmlType type) const {
  if (tensor.type == type) return FormatSpec::parse("f32");  // every value stays what it is
  const GgmlTypeInfo* info = ggml_type_info(type);
  if (info != nullptr && !info->quantized) return FormatSpec::parse(info->name);
  std::string text = "gguf:" + lower_case(type_name(type));
  if (imatrix_) {
    const Result<std::vector<float>> importance = imatrix_->importance(tensor);
    if (!importance) return tl::unexpected(importance.error());
    if (!importance->empty()) text += ":imatrix=" + imatrix_path_.string();
  }
  return FormatSpec::parse(text);
}

uint64_t PlanSpace::padded_bytes(const TensorInfo& tensor, GgmlType type) const {
  const GgmlTypeInfo& info = *ggml_type_info(type);
  const uint64_t bytes = info.bytes_of(tensor.values()), align = file_.alignment();
  return (bytes + align - 1) / align * align;
}

Result<void> PlanSpace::check_imatrix_entry(const TensorInfo& tensor, GgmlType type) const {
  if (!needs_imatrix(tensor.name, type) || (imatrix_ && imatrix_->has(tensor.name))) return {};
  return fail(ErrorCode::kUsage, "the type needs an imatrix with an entry for this tensor",
              tensor.name + ", " + type_name(type), "give one with --imatrix (fqlab imatrix makes it)");
}

Result<PlanOption> PlanSpace::option(const PlanGroup& group, GgmlType type) const {
  PlanOption option{type, 0, {}};
  for (const size_t i : group.tensors) {
    const TensorInfo& tensor = file_.tensors()[i];
    Result<FormatSpec> spec = format(tensor, type);
    if (!spec) return tl::unexpected(spec.error());
    if (Result<void> fits = check_fit(tensor, *spec, imatrix_ ? &*imatrix_ : nullptr); !fits) {
      Error error = fits.error();
      error.where = tensor.name + ", " + type_name(type);
      return tl::unexpected(std::move(error));
    }
    if (Result<void> buildable = check_imatrix_entry(tensor, type); !buildable)
      return tl::unexpected(buildable.error());
    option.bytes += padded_bytes(tensor, type);
    if (!spec->is_identity()) option.changes.push_back({i, std::move(*spec)});
  }
  return option;
}

Result<PlanSpace> PlanSpace::create(const GgufFile& file, const PlanSource& source,
                                    std::span<const GgmlType> types, std::span<const TypePin> pins,
                                    Grouping grouping) {
  const std::filesystem::path& imatrix = source.imatrix;
  PlanSpace space(file);
  space.imatrix_path_ = imatrix;
  if (!imatrix.empty()) {
    Result<ImportanceMatrix> opened = ImportanceMatrix::open(imatrix.string());
    if (!opened) return tl::unexpected(opened.error());
    if (Result<void> same = opened->goes_with(file); !same) return tl::unexpected(same.error());
    space.imatrix_ = std::move(*opened);
  }
  Result<std::vector<GgufMetadata>> metadata = quantization_metadata(file, imatrix);
  if (!metadata) return tl::unexpected(metadata.error());
  space.metadata_ = std::move(*metadata);
  QuantizationPlan plan;
  plan.budget = source.budget;
  for (GgufMetadata& more : plan_metadata(plan, source.model_sha256))
    space.metadata_.push_back(std::move(more));

  const Result<std::vector<TensorType>> stock = stock_mix(file, "Q8_0", !imatrix.empty());
  if (!stock) return tl::unexpected(stock.error());
  std::map<std::string, GgmlType> stock_type;
  for (const TensorType& tensor : *stock) stock_type[tensor.name] = tensor.type;
  for (size_t i = 0; i < file.tensors().size(); ++i)
    if (stock_type.contains(file.tensors()[i].name)) space.tensors_.push_back(i);
  for (const size_t i : space.tensors_)
    if (Result<void> whole = check_not_quantized(file.tensors()[i]); !whole)
      return tl::unexpected(whole.error());
  if (space.tensors_.empty())
    return fail(ErrorCode::kInput, "the model has no tensor that can be quantized", file.path().string());

  const Result<std::map<size_t, GgmlType>> pinned =
      pinned_types(file, pins, {space.tensors_.begin(), space.tensors_.end()});
  if (!pinned) return tl::unexpected(pinned.error());
  std::vector<size_t> free;
  std::string unfit;
  for (const size_t i : space.tensors_) {
    const TensorInfo& tensor = file.tensors()[i];
    if (const auto pin = pinned->find(i); pin != pinned->end()) {
      if (Result<void> added = space.add_pinned(i, pin->second); !added) return tl::unexpected(added.error());
      continue;
    }
    const bool fits = std::ranges::any_of(types, [&](GgmlType type) {
      return space.option({"", "", {i}, {}}, type).has_value();
    });
    if (fits) {
      free.push_back(i);
      continue;
    }
    if (Result<void> added = space.add_pinned(i, stock_type[tensor.name]); !added)
      return tl::unexpected(added.error());
    if (unfit.empty()) unfit = fmt::format("{} and others like it", tensor.name);
  }
  if (free.empty() && pinned->empty())
    return fail(ErrorCode::kUsage, "none of the types fits any tensor", "--types",
                "add a type with blocks of 32, such as q8_0");
  if (!unfit.empty())
    space.warnings_.push_back(
        fmt::format("none of the types fits {}; they are stored as llama-quantize would for Q8_0", unfit));
  for (const TensorGroup& group : group_tensors(free, file.tensors(), grouping))
    if (Result<void> added = space.add_group(group, types); !added) return tl::unexpected(added.error());

  std::vector<GgmlType> smallest = space.types_of(std::vector<size_t>(space.groups_.size(), 0));
  const Result<uint64_t> bytes = space.file_bytes(smallest);
  if (!bytes) return tl::unexpected(bytes.error());
  space.fixed_bytes_ = *bytes;
  for (const PlanGroup& group : space.groups_) space.fixed_bytes_ -= group.options.front().bytes;
  return space;
}

Result<void> PlanSpace::add_pinned(size_t tensor, GgmlType type) {
  const std::string& name = file_.tensors()[tensor].name;
  PlanGroup group{name, parse_tensor_name(name).kind, {tensor}, {}};
  Result<PlanOption> only = option(group, type);
  if (!only) return tl::unexpected(only.error());
  group.options.push_back(std::move(*only));
  groups_.push_back(std::move(group));
  return {};
}

Result<void> PlanSpace::add_group(const TensorGroup& tensors, std::span<const GgmlType> types) {
  PlanGroup group{tensors.label, tensors.kind, tensors.tensors, {}};
  Error why_not;
  for (const GgmlType type : types) {
    Result<PlanOption> fits = option(group, type);
    if (fits)
      group.options.push_back(std::move(*fits));
    else
      why_not = fits.error();
  }
  if (group.options.empty()) {
    why_not.hint = "add a type with blocks of 32, such as q8_0, to --types; " + why_not.hint;
    return tl::unexpected(std::move(why_not));
  }
  std::ranges::stable_sort(group.options, {}, &PlanOption::bytes);
  groups_.push_back(std::move(group));
  return {};
}

size_t PlanSpace::place_of(size_t tensor) const {
  return static_cast<size_t>(std::ranges::find(tensors_, tensor) - tensors_.begin());
}

std::vector<GgmlType> PlanSpace::types_of(std::span<const size_t> options) const {
  std::map<size_t, GgmlType> of_tensor;
  for (size_t g = 0; g < groups_.size(); ++g)
    for (const size_t tensor : groups_[g].tensors) of_tensor[tensor] = groups_[g].options[options[g]].type;
  std::vector<GgmlType> types;
  for (const size_t tensor : tensors_) types.push_back(of_tensor.at(tensor));
  return types;
}

Result<std::vector<TensorChange>> PlanSpace::changes(std::span<const GgmlType> types) const {
  std::vector<TensorChange> changes;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorInfo& tensor = file_.tensors()[tensors_[i]];
    if (Result<void> buildable = check_imatrix_entry(tensor, types[i]); !buildable)
      return tl::unexpected(buildable.error());
    Result<FormatSpec> spec = format(tensor, types[i]);
    if (!spec) return tl::unexpected(spec.error());
    if (!spec->is_identity()) changes.push_back({tensors_[i], std::move(*spec)});
  }
  return changes;
}

Result<uint64_t> PlanSpace::file_bytes(std::span<const GgmlType> types) const {
  GgufRewrite rewrite;
  rewrite.set_metadata = metadata_;
  for (size_t i = 0; i < tensors_.size(); ++i)
    rewrite.replacements.push_back({file_.tensors()[tensors_[i]].name, types[i], nullptr});
  const Result<GgufLayout> layout = plan_rewrite(file_, rewrite);
  if (!layout) return tl::unexpected(layout.error());
  return layout->file_bytes;
}

}  // namespace fqlab
