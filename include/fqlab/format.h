// Number formats: format specs such as "bf16", "fp8_e4m3", "mxfp4", "int4:g32:sym", and fake quantization by
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

struct FormatDetails;  // formats/format_details.h

/// A parsed format spec. Immutable, cheap to copy; equal specs print the same.
class FormatSpec {
 public:
  /// Grammar: docs/formats.md. Case-insensitive, '-' equals '_'. kUsage errors teach: near names, and why a
  /// name is refused.
  static Result<FormatSpec> parse(std::string_view text);

  /// The canonical spelling; parse(print()) == *this.
  const std::string& print() const { return canonical_; }

  /// True for `f32`: changes nothing by definition.
  bool is_identity() const;
  /// Bits per weight, scales included, for a matrix of that shape (shape matters for tensor and channel
  /// scales).
  double bits_per_weight(uint64_t rows, uint64_t columns) const;

  const FormatDetails& details() const { return *details_; }
  friend bool operator==(const FormatSpec& a, const FormatSpec& b) { return a.canonical_ == b.canonical_; }

 private:
  FormatSpec(std::string canonical, std::shared_ptr<const FormatDetails> details)
      : canonical_(std::move(canonical)), details_(std::move(details)) {}
  std::string canonical_;
  std::shared_ptr<const FormatDetails> details_;
};

/// What fake quantization did to the values of one tensor.
struct QuantizeCounts {
  uint64_t values = 0;
  uint64_t changed = 0;  ///< output differs bitwise from the input (two NaN count as equal)
  uint64_t saturated =
      0;  ///< finite input beyond the largest finite value of its (scaled) grid; not for gguf: types
  uint64_t flushed_to_zero = 0;  ///< nonzero input, zero output
  uint64_t nan = 0;              ///< NaN inputs
  QuantizeCounts& operator+=(const QuantizeCounts& other);
};

struct FakeQuantizeOptions {
  int threads = 1;                         ///< rows are shared out; the result does not depend on it
  std::span<const float> importance = {};  ///< per column, for gguf: types with an imatrix; empty: none
};

/// x -> dequantize(quantize(x)) for a row-major matrix of `columns` values a row; a vector is one row.
/// `in` and `out` have the same size, a multiple of `columns`; they may be the same memory. The result does
/// not depend on the host's rounding mode, FTZ/DAZ, instruction set or thread count. Rows that are no
/// multiple of a group end in a shorter group, except for gguf: types. Errors, all kUsage: sizes that do not
/// fit; a gguf: type whose block does not divide the row, that needs importance, or whose spec names an
/// imatrix while options.importance is empty; NaN or Inf for a gguf: type; overflow with ovf=error (then
/// `out` holds garbage).
Result<QuantizeCounts> fake_quantize(const FormatSpec& format, std::span<const float> in,
                                     std::span<float> out, uint64_t columns,
                                     const FakeQuantizeOptions& options = {});

}  // namespace fqlab
