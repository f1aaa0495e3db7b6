// Fake quantization: checks the shape, chooses the kernel, shares rows out to threads, adds up the counts.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>
#include <vector>

#include "formats/block_scales.h"
#include "formats/calibration.h"
#include "formats/float_environment.h"
#include "formats/format_details.h"
#include "formats/ggml_quantizer.h"
#include "formats/kernels.h"
#include "formats/parallel.h"
#include "formats/scalar_kernels.h"

namespace fqlab {
namespace {

using kernels::Counts;
using kernels::GroupRule;
using kernels::GroupScale;
using kernels::Segment;

// Values a chunk of a cast: small enough for exact 32-bit counters, and 2^32 is a multiple (see random_keys).
constexpr uint64_t kCastChunk = uint64_t{1} << 16;
// Values below which a further thread costs more than it saves.
constexpr uint64_t kValuesPerThread = uint64_t{1} << 15;
// Outputs from this size do not fit the caches anyway: writing past them saves reading them first.
constexpr uint64_t kStreamBytes = uint64_t{24} << 20;

struct Work {
  const FormatDetails& format;
  std::span<const float> in;
  std::span<float> out;
  uint64_t columns;
  int threads;

  uint64_t rows() const { return in.size() / columns; }
  bool stream() const {
    return in.data() != out.data() && out.size_bytes() >= kStreamBytes && columns % 16 == 0 &&
           reinterpret_cast<uintptr_t>(out.data()) % 64 == 0;
  }
  Segment segment(uint64_t begin, uint64_t size) const {
    return {in.data() + begin, out.data() + begin, size, begin, stream()};
  }
};

void add(QuantizeCounts& sum, const Counts& part) {
  sum.changed += part.changed;
  sum.saturated += part.saturated;
  sum.flushed_to_zero += part.flushed;
  sum.nan += part.nan;
}

struct Outcome {
  QuantizeCounts counts;
  uint64_t overflowed = 0;
};

/// Adds up kernel(begin, end) over [0, items) on the work's threads.
template <class Kernel>
Outcome run(const Work& work, uint64_t items, uint64_t grain, const Kernel& kernel) {
  std::vector<Counts> parts(static_cast<size_t>(work.threads));
  share_out(items, grain, work.threads, [&](int worker, uint64_t begin, uint64_t end) {
    Counts sum;  // on this thread's stack, not beside another thread's
    kernel(begin, end, [&sum](const Counts& part) {
      sum.changed += part.changed;
      sum.saturated += part.saturated;
      sum.flushed += part.flushed;
      sum.nan += part.nan;
      sum.overflowed += part.overflowed;
    });
    if (work.stream()) kernels::end_streaming();
    parts[static_cast<size_t>(worker)] = sum;
  });
  Outcome outcome;
  for (const Counts& part : parts) {
    add(outcome.counts, part);
    outcome.overflowed += part.overflowed;
  }
  return outcome;
}

Outcome run_identity(const Work& work) {
  return run(work, work.in.size(), kCastChunk, [&](uint64_t begin, uint64_t end, const auto& tally) {
    if (work.in.data() != work.out.data())
      std::memcpy(work.out.data() + begin, work.in.data() + begin, (end - begin) * sizeof(float));
    Counts counts;
    for (uint64_t i = begin; i < end; ++i)
      counts.nan += (std::bit_cast<uint32_t>(work.out[i]) & ~kSignBit) > kInfinityBits;
    tally(counts);
  });
}

Outcome run_cast(const Work& work) {
  const FormatDetails& format = work.format;
  const Grid grid = grid_of(format.element, format.overflow, format.rounding);
  const bool vector = fits_vector_kernel(grid, 0);
  return run(work, work.in.size(), kCastChunk, [&](uint64_t begin, uint64_t end, const auto& tally) {
    for (uint64_t at = begin; at < end; at += kCastChunk) {
      Segment segment = work.segment(at, std::min(kCastChunk, end - at));
      segment.stream = segment.stream && segment.size % 16 == 0;
      if (format.family == Family::kE8m0)
        tally(kernels::cast_e8m0(segment));
      else if (vector)
        tally(kernels::cast(segment, grid, format.seed));
      else
        tally(kernels::cast_scalar(segment, grid, 0, kernels::random_keys(format.seed, segment.index)));
    }
  });
}

template <class RowKernel>
Outcome run_rows(const Work& work, const RowKernel& kernel) {
  const uint64_t grain = std::max<uint64_t>(1, kValuesPerThread / work.columns);
  return run(work, work.rows(), grain, [&](uint64_t begin, uint64_t end, const auto& tally) {
    for (uint64_t row = begin; row < end; ++row)
      tally(kernel(work.segment(row * work.columns, work.columns)));
  });
}

/// From the last band of rows to the first: after a first pass over the whole tensor, its end is still in the
/// cache.
template <class RowKernel>
Outcome run_rows_backwards(const Work& work, const RowKernel& kernel) {
  const uint64_t band = std::max<uint64_t>(1, (uint64_t{1} << 21) / work.columns);
  return run(work, work.rows(), 1, [&](uint64_t begin, uint64_t end, const auto& tally) {
    for (uint64_t last = end; last > begin;) {
      const uint64_t first = last - std::min(band, last - begin);
      for (uint64_t row = first; row < last; ++row)
        tally(kernel(work.segment(row * work.columns, work.columns)));
      last = first;
    }
  });
}

Outcome run_mx(const Work& work) {
  const FormatDetails& format = work.format;
  kernels::MxRule rule;
  rule.grid = grid_of(format.element, Overflow::kSaturate, format.rounding);
  rule.grid.has_negative_zero = !format.fixed_point;
  rule.max_exponent = format.element.max_exponent();
  rule.largest_mantissa = rule.grid.largest_bits & 0x7fffffu;
  rule.scale_rule = format.mx_rule;
  rule.seed = format.seed;
  return run_rows(work, [&](const Segment& row) { return kernels::mx_row(row, rule); });
}

/// The first pass over a tensor in NVFP4. The blocks' maxima, one a block of a row, are kept for the
/// second: this pass waits for memory and finds them for nothing, that one is busy.
struct Nvfp4Maxima {
  uint64_t blocks_a_row;
  std::unique_ptr<uint32_t[]> of_blocks;  // rows x blocks_a_row
  uint32_t largest = 0;                   // NaN and Inf included

