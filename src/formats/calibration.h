// The range of a group that its scale is made from: absolute maximum, least squared error, or a percentile.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/kernels.h"

namespace fqlab {

/// A rectangle of a row-major matrix whose values share one scale.
struct GroupView {
  const float* data = nullptr;
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t stride = 0;  ///< from one row to the next, in values
  uint64_t index = 0;   ///< of data[0] in the tensor
};

/// Scale by any calibration. mse: of the ranges ratio * absmax, ratio = i / steps, the one with the least
/// squared error, the widest of equal ones. pct: the p-th percentile of the magnitudes by nearest rank (asym:
/// of the values, and the (100-p)-th). `threads` only helps the search over one large group.
kernels::GroupScale calibrate(const GroupView& group, const kernels::GroupRule& rule,
                              const Calibration& calibration, int threads);

/// Smallest and largest finite value of the group, extended to contain 0.
kernels::Range range_of(const GroupView& group, int threads);

}  // namespace fqlab
