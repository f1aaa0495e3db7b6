// Fake-quantizes one tensor of a file and says how far the values moved.
#include <bit>
#include <cmath>
#include <limits>

#include "fqlab/recipe.h"

namespace fqlab {
namespace {

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// bf16 is the upper half of a float32.
bool bf16_exact(float x) { return (std::bit_cast<uint32_t>(x) & 0xffffu) == 0 || std::isnan(x); }

// Finite f16 values are the multiples of 2^-24 up to 65504 whose float32 mantissa has at most 10 bits.
bool f16_exact(float x) {
  if (!std::isfinite(x)) return true;
  const float scaled = x * 0x1p24f;  // exact: 65504 * 2^24 is far below float32's largest
  return (std::bit_cast<uint32_t>(x) & 0x1fffu) == 0 && std::fabs(x) <= 65504 && std::trunc(scaled) == scaled;
}

}  // namespace

Distortion distortion(std::span<const float> original, std::span<const float> quantized) {
  Distortion result;
  double error = 0, energy = 0;
  bool changed = false;
  for (size_t i = 0; i < original.size(); ++i) {
    const double x = static_cast<double>(original[i]), q = static_cast<double>(quantized[i]);
    if (std::isfinite(x)) energy += x * x;
    if (same(original[i], quantized[i])) continue;
    changed = true;
    if (!std::isfinite(x)) continue;
    const double distance = std::isnan(q) ? std::numeric_limits<double>::infinity() : std::fabs(q - x);
    error += distance * distance;
    result.max_abs_error = std::max(result.max_abs_error, distance);
  }
  if (!changed || error == 0) return result;
  result.relative_mse = energy > 0 ? error / energy : std::numeric_limits<double>::infinity();
  result.snr_db = -10 * std::log10(result.relative_mse);
  return result;
}

Exactness exactness(std::span<const float> values) {
  Exactness result{values.size(), 0, 0};
  for (const float x : values) {
    result.not_bf16_exact += bf16_exact(x) ? 0 : 1;
    result.not_f16_exact += f16_exact(x) ? 0 : 1;
  }
  return result;
}

Result<ChangedTensor> apply(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                            int threads) {
  Result<std::vector<float>> original = file.read_floats(tensor);
  if (!original) return tl::unexpected(original.error());
  std::vector<float> values(original->size());
  const Result<QuantizeCounts> counts =
      fake_quantize(format, *original, values, tensor.columns(), FakeQuantizeOptions{threads, {}});
  if (!counts) {
    Error error = counts.error();
    error.where = tensor.name + (error.where.empty() ? "" : ", " + error.where);
    return tl::unexpected(std::move(error));
  }
  const Distortion distance = distortion(*original, values);
  return ChangedTensor{tensor, format, *counts, distance, std::move(*original), std::move(values)};
}

}  // namespace fqlab
