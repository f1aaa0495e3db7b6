// A parsed format spec, field by field: what the grammar fills in and the kernels read.
#pragma once

#include <cstdint>
#include <string>

#include "formats/minifloat.h"
#include "fqlab/format.h"
#include "fqlab/ggml_type.h"

namespace fqlab {

enum class Family : uint8_t {
  kIdentity,   ///< f32
  kMiniFloat,  ///< signed small floats, as a plain cast or with a scale for each group
  kE8m0,       ///< powers of two, the scale type of MX
  kMx,         ///< OCP microscaling: 32 elements share a power of two
  kNvfp4,      ///< E2M1 with an E4M3 scale for 16 and a float32 scale for the tensor
  kInteger,    ///< integers with a scale for each group
  kGgml,       ///< ggml's types by ggml's own code
};

enum class GranularityKind : uint8_t { kNone, kCast, kTensor, kChannel, kToken, kGroup, kBlock };

/// Which values share a scale. A row that is no multiple of a group ends in a shorter group.
struct Granularity {
  GranularityKind kind = GranularityKind::kNone;
  uint64_t rows = 1;     ///< of a block
  uint64_t columns = 0;  ///< of a group or block
  friend bool operator==(const Granularity&, const Granularity&) = default;
};

enum class Mapping : uint8_t { kSymmetric, kAsymmetric };
enum class IntegerRange : uint8_t { kDefault, kNarrow, kFull };
enum class MxScaleRule : uint8_t { kFloor, kCeil, kRceil, kEven };
enum class CalibrationKind : uint8_t { kAbsMax, kMse, kPercentile };
enum class ScaleType : uint8_t { kF32, kF16, kBf16, kE8m0, kE4m3 };
enum class Rounding : uint8_t { kNearestEven, kNearestAway, kZero, kFloor, kCeil, kStochastic };
enum class Overflow : uint8_t { kSaturate, kNan, kInfinity, kError };

struct Calibration {
  CalibrationKind kind = CalibrationKind::kAbsMax;
  int steps = 100;          ///< mse: clipping ratios tried, i / steps for i = 1..steps
  double percentile = 100;  ///< pct
};

struct FormatDetails {
  Family family = Family::kIdentity;
  std::string base;          ///< canonical spelling without options
  MiniFloat element;         ///< of kMiniFloat, kMx, kNvfp4
  bool fixed_point = false;  ///< mxint8: the element is an integer, so it has no -0
  int integer_bits = 0;      ///< of kInteger
  bool is_unsigned = false;  ///< of kInteger
  Granularity granularity;
  Mapping mapping = Mapping::kSymmetric;
  IntegerRange range = IntegerRange::kDefault;
  MxScaleRule mx_rule = MxScaleRule::kFloor;
  Calibration calibration;
  ScaleType scale_type = ScaleType::kF32;
  Rounding rounding = Rounding::kNearestEven;
  uint64_t seed = 0;  ///< of stochastic rounding
  Overflow overflow = Overflow::kSaturate;
  GgmlType ggml_type = GgmlType::kF32;
  std::string imatrix_file;  ///< carried for recipe/, which reads it

  bool has_scale() const { return granularity.kind > GranularityKind::kCast; }
  /// ggml's code does not say which values saturated.
  bool counts_saturated() const { return family != Family::kGgml; }
};

/// Bits of one stored element, scales not included.
double element_bits(const FormatDetails& format);
/// Bits of a stored scale.
int scale_bits(ScaleType type);

}  // namespace fqlab
