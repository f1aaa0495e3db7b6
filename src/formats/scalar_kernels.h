// The rare cases that the vector kernels leave to exact scalar arithmetic.
#pragma once

#include "formats/kernels.h"

namespace fqlab::kernels {

/// A plain cast to any grid, or one MX block with its grid shifted by 2^shift: slow, exact, no limits.
Counts cast_scalar(const Segment& segment, const Grid& grid, int shift, uint64_t seed);

/// An MX block that holds NaN or Inf, or only zeros, or lies at the ends of float32's range.
Counts mx_block_scalar(const Segment& block, const MxRule& rule);

}  // namespace fqlab::kernels
