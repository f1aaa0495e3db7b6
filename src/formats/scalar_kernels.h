// The rare cases that the vector kernels leave to exact scalar arithmetic.
#pragma once

#include "formats/block_scales.h"
#include "formats/kernels.h"

namespace fqlab::kernels {

/// A plain cast to any grid, or one MX block with its grid shifted by 2^shift: slow, exact, no limits.
Counts cast_scalar(const Segment& segment, const Grid& grid, int shift, RandomKeys keys);

/// An MX block that holds NaN or Inf, or only zeros, or lies at the ends of float32's range.
Counts mx_block_scalar(const Segment& block, const MxRule& rule, RandomKeys keys);

}  // namespace fqlab::kernels
