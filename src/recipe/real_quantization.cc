#include "recipe/real_quantization.h"

#include <bit>

#include "formats/format_details.h"
#include "formats/ggml_quantizer.h"
#include "recipe/importance.h"
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

double sum_of_squares(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

}  // namespace

Result<StoredTensor> quantize(const GgufFile& file, const TensorInfo& tensor, const FormatSpec& format,
                              int threads) {
  const FormatDetails& details = format.details();
  if (details.family != Family::kGgml)
    return fail(ErrorCode::kUsage, "this format is no ggml type, so no file can store it", format.print(),
                "name one such as gguf:q4_0");
  const Result<std::vector<float>> original = file.read_floats(tensor);
  if (!original) return tl::unexpected(original.error());
  const Result<std::vector<float>> importance = importance_for(format, tensor);
  if (!importance) return tl::unexpected(importance.error());
  const GgmlTypeInfo& info = *ggml_type_info(details.ggml_type);
  const uint64_t columns = tensor.columns();
  const uint64_t matrices = importance->empty() || columns == 0 ? 1 : importance->size() / columns;
  const uint64_t size = original->size() / matrices, bytes = size / info.block_elements * info.block_bytes;
  StoredTensor stored{tensor, info.type, std::vector<std::byte>(bytes * matrices), {}};
  for (uint64_t i = 0; i < matrices; ++i) {  // each matrix of a tensor of experts has its own importance
    const Result<void> done = quantize_by_ggml(
        details, std::span(*original).subspan(i * size, size),
        std::span(stored.bytes).subspan(i * bytes, bytes), columns,
        {threads, importance->empty() ? std::span<const float>() : importance_of(*importance, i, columns)});
    if (done) continue;
    Error error = done.error();
    error.where = tensor.name + (error.where.empty() ? "" : ", " + error.where);
    return tl::unexpected(std::move(error));
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