  explicit Nvfp4Maxima(const Work& work)
      : blocks_a_row((work.columns + kernels::kNvfp4Block - 1) / kernels::kNvfp4Block),
        of_blocks(std::make_unique_for_overwrite<uint32_t[]>(work.rows() * blocks_a_row)) {
    std::atomic<uint32_t> most = 0;
    const uint64_t grain = std::max<uint64_t>(1, kValuesPerThread / work.columns);
    share_out(work.rows(), grain, work.threads, [&](int, uint64_t begin, uint64_t end) {
      const float* values = work.in.data() + begin * work.columns;
      uint32_t* found = of_blocks.get() + begin * blocks_a_row;
      uint32_t part = 0;
      if (work.columns % kernels::kNvfp4Block == 0)
        part = kernels::nvfp4_maxima(values, (end - begin) * work.columns, found);
      else
        for (uint64_t row = begin; row < end; ++row, values += work.columns, found += blocks_a_row)
          part = std::max(part, kernels::nvfp4_maxima(values, work.columns, found));
      uint32_t before = most;
      while (before < part && !most.compare_exchange_weak(before, part)) {
      }
    });
    largest = most;
  }
  const uint32_t* of_row(uint64_t row) const { return of_blocks.get() + row * blocks_a_row; }
};

Outcome run_nvfp4(const Work& work) {
  constexpr float kLargestProduct = 2688;  // 6 of E2M1 times 448 of E4M3
  const Nvfp4Maxima maxima(work);
  float absmax = std::bit_cast<float>(maxima.largest);
  if (maxima.largest >= kInfinityBits) {  // the slower search leaves NaN and Inf out
    const kernels::Range range =
        range_of({work.in.data(), 1, work.in.size(), work.in.size(), 0}, work.threads);
    absmax = std::max(-range.low, range.high);
  }
  const float tensor_scale = absmax / kLargestProduct;
  const Grid grid = grid_of(work.format.element, Overflow::kSaturate, work.format.rounding);
  return run_rows_backwards(work, [&](const Segment& row) {
    return kernels::nvfp4_row(row, maxima.of_row(row.index / work.columns), grid, tensor_scale,
                              work.format.seed);
  });
}

GroupRule group_rule(const FormatDetails& format) {
  GroupRule rule;
  rule.is_integer = format.family == Family::kInteger;
  rule.scale_type = format.scale_type;
  rule.rounding = format.rounding;
  rule.seed = format.seed;
  if (!rule.is_integer) {
    rule.grid = grid_of(format.element, format.overflow, format.rounding);
    rule.divisor = static_cast<float>(format.element.largest());
    return rule;
  }
  const float codes = static_cast<float>(1 << format.integer_bits);
  const bool narrow = format.range == IntegerRange::kNarrow;
  rule.asymmetric = format.mapping == Mapping::kAsymmetric;
  if (rule.asymmetric) {
    rule.divisor = codes - (narrow ? 2 : 1);
    rule.quantum_min = (format.is_unsigned ? 0 : -codes / 2) + (narrow ? 1 : 0);
    rule.quantum_max = rule.quantum_min + rule.divisor;
  } else if (format.is_unsigned) {
    rule.positive_only = true;
    rule.high = codes - 1;
    rule.divisor = rule.high;
  } else {
    rule.high = codes / 2 - 1;
    rule.low = format.range == IntegerRange::kFull ? -codes / 2 : -rule.high;
    rule.divisor = rule.high;
  }
  return rule;
}

/// Bands of rows whose column groups share scales: computed band by band, then applied row by row.
Outcome run_bands(const Work& work, const GroupRule& rule, uint64_t rows_per_band) {
  const uint64_t bands = (work.rows() + rows_per_band - 1) / rows_per_band;
  const uint64_t groups = (work.columns + rule.group - 1) / rule.group;
  const int threads_in_band = bands == 1 ? work.threads : 1;
  return run(work, bands, 1, [&](uint64_t begin, uint64_t end, const auto& tally) {
    std::vector<GroupScale> scales(groups);
    for (uint64_t band = begin; band < end; ++band) {
      const uint64_t first = band * rows_per_band, last = std::min(work.rows(), first + rows_per_band);
      for (uint64_t group = 0; group < groups; ++group) {
        const uint64_t column = group * rule.group, offset = first * work.columns + column;
        const uint64_t width = std::min<uint64_t>(rule.group, work.columns - column);
        scales[group] = calibrate({work.in.data() + offset, last - first, width, work.columns, offset}, rule,
                                  work.format.calibration, threads_in_band);
      }
      for (uint64_t row = first; row < last; ++row)
        tally(kernels::group_row(work.segment(row * work.columns, work.columns), rule, scales.data()));
    }
  });
}

Outcome run_groups(const Work& work) {
  const FormatDetails& format = work.format;
  const Granularity& granularity = format.granularity;
  GroupRule rule = group_rule(format);
  rule.group = work.columns;
  switch (granularity.kind) {
    case GranularityKind::kNone:
      break;
    case GranularityKind::kCast: {
      const GroupScale one = {1, rule.low, rule.high};
      return run_rows(work, [&](const Segment& row) { return kernels::group_row(row, rule, &one); });
    }
    case GranularityKind::kTensor: {
      const GroupView all = {work.in.data(), 1, work.in.size(), work.in.size(), 0};
      const GroupScale scale = calibrate(all, rule, format.calibration, work.threads);
      return run_rows(work, [&](const Segment& row) { return kernels::group_row(row, rule, &scale); });
    }
    case GranularityKind::kBlock:
      rule.group = std::min(work.columns, granularity.columns);
      return run_bands(work, rule, granularity.rows);
    case GranularityKind::kGroup:
      rule.group = std::min(work.columns, granularity.columns);
      break;
    case GranularityKind::kChannel:
    case GranularityKind::kToken:
      break;
  }
  if (format.calibration.kind != CalibrationKind::kAbsMax) return run_bands(work, rule, 1);
  return run_rows(work, [&](const Segment& row) { return kernels::group_row(row, rule, nullptr); });
}

}  // namespace

QuantizeCounts& QuantizeCounts::operator+=(const QuantizeCounts& other) {
  values += other.values;
  changed += other.changed;
  saturated += other.saturated;
  flushed_to_zero += other.flushed_to_zero;
  nan += other.nan;
  return *this;
}

Result<QuantizeCounts> fake_quantize(const FormatSpec& spec, std::span<const float> in, std::span<float> out,
                                     uint64_t columns, const FakeQuantizeOptions& options) {
  if (in.size() != out.size())
    return fail(ErrorCode::kUsage, fmt::format("{} values in, room for {} out", in.size(), out.size()),
                spec.print());
  if (columns == 0 || in.size() % columns != 0)
    return fail(ErrorCode::kUsage, fmt::format("{} values are not whole rows of {}", in.size(), columns),
                spec.print());
  const FormatDetails& format = spec.details();
  if (format.family == Family::kGgml) return fake_quantize_by_ggml(format, in, out, columns, options);
  if (in.empty()) return QuantizeCounts{};

  const auto useful = static_cast<int>(std::clamp<uint64_t>(in.size() / kValuesPerThread, 1, 1024));
  const Work work = {format, in, out, columns, std::clamp(options.threads, 1, useful)};
  const FloatEnvironment environment;  // for the scales made on this thread; share_out sets it on the others
  Outcome outcome;
  switch (format.family) {
    case Family::kIdentity:
      outcome = run_identity(work);
      break;
    case Family::kMiniFloat:
      outcome = format.has_scale() ? run_groups(work) : run_cast(work);
      break;
    case Family::kE8m0:
      outcome = run_cast(work);
      break;
    case Family::kMx:
      outcome = run_mx(work);
      break;
    case Family::kNvfp4:
      outcome = run_nvfp4(work);
      break;
    case Family::kInteger:
      outcome = run_groups(work);
      break;
    case Family::kGgml:
      break;
  }
  if (format.overflow == Overflow::kError && outcome.overflowed != 0)
    return fail(ErrorCode::kUsage, fmt::format("{} of {} values overflow", outcome.overflowed, in.size()),
                spec.print(),
                "say ovf=sat to saturate; a scale, such as ':channel', helps the formats that take one");
  outcome.counts.values = in.size();
  return outcome.counts;
}

}  // namespace fqlab
