#include "recipe/real_quantization.h"

#include <bit>

#include "formats/format_details.h"
#include "formats/ggml_quantizer.h"
#include "recipe/importance.h"
#include "recipe/store.h"
#include "recipe/tensor_stream.h"

namespace fqlab {
namespace {

QuantizeCounts count(std::span<const float> original, std::span<const float> quantized) {
  QuantizeCounts counts;
  counts.values = original.size();
  for (size_t i = 0; i < original.size(); ++i) {
    counts.changed += std::bit_cast<uint32_t>(original[i]) != std::bit_cast<uint32_t>(quantized[i]);
    counts.flushed_to_zero += original[i] != 0 && quantized[i] == 0;
  }
  return counts;
}

/// A cast to 16 bits, rounded to nearest even as ggml does.
Result<std::vector<std::byte>> cast(const FormatSpec& format, const TensorInfo& tensor, GgmlType type,
                                    std::span<const float> values, std::span<const float> importance,
                                    int threads) {
  std::vector<float> rounded(values.size());
  if (const auto counts = fake_quantize_tensor(format, tensor, values, rounded, importance, threads); !counts)
    return tl::unexpected(naming(tensor, counts.error()));
  std::vector<std::byte> bytes(values.size() * ggml_type_info(type)->block_bytes);
  if (Result<void> stored = store_exactly(type, rounded, bytes); !stored)
    return tl::unexpected(stored.error());
  return bytes;
}

double sum_of_squares(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

}  // namespace

std::optional<GgmlType> stored_type(const FormatSpec& format) {
  if (format.details().family == Family::kGgml) return format.details().ggml_type;
  if (format.print() == "f16") return GgmlType::kF16;
  if (format.print() == "bf16") return GgmlType::kBf16;
  return std::nullopt;
}

Result<StoredTensor> quantize(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                              int threads) {
  const FormatDetails& details = format.details();
  const std::optional<GgmlType> type = stored_type(format);
  if (!type)
    return fail(ErrorCode::kUsage, "no file can store this format", format.print(),
                "name one such as gguf:q4_0");
  const Result<std::vector<float>> original = file.read_floats(tensor);
  if (!original) return tl::unexpected(original.error());
  const Result<std::vector<float>> importance = importance_for(file, format, tensor);
  if (!importance) return tl::unexpected(importance.error());
  const GgmlTypeInfo& info = *ggml_type_info(*type);
  const uint64_t columns = tensor.columns();
  const uint64_t matrices = importance->empty() || columns == 0 ? 1 : importance->size() / columns;
  const uint64_t size = original->size() / matrices, bytes = info.bytes_of(size);
  StoredTensor stored{tensor, info.type, std::vector<std::byte>(bytes * matrices), {}};
  if (!info.quantized) {
    Result<std::vector<std::byte>> bytes_of_cast =
        cast(format, tensor, *type, *original, *importance, threads);
    if (!bytes_of_cast) return tl::unexpected(bytes_of_cast.error());
    stored.bytes = std::move(*bytes_of_cast);
  }
  for (uint64_t i = 0; info.quantized && i < matrices;
       ++i) {  // each matrix of a tensor of experts has its own importance
    const Result<void> done = quantize_by_ggml(
        details, std::span(*original).subspan(i * size, size),
        std::span(stored.bytes).subspan(i * bytes, bytes), columns,
        {threads, importance->empty() ? std::span<const float>() : importance_of(*importance, i, columns)});
    if (done) continue;
    return tl::unexpected(naming(tensor, done.error()));
  }
  std::vector<float> values(original->size());
  if (Result<void> decoded = decode(stored.type, stored.bytes, values); !decoded)
    return tl::unexpected(decoded.error());
  stored.counts = count(*original, values);
  stored.relative_mse = distortion(*original, values).relative_mse;
  stored.energy = sum_of_squares(*original);
  return stored;
}

}  // namespace fqlab
