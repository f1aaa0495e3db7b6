// Equalization: columns of matrices scaled by powers of two, undone exactly where their inputs come from, so
// that the values of a quantizer's block become alike. The model stays the same function. See
// docs/equalize.md.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/importance_matrix.h"
#include "fqlab/result.h"

namespace fqlab {

/// Matrices that read one vector, and where its values come from: column c of every reader may be multiplied
/// by 2^k[c] if its input is multiplied by 2^-k[c].
struct SharedInput {
  std::string kind;                  ///< "attn_norm", "ffn_norm", "output_norm", "attn_v" or "ffn_up"
  std::string source;                ///< the norm's weights, or the matrix whose rows give the input
  std::vector<std::string> readers;  ///< matrices, all of the same columns
  std::vector<uint32_t> source_of;   ///< the source's value or row that column c comes from
  std::vector<int> exponents;        ///< k, one a column; all columns of one source value have the same
};

/// The inputs of a model that may be scaled, by the usual names of tensors: of norms (q, k, v; gate, up; an
/// output matrix of its own), of attn_output (rows of attn_v, several heads may share one) and of ffn_down
/// behind a gate (rows of ffn_up). Whether the architecture computes as its names say is for the caller to
/// check. Exponents are 0.
std::vector<SharedInput> find_shared_inputs(const GgufFile& file);

/// Exponents that bring the error of q5 weights times q8 activations, in blocks of 32, near its least: for
/// each block (w: weights, x^2: mean square of the input, both after scaling; max and sums over the block's
/// columns)
///   (sum over rows of max w^2 / 16^2) (sum x^2)  +  2 / 127^2 (max x^2) (sum over rows and columns of w^2),
/// every reader weighed by 1 / (sum of w^2 x^2), by single steps of one column until none is worth 1/10,000.
/// At most 2048 evenly spaced rows of a reader are read. Exponents lie in -6 .. 6. Inputs without an entry in
/// the imatrix keep 0. Any number of threads gives the same. `progress` is called after every input, by one
/// thread at a time. Errors: those of decoding, kUsage for an imatrix of another shape.
Result<void> equalize(const GgufFile& file, const ImportanceMatrix& imatrix, std::vector<SharedInput>& inputs,
                      int threads, const std::function<void(size_t done, size_t all)>& progress);

/// Moves all exponents of an input by one number, where 16-bit floats (f16) would lose small values
/// otherwise: no reader and no row of a source is then multiplied by less than 1. The smallest factor of a
/// norm's columns becomes 2^4 at most, because kernels keep a block's largest activation in f16 too; what
/// stays inexact is for the caller to find.
void avoid_underflow(const GgufFile& file, std::vector<SharedInput>& inputs);

/// The exponents by which a tensor's values are multiplied: of its columns (empty: none) and of its rows;
/// each value of a norm or a bias is a row.
struct TensorScale {
  std::vector<int> columns, rows;
  bool empty() const { return columns.empty() && rows.empty(); }
};
/// Empty where no input changes the tensor.
TensorScale scale_of(const TensorInfo& tensor, std::span<const SharedInput> inputs);
/// Multiplies a tensor's values in place: `sign` 1, or -1 to undo it.
void apply_scale(const TensorScale& scale, std::span<float> values, int sign = 1);

}  // namespace fqlab
