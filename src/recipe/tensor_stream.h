// A tensor as batches of rows that fit a core's cache, decoded on several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/format.h"
#include "fqlab/gguf.h"

namespace fqlab {

struct RowBatch {
  uint64_t index = 0;   ///< 0, 1, 2 ... in the tensor's order
  uint64_t offset = 0;  ///< of the first value within the tensor
  uint64_t matrix = 0;  ///< which of the tensor's matrices the rows belong to
};

class TensorStream {
 public:
  /// `matrices`: batches never cross the borders of so many equal parts. With a `row_step` n, row 0, n, 2n
  /// ... of each part are decoded and the others left out.
  TensorStream(const GgufFile& file, const TensorInfo& tensor, int threads, uint64_t matrices = 1,
               uint64_t row_step = 1);

  uint64_t batches() const { return batches_per_matrix_ * matrices_; }

  /// Calls visit(batch, values, room) for each batch, in any order and from several threads; `room` is memory
  /// for as many values. The first error in the order of batches.
  using Visit =
      std::function<Result<void>(const RowBatch&, std::span<const float> values, std::span<float> room)>;
  Result<void> each(const Visit& visit) const;

 private:
  RowBatch batch(uint64_t index) const;
  uint64_t values_of(uint64_t index) const;
  Result<void> decode_rows(const RowBatch& batch, std::span<float> values) const;

  const GgufFile& file_;
  const TensorInfo& tensor_;
  int threads_;
  uint64_t columns_, matrices_, row_step_;
  uint64_t rows_per_matrix_;                                           // in the tensor
  uint64_t visited_per_matrix_, rows_per_batch_, batches_per_matrix_;  // of the rows that are decoded
};

/// True where a value's result depends on the rest of the tensor or on its place in it, so that batches
/// cannot be fake-quantized one by one.
bool needs_whole_tensor(const FormatSpec& format);

/// Calls visit(batch, original, quantized) for each batch of one tensor under one format. `whole` is memory
/// that may be used, and kept for the next call, where the format needs the whole tensor.
struct QuantizedStream {
  const GgufFile& file;
  const TensorInfo& tensor;
  const FormatSpec& format;
  std::span<const float> importance;  ///< of every matrix, or empty
  int threads = 1;

  using Visit =
      std::function<void(const RowBatch&, std::span<const float> original, std::span<const float> quantized)>;
  Result<QuantizeCounts> each(std::vector<float>& whole, const Visit& visit) const;
};

/// The error with the tensor's name in front of where it happened.
Error naming(const TensorInfo& tensor, Error error);

/// The importance of one matrix's columns, from those of all.
std::span<const float> importance_of(std::span<const float> all, uint64_t matrix, uint64_t columns);

/// fake_quantize() of a whole tensor. Experts do not share blocks of rows, and each may have an importance of
/// its own; `importance` is empty, or one number a column of each matrix.
Result<QuantizeCounts> fake_quantize_tensor(const FormatSpec& format, const TensorInfo& tensor,
                                            std::span<const float> in, std::span<float> out,
                                            std::span<const float> importance, int threads);

}  // namespace fqlab
