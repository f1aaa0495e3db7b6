// What number formats do to the weights of a model, and what precision the weights have: streamed from the
// file, so that a model larger than memory works.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fqlab/format.h"
#include "fqlab/gguf.h"
#include "fqlab/importance_matrix.h"
#include "fqlab/recipe.h"

namespace fqlab {

/// The precision that some values really use. Sums of parts are the sums of the whole.
struct WeightProfile {
  uint64_t values = 0;
  uint64_t zeros = 0;  ///< of either sign
  uint64_t nan = 0;
  uint64_t infinite = 0;
  uint64_t not_bf16_exact = 0;  ///< values that the cast would change; NaN and infinities count as exact
  uint64_t not_tf32_exact = 0;
  uint64_t not_f16_exact = 0;
  uint32_t mantissas = 0;  ///< OR of the finite values' mantissa fields
  uint32_t smallest_magnitude =
      ~0u;  ///< float32 bits of the smallest nonzero finite magnitude; ~0 where there is none
  uint32_t largest_magnitude = 0;  ///< float32 bits of the largest finite magnitude

  void add(std::span<const float> values);
  void merge(const WeightProfile& other);

  /// Mantissa bits below the leading one that some value needs, 0 to 23: bf16 has 7, f16 and tf32 10.
  int mantissa_bits() const;
  /// floor(log2) of the smallest nonzero and the largest finite magnitude; nullopt where all values are zero.
  std::optional<std::pair<int, int>> exponents() const;
  double largest() const;
};

/// Sums of squares from which every distance follows. Original values that are not finite are left out; a
/// finite value that became infinite or NaN makes the distances infinite. Merged in a fixed order they give
/// the same bits every time.
struct DamageSums {
  QuantizeCounts counts;
  double error = 0;          ///< sum (q-x)^2
  double energy = 0;         ///< sum x^2
  double largest_error = 0;  ///< max (q-x)^2
  /// The same weighted with the importance of each value's column; only of tensors that the imatrix knows.
  double weighted_error = 0, weighted_energy = 0;
  uint64_t weighted_values = 0;

  /// Rows of `columns` values; `importance` is empty or has one number for each column. Leaves `counts`
  /// alone.
  void add_original(std::span<const float> original, uint64_t columns, std::span<const float> importance);
  void add_error(std::span<const float> original, std::span<const float> quantized, uint64_t columns,
                 std::span<const float> importance);
  void merge(const DamageSums& other);

  double relative_mse() const;  ///< error / energy; 0 without error, infinite for zeros that changed
  std::optional<double> weighted_relative_mse() const;
  std::optional<double> snr_db() const;  ///< -10 log10(relative_mse); nullopt without error
  double max_abs_error() const;
  /// What tensors are sorted by: the weighted relative MSE where there is one.
  double damage() const { return weighted_relative_mse().value_or(relative_mse()); }
};

/// One tensor under one format.
struct FormatDamage {
  DamageSums sums;
  std::optional<Error> refused;  ///< why this format cannot store this tensor; the sums are then empty
};

struct TensorDamage {
  TensorInfo tensor;
  TensorName name;
  WeightProfile profile;
  std::vector<FormatDamage> formats;  ///< in the order of WeightDamage::formats
};

struct WeightDamage {
  std::vector<FormatSpec> formats;
  std::vector<TensorDamage> tensors;  ///< in file order
};

struct DamageOptions {
  int threads = 1;                               ///< the result does not depend on it
  const ImportanceMatrix* importance = nullptr;  ///< for the weighted distances
  std::function<void(size_t done, const TensorInfo&)> progress = {};
  /// Measures about so many rows of each tensor, evenly spaced, instead of all; 0: all. An estimate, and only
  /// for formats whose rows do not depend on each other; the others are refused.
  uint64_t sampled_rows = 0;
};

/// Decodes the chosen tensors (indices into file.tensors()) batch by batch and applies every format to each
/// batch. Needs memory for one tensor as float32 only where a format has a scale or a random sequence for the
/// whole tensor. Without formats only the profiles are measured. What a format refuses stands in its
/// FormatDamage; errors are the file's own and those of imatrix files.
Result<WeightDamage> measure_damage(const GgufFile& file, std::span<const size_t> tensors,
                                    std::span<const FormatSpec> formats, const DamageOptions& options);

/// Indices into damage.tensors, the most damaged by format number `format` first; refused tensors are left
/// out.
std::vector<size_t> by_damage(const WeightDamage& damage, size_t format);
/// The sums of all tensors, of each kind, and of each layer.
DamageSums total_damage(const WeightDamage& damage, size_t format);
std::map<std::string, DamageSums> damage_by_kind(const WeightDamage& damage, size_t format);
std::map<int, DamageSums> damage_by_layer(const WeightDamage& damage, size_t format);

/// Values of a tensor before and after a format, counted in equal bins over [-limit, limit].
struct WeightHistogram {
  double limit = 0;  ///< the largest finite magnitude of the original
  std::vector<uint64_t> original, quantized;
};
Result<WeightHistogram> measure_histogram(const GgufFile& file, const TensorDamage& tensor,
                                          const FormatSpec& format, size_t bins, int threads);

}  // namespace fqlab
