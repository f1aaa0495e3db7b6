#include "formats/ggml_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <vector>

#include "formats/ggml_door.h"
#include "formats/grid.h"
#include "formats/parallel.h"

namespace fqlab {
namespace {

/// Types of so few bits that ggml's quantizer gives poor or no results without an imatrix.
bool needs_importance(const GgmlTypeInfo& info) {
  return info.name.starts_with("iq1") || info.name.starts_with("iq2") ||
         ggml_door::requires_importance(info.type);
}

/// Largest magnitude; NaN and Inf count as Inf.
float largest_of(std::span<const float> values) {
  uint32_t largest = 0;
  for (const float x : values) largest = std::max(largest, std::bit_cast<uint32_t>(x) & ~kSignBit);
  return std::bit_cast<float>(std::min(largest, kInfinityBits));
}

QuantizeCounts compare(const float* in, const float* out, uint64_t size) {
  QuantizeCounts counts;
  for (uint64_t i = 0; i < size; ++i) {
    counts.changed += std::bit_cast<uint32_t>(in[i]) != std::bit_cast<uint32_t>(out[i]);
    counts.flushed_to_zero += in[i] != 0 && out[i] == 0;
  }
  return counts;
}

tl::unexpected<Error> refuse(const FormatDetails& format, std::string what, std::string hint) {
  return fail(ErrorCode::kUsage, std::move(what), format.base, std::move(hint));
}

/// The type, ready to quantize such rows.
Result<const GgmlTypeInfo*> usable_type(const FormatDetails& format, std::span<const float> in,
                                        uint64_t columns, const FakeQuantizeOptions& options) {
  const GgmlTypeInfo* info = ggml_type_info(format.ggml_type);
  if (info == nullptr) return refuse(format, "ggml has no such type", "see: fqlab formats");
  if (columns % info->block_elements != 0)
    return refuse(
        format,
        fmt::format("a row of {} values is no multiple of the block of {}", columns, info->block_elements),
        "llama-quantize would silently store another type here; name one whose block fits, e.g. gguf:q8_0 or "
        "gguf:iq4_nl (blocks of 32)");
  const bool weighted = !options.importance.empty();
  if (weighted && options.importance.size() != columns)
    return refuse(
        format,
        fmt::format("the imatrix has {} columns and the tensor {}", options.importance.size(), columns),
        "take the imatrix of this model");
  if (!weighted && !format.imatrix_file.empty())  // quantizing without it would not be what the spec says
    return refuse(format, fmt::format("the imatrix {} has no entry for this tensor", format.imatrix_file),
                  "leave the tensor out of the selector, or its imatrix=; norms never have an entry, an "
                  "output.weight of its own has one where the imatrix was made with --process-output");
  if (!weighted && needs_importance(*info))
    return refuse(format, fmt::format("{} needs an imatrix", info->name),
                  fmt::format("say {}:imatrix=FILE", format.base));
  const float value = largest_of(in), importance = largest_of(options.importance);
  if (std::isinf(value))
    return refuse(format, "ggml's quantizers take finite values only", "the tensor holds NaN or Inf");
  if (std::isinf(importance)) return refuse(format, "the imatrix holds NaN or Inf", "compute it again");
  // ggml's search for a scale squares importance times squared values, in float32; where that overflows it
  // finds no point of a grid and aborts. Its own scales are 16-bit floats: none of its types holds values so
  // large.
  constexpr float kMostValue = 3e8f, kMostSquare = 1e18f;
  if (info->quantized &&
      (value > kMostValue || static_cast<double>(importance) * value * value > kMostSquare))
    return refuse(format,
                  fmt::format("values of up to {:.3g}{} are too large for ggml's quantizers", value,
                              weighted ? fmt::format(" with an importance of up to {:.3g}", importance) : ""),
                  "leave the tensor out of the selector");
  if (auto prepared = ggml_door::prepare(info->type); !prepared) return tl::unexpected(prepared.error());
  return info;
}

}  // namespace

Result<void> quantize_by_ggml(const FormatDetails& format, std::span<const float> in,
                              std::span<std::byte> stored, uint64_t columns,
                              const FakeQuantizeOptions& options) {
  const Result<const GgmlTypeInfo*> usable = usable_type(format, in, columns, options);
  if (!usable) return tl::unexpected(usable.error());
  const GgmlTypeInfo& info = **usable;
  const uint64_t bytes = info.bytes_of(columns);
  share_out(in.size() / std::max<uint64_t>(columns, 1), 1, options.threads,
            [&](int, uint64_t begin, uint64_t end) {
              for (uint64_t row = begin; row < end; ++row)
                ggml_door::quantize_row(info.type, in.subspan(row * columns, columns),
                                        stored.subspan(row * bytes, bytes), options.importance);
            });
  return {};
}

Result<QuantizeCounts> fake_quantize_by_ggml(const FormatDetails& format, std::span<const float> in,
                                             std::span<float> out, uint64_t columns,
                                             const FakeQuantizeOptions& options) {
  const Result<const GgmlTypeInfo*> usable = usable_type(format, in, columns, options);
  if (!usable) return tl::unexpected(usable.error());
  const GgmlTypeInfo& info = **usable;
  if (in.empty()) return QuantizeCounts{};

  const uint64_t rows = in.size() / columns;
  const uint64_t bytes_per_row = info.bytes_of(columns);
  std::vector<QuantizeCounts> counts(static_cast<size_t>(std::max(options.threads, 1)));
  share_out(rows, 1, options.threads, [&](int worker, uint64_t begin, uint64_t end) {
    std::vector<std::byte> stored(bytes_per_row);
    std::vector<float> result(columns);
    for (uint64_t row = begin; row < end; ++row) {
      const float* source = in.data() + row * columns;
      ggml_door::quantize_row(info.type, {source, columns}, stored, options.importance);
      ggml_door::dequantize_row(info.type, stored, result);
      counts[static_cast<size_t>(worker)] += compare(source, result.data(), columns);
      std::ranges::copy(result, out.data() + row * columns);
    }
  });
  QuantizeCounts sum;
  for (const QuantizeCounts& part : counts) sum += part;
  sum.values = in.size();
  return sum;
}

}  // namespace fqlab
