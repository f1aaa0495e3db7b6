#include "formats/calibration.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "formats/parallel.h"

namespace fqlab {
namespace {

using kernels::GroupRule;
using kernels::GroupScale;
using kernels::Range;

constexpr uint64_t kBufferValues = 4096;

bool is_finite(float x) { return (std::bit_cast<uint32_t>(x) & ~kSignBit) < kInfinityBits; }

/// Sum of squared differences over the finite values. Eight fixed lanes: the same bits on every machine.
double squared_error(const float* exact, const float* rounded, uint64_t size) {
  std::array<double, 8> lanes{};
  for (uint64_t i = 0; i < size; ++i) {
    const double difference = static_cast<double>(exact[i]) - static_cast<double>(rounded[i]);
    lanes[i % 8] += is_finite(exact[i]) ? difference * difference : 0;
  }
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

double error_of(const GroupView& group, const GroupRule& rule, const GroupScale& scale) {
  std::array<float, kBufferValues> rounded;
  GroupRule chunk_rule = rule;
  chunk_rule.group = kBufferValues;
  double error = 0;
  for (uint64_t row = 0; row < group.rows; ++row) {
    for (uint64_t at = 0; at < group.columns; at += kBufferValues) {
      const uint64_t size = std::min(kBufferValues, group.columns - at);
      const uint64_t offset = row * group.stride + at;
      kernels::group_row({group.data + offset, rounded.data(), size, group.index + offset, false}, chunk_rule,
                         &scale);
      error += squared_error(group.data + offset, rounded.data(), size);
    }
  }
  return error;
}

GroupScale least_squares(const GroupView& group, const GroupRule& rule, int steps, int threads) {
  const Range range = range_of(group, threads);
  std::mutex mutex;
  double least = std::numeric_limits<double>::infinity();
  int best = steps;
  const bool large = group.rows * group.columns >= (uint64_t{1} << 16);
  share_out(static_cast<uint64_t>(steps), 1, large ? threads : 1, [&](int, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i) {
      const int ratio = static_cast<int>(i) + 1;
      const float part = static_cast<float>(ratio) / static_cast<float>(steps);
      const GroupScale scale = group_scale(rule, range.low * part, range.high * part);
      const double error = error_of(group, rule, scale);
      const std::scoped_lock lock(mutex);
      if (error < least || (error == least && ratio > best)) {
        least = error;
        best = ratio;
      }
    }
  });
  const float part = static_cast<float>(best) / static_cast<float>(steps);
  return group_scale(rule, range.low * part, range.high * part);
}

/// The value of nearest rank ceil(percent / 100 * n), at least the first; reorders `values`.
float nearest_rank(std::vector<float>& values, double percent) {
  const double exact = percent / 100 * static_cast<double>(values.size());
  const double rank = std::ceil(exact - 1e-9 * exact);  // 99.9 / 100 * 1000 is above 999 in double
  const auto at = static_cast<size_t>(std::clamp(rank, 1.0, static_cast<double>(values.size()))) - 1;
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

GroupScale percentile(const GroupView& group, const GroupRule& rule, double percent) {
  std::vector<float> values;
  values.reserve(group.rows * group.columns);
  for (uint64_t row = 0; row < group.rows; ++row)
    for (uint64_t column = 0; column < group.columns; ++column) {
      const float x = group.data[row * group.stride + column];
      if (is_finite(x)) values.push_back(rule.asymmetric || rule.positive_only ? x : std::fabs(x));
    }
  if (values.empty()) return {};
  const float high = nearest_rank(values, percent);
  const float low = rule.asymmetric ? nearest_rank(values, 100 - percent) : 0;
  return group_scale(rule, std::min(low, 0.0f), std::max(high, 0.0f));
}

}  // namespace

Range range_of(const GroupView& group, int threads) {
  Range range;
  std::mutex mutex;
  const bool one_row = group.rows == 1 || group.stride == group.columns;
  const uint64_t rows = one_row ? 1 : group.rows;
  const uint64_t columns = one_row ? group.rows * group.columns : group.columns;
  const auto widen = [&](const float* data, uint64_t size) {
    const Range part = kernels::finite_range(data, size);
    const std::scoped_lock lock(mutex);
    range.low = std::min(range.low, part.low);
    range.high = std::max(range.high, part.high);
  };
  for (uint64_t row = 0; row < rows; ++row) {
    const float* data = group.data + row * group.stride;
    share_out(columns, 1 << 16, threads,
              [&](int, uint64_t begin, uint64_t end) { widen(data + begin, end - begin); });
  }
  return range;
}

GroupScale calibrate(const GroupView& group, const GroupRule& rule, const Calibration& calibration,
                     int threads) {
  switch (calibration.kind) {
    case CalibrationKind::kMse:
      return least_squares(group, rule, calibration.steps, threads);
    case CalibrationKind::kPercentile:
      return percentile(group, rule, calibration.percentile);
    case CalibrationKind::kAbsMax:
      break;
  }
  const Range range = range_of(group, threads);
  return group_scale(rule, range.low, range.high);
}

}  // namespace fqlab
