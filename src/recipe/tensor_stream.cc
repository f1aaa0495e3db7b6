#include "recipe/tensor_stream.h"

#include <algorithm>
#include <cstring>

#include "formats/format_details.h"
#include "formats/parallel.h"

namespace fqlab {
namespace {

// 128 KiB decoded and 128 KiB quantized fit the second-level cache of every current core.
constexpr uint64_t kBatchValues = uint64_t{1} << 15;

}  // namespace

TensorStream::TensorStream(const GgufFile& file, const TensorInfo& tensor, int threads, uint64_t matrices,
                           uint64_t row_step)
    : file_(file),
      tensor_(tensor),
      threads_(threads),
      columns_(std::max<uint64_t>(1, tensor.columns())),
      matrices_(matrices),
      row_step_(row_step) {
  rows_per_matrix_ = tensor.values() / columns_ / matrices_;
  visited_per_matrix_ = (rows_per_matrix_ + row_step_ - 1) / row_step_;
  rows_per_batch_ =
      std::clamp<uint64_t>(kBatchValues / columns_, 1, std::max<uint64_t>(1, visited_per_matrix_));
  batches_per_matrix_ = (visited_per_matrix_ + rows_per_batch_ - 1) / rows_per_batch_;
}

RowBatch TensorStream::batch(uint64_t index) const {
  const uint64_t matrix = index / batches_per_matrix_;
  const uint64_t row = matrix * rows_per_matrix_ + index % batches_per_matrix_ * rows_per_batch_ * row_step_;
  return {index, row * columns_, matrix};
}

uint64_t TensorStream::values_of(uint64_t index) const {
  const uint64_t first = index % batches_per_matrix_ * rows_per_batch_;
  return std::min(rows_per_batch_, visited_per_matrix_ - first) * columns_;
}

Result<void> TensorStream::decode_rows(const RowBatch& batch, std::span<float> values) const {
  const GgmlTypeInfo& type = *ggml_type_info(tensor_.type);
  const std::span<const std::byte> data = file_.data(tensor_);
  const uint64_t run = row_step_ == 1 ? values.size() : columns_;  // values that lie together
  for (uint64_t done = 0; done < values.size(); done += run) {
    const uint64_t offset = batch.offset + done * row_step_;
    const auto bytes = data.subspan(type.bytes_of(offset), type.bytes_of(run));
    if (Result<void> decoded = decode(tensor_.type, bytes, values.subspan(done, run)); !decoded)
      return decoded;
  }
  return {};
}

Result<void> TensorStream::each(const Visit& visit) const {
  std::vector<std::optional<Error>> errors(static_cast<size_t>(std::max(threads_, 1)));
  share_out(batches(), 1, threads_, [&](int worker, uint64_t begin, uint64_t end) {
    std::vector<float> values(rows_per_batch_ * columns_), room(values.size());
    for (uint64_t index = begin; index < end; ++index) {
      const RowBatch at = batch(index);
      const auto part = std::span(values).first(values_of(index));
      Result<void> done = decode_rows(at, part);
      if (done) done = visit(at, part, std::span(room).first(part.size()));
      if (done) continue;
      errors[static_cast<size_t>(worker)] = done.error();  // workers have consecutive batches
      return;
    }
  });
  for (std::optional<Error>& error : errors) {
    if (error) return tl::unexpected(naming(tensor_, std::move(*error)));
  }
  return {};
}

bool needs_whole_tensor(const FormatSpec& format) {
  const FormatDetails& details = format.details();
  const bool shared_scale = details.granularity.kind == GranularityKind::kTensor ||
                            details.granularity.kind == GranularityKind::kBlock ||
                            details.family == Family::kNvfp4;
  // An overflow is an error that names how many values of the tensor overflow.
  return shared_scale || details.rounding == Rounding::kStochastic || details.overflow == Overflow::kError;
}

Error naming(const TensorInfo& tensor, Error error) {
  error.where = tensor.name + (error.where.empty() ? "" : ", " + error.where);
  return error;
}

std::span<const float> importance_of(std::span<const float> all, uint64_t matrix, uint64_t columns) {
  return all.empty() ? all : all.subspan(matrix * columns, columns);
}

Result<QuantizeCounts> fake_quantize_tensor(const FormatSpec& format, const TensorInfo& tensor,
                                            std::span<const float> in, std::span<float> out,
                                            std::span<const float> importance, int threads) {
  const uint64_t columns = tensor.columns();
  const bool blocks = format.details().granularity.kind == GranularityKind::kBlock;
  if (columns == 0 || (importance.empty() && !blocks))
    return fake_quantize(format, in, out, columns, {threads, {}});
  const uint64_t matrices = std::max<uint64_t>(1, blocks ? tensor.matrices() : importance.size() / columns);
  const uint64_t size = in.size() / matrices;
  QuantizeCounts sum;
  for (uint64_t i = 0; i < matrices; ++i) {
    auto counts = fake_quantize(format, in.subspan(i * size, size), out.subspan(i * size, size), columns,
                                {threads, importance_of(importance, i, columns)});
    if (!counts) return counts;
    sum += *counts;
  }
  return sum;
}

Result<QuantizeCounts> QuantizedStream::each(std::vector<float>& whole, const Visit& visit) const {
  const uint64_t columns = std::max<uint64_t>(1, tensor.columns());
  const uint64_t matrices = importance.empty() ? 1 : importance.size() / columns;
  const TensorStream stream(file, tensor, threads, matrices);
  if (!needs_whole_tensor(format)) {
    std::vector<QuantizeCounts> counts(stream.batches());
    const auto done = stream.each([&](const RowBatch& batch, std::span<const float> values,
                                      std::span<float> room) -> Result<void> {
      const auto part =
          fake_quantize(format, values, room, columns, {1, importance_of(importance, batch.matrix, columns)});
      if (!part) return tl::unexpected(part.error());
      counts[batch.index] = *part;
      visit(batch, values, room);
      return {};
    });
    if (!done) return tl::unexpected(done.error());
    QuantizeCounts sum;
    for (const QuantizeCounts& part : counts) sum += part;
    return sum;
  }
  // Decoding a second time costs less than keeping the original beside the result.
  if (whole.size() < tensor.values()) {
    whole = {};
    whole.resize(tensor.values());
  }
  const auto decoded = stream.each(
      [&](const RowBatch& batch, std::span<const float> values, std::span<float>) -> Result<void> {
        std::ranges::copy(values, whole.begin() + static_cast<ptrdiff_t>(batch.offset));
        return {};
      });
  if (!decoded) return tl::unexpected(decoded.error());
  const auto all = std::span(whole).first(tensor.values());
  auto counts = fake_quantize_tensor(format, tensor, all, all, {}, threads);
  if (!counts) return counts;
  const auto compared = stream.each(
      [&](const RowBatch& batch, std::span<const float> values, std::span<float>) -> Result<void> {
        visit(batch, values, all.subspan(batch.offset, values.size()));
        return {};
      });
  if (!compared) return tl::unexpected(compared.error());
  return counts;
}

}  // namespace fqlab
