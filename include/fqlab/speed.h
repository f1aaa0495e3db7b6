// Speed of two models from interleaved measurements.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab {

/// Four measurements in the order A B B A, which cancels a steady drift of the machine. Any one unit, all
/// above 0.
struct SpeedBlock {
  double first_a = 0;
  double first_b = 0;
  double second_b = 0;
  double second_a = 0;
};

/// How B compares with A. With tokens per second above 0 means that B is faster, with milliseconds that it is
/// slower. Blind spot: says nothing about other machines; set an A/A run of as many blocks beside it, which
/// shows the noise.
struct SpeedComparison {
  double log_ratio = 0;                  ///< mean over blocks of ln(B/A); exp() of it is the ratio
  std::optional<Interval> interval;      ///< 95 %, Student t over blocks; absent with fewer than 2
  std::optional<Interval> interval90;    ///< for the verdict
  std::vector<double> block_log_ratios;  ///< in the order given, outliers included
};
Result<SpeedComparison> compare_speed(std::span<const SpeedBlock> blocks);

}  // namespace fqlab
