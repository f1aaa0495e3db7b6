// What a plan chooses from: groups of tensors, the types that each can have, and their bytes in the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/quantizer.h"
#include "fqlab/recipe.h"
#include "fqlab/result.h"
#include "fqlab/weight_damage.h"
#include "study/sweep_plan.h"

namespace fqlab {

/// One type for all tensors of a group.
struct PlanOption {
  GgmlType type = GgmlType::kF32;
  uint64_t bytes = 0;  ///< in the file, padding included
  /// With the imatrix where it has an entry; none for f32.
  std::vector<TensorChange> changes;
};

struct PlanGroup {
  std::string label, kind;
  std::vector<size_t> tensors;      ///< indices into the file's
  std::vector<PlanOption> options;  ///< smallest first; at least one
};

/// What a built file will say of where it comes from; its size depends on it.
struct PlanSource {
  std::filesystem::path imatrix;  ///< empty: none
  std::string model_sha256;
  std::string budget;
};

struct TypePin {
  Selector selector;
  GgmlType type = GgmlType::kF32;
};

/// A model seen as something to be planned.
class PlanSpace {
 public:
  /// Errors: kUsage where no type fits a tensor, a pin names a tensor that cannot be quantized or a type that
  /// does not fit it, a tensor is quantized already; kInput for an imatrix of another model.
  static Result<PlanSpace> create(const GgufFile& file, const PlanSource& source,
                                  std::span<const GgmlType> types, std::span<const TypePin> pins,
                                  Grouping grouping);

  const GgufFile& file() const { return file_; }
  const ImportanceMatrix* imatrix() const { return imatrix_ ? &*imatrix_ : nullptr; }
  std::span<const std::string> warnings() const { return warnings_; }
  std::span<const PlanGroup> groups() const { return groups_; }
  /// Tensors that can be quantized (indices into the file's), in file order.
  std::span<const size_t> tensors() const { return tensors_; }
  /// Where one of them stands among tensors(): the place of its type.
  size_t place_of(size_t tensor) const;

  /// What has to be done to the weights to give every tensor its type.
  Result<std::vector<TensorChange>> changes(std::span<const GgmlType> types) const;
  /// Exact size of the file with these types (parallel to tensors()).
  Result<uint64_t> file_bytes(std::span<const GgmlType> types) const;
  /// file_bytes minus the padded sizes of the tensors.
  uint64_t fixed_bytes() const { return fixed_bytes_; }
  /// Types parallel to tensors(), one option a group.
  std::vector<GgmlType> types_of(std::span<const size_t> options) const;

 private:
  explicit PlanSpace(GgufFile file) : file_(std::move(file)) {}
  Result<FormatSpec> format(const TensorInfo& tensor, GgmlType type) const;
  Result<void> check_imatrix_entry(const TensorInfo& tensor, GgmlType type) const;
  Result<PlanOption> option(const PlanGroup& group, GgmlType type) const;
  Result<void> add_pinned(size_t tensor, GgmlType type);
  Result<void> add_group(const TensorGroup& tensors, std::span<const GgmlType> types);
  uint64_t padded_bytes(const TensorInfo& tensor, GgmlType type) const;

  GgufFile file_;
  std::filesystem::path imatrix_path_;
  std::optional<ImportanceMatrix> imatrix_;
  std::vector<GgufMetadata> metadata_;
  std::vector<size_t> tensors_;
  std::vector<PlanGroup> groups_;
  uint64_t fixed_bytes_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace fqlab
