// The vector kernels, chosen for the machine at run time. Every target gives the same bits.
//
// They assume the nearest-even rounding mode and no FTZ/DAZ: call them under a FloatEnvironment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/grid.h"

namespace fqlab::kernels {

/// Exact counts of one call; see QuantizeCounts.
struct Counts {
  uint64_t changed = 0;
  uint64_t saturated = 0;
  uint64_t flushed = 0;
  uint64_t nan = 0;
  uint64_t overflowed = 0;  ///< casts: finite inputs that rounded beyond the largest number
};

/// What all kernels share. in == out is allowed; other overlaps are not.
struct Segment {
  const float* in = nullptr;
  float* out = nullptr;
  size_t size = 0;
  uint64_t index = 0;  ///< of in[0] in the tensor, for stochastic rounding
  bool stream =
      false;  ///< write past the cache; out must then be aligned to 64 bytes and size a multiple of 16
};

/// One group's scale: value = clamp(round(x / scale), low, high) * scale. scale 0: everything becomes zero.
struct GroupScale {
  float scale = 0;
  float low = 0;   ///< integers only
  float high = 0;  ///< integers only
};

/// A plain cast. The grid must satisfy fits_vector_kernel(grid, 0).
Counts cast(const Segment& segment, const Grid& grid, uint64_t seed);
/// A cast to powers of two; zero, negative numbers and Inf become NaN.
Counts cast_e8m0(const Segment& segment);

/// One row of MX blocks of 32. `max_exponent` is the element's emax.
struct MxRule {
  Grid grid;
  int max_exponent = 0;
  uint32_t largest_mantissa = 0;  ///< of the element's largest number, for rceil
  MxScaleRule scale_rule = MxScaleRule::kFloor;
  uint64_t seed = 0;
};
Counts mx_row(const Segment& row, const MxRule& rule);

/// Values of a block of NVFP4; the last one of a row may be shorter.
inline constexpr uint64_t kNvfp4Block = 16;
/// Writes the largest magnitude of each block of a row, or of rows of whole blocks, as bits, NaN and Inf
/// included; the largest of them.
uint32_t nvfp4_maxima(const float* in, size_t size, uint32_t* maxima);
/// One row of NVFP4 blocks, given their maxima, with the tensor's scale; `grid` is E2M1.
Counts nvfp4_row(const Segment& row, const uint32_t* maxima, const Grid& grid, float tensor_scale,
                 uint64_t seed);

/// The scale rule of groups, for integers and scaled small floats.
struct GroupRule {
  size_t group = 0;  ///< values a group; the last one of a row may be shorter
  bool is_integer = true;
  Grid grid;                ///< small floats
  float divisor = 1;        ///< sym: scale = absmax / divisor; asym: scale = (max - min) / divisor
  float low = 0, high = 0;  ///< sym: the integer range
  float quantum_min = 0, quantum_max = 0;  ///< asym: the stored range
  bool asymmetric = false;
  bool positive_only = false;  ///< uint sym: the range is that of the positive values
  ScaleType scale_type = ScaleType::kF32;
  Rounding rounding = Rounding::kNearestEven;
  uint64_t seed = 0;
};
/// Scale of a group whose finite values span [low, high], both extended to contain 0.
GroupScale group_scale(const GroupRule& rule, float low, float high);
/// One row of groups. `scales`: one for each group, or nullptr to take each group's range (absmax
/// calibration).
Counts group_row(const Segment& row, const GroupRule& rule, const GroupScale* scales);

/// The finite values' smallest and largest, extended to contain 0.
struct Range {
  float low = 0;
  float high = 0;
};
Range finite_range(const float* in, size_t size);

/// Makes what this thread has streamed (Segment::stream) visible to threads that it tells of it.
void end_streaming();

/// The instruction set that the next call uses, in Highway's spelling: "AVX3", "AVX2" ...
const char* target_name();

}  // namespace fqlab::kernels
