// Fake quantization by ggml's own reference quantizers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/format_details.h"

namespace fqlab {

/// Quantizes and dequantizes whole rows. Refuses, by name: a row that is no multiple of the type's block,
/// values that are not finite, a type that needs an imatrix without one, and a build without the engine.
Result<QuantizeCounts> fake_quantize_by_ggml(const FormatDetails& format, std::span<const float> in,
                                             std::span<float> out, uint64_t columns,
                                             const FakeQuantizeOptions& options);

/// The same rows as they are stored: `stored` holds exactly their bytes.
Result<void> quantize_by_ggml(const FormatDetails& format, std::span<const float> in,
                              std::span<std::byte> stored, uint64_t columns,
                              const FakeQuantizeOptions& options);

}  // namespace fqlab
