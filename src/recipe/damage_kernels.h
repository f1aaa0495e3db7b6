// The loops over weights: sums of squares and what their bits say. The same bits on every instruction set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fqlab::damage_kernels {

/// Value i of a row adds to lane i % 8, so that vectors of any width up to eight doubles give the same bits.
constexpr size_t kLanes = 8;
using Lanes = std::array<double, kLanes>;

struct Squares {
  alignas(64) Lanes sum = {};
  alignas(64) Lanes weighted = {};
  alignas(64) Lanes largest = {};
};

/// Adds (q[i] - x[i])^2, in double, of a row to the sums; without `q` x[i]^2. `weights` may be null. NaN
/// anywhere makes a sum NaN.
void add_squares(const float* x, const float* q, const float* weights, size_t size, Squares& squares);

/// Of at most 2^31 values.
struct Bits {
  uint32_t mantissas = 0;            ///< OR of the mantissa fields
  uint32_t smallest_less_one = ~0u;  ///< smallest nonzero magnitude, less one; ~0 where all are zero
  uint32_t largest = 0;
  uint32_t zeros = 0, not_bf16 = 0, not_tf32 = 0;
  uint32_t not_f16 = 0;    ///< more than 10 mantissa bits, or beyond 65504
  uint32_t below_f16 = 0;  ///< nonzero and below f16's smallest normal number
};
Bits scan(const float* values, size_t size);

}  // namespace fqlab::damage_kernels
