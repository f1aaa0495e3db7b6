// Numbers for people: digits follow the interval, tiny values stay readable, an exact 0 is "0".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fqlab/stats.h"

namespace fqlab::report {

/// Four significant digits unless told otherwise: "24.5", "0.0008", "8.1e-13", "0".
/// Scientific below 1e-4 and from 1e7 on, without leading zeros in the exponent.
std::string number(double value, int significant = 4);

/// A fixed number of decimals, for quantities that people compare digit by digit: "24.4974".
std::string fixed(double value, int decimals);

/// "0.00080 [0.00072, 0.00088]": half the interval's width keeps two digits. The value alone where there is
/// no interval or where it has no width (an exact result carries no sign of noise). `sign`: a plus before
/// positive numbers.
std::string estimate(double value, const std::optional<Interval>& interval, bool sign = false);

/// The interval alone, "[22.8, 26.3]", with the same digits.
std::string interval_text(const Interval& interval);
/// A KL divergence, which cannot be negative, and its interval from 0 on: Student's t does not know that.
std::string kl_estimate(double kl, std::optional<Interval> interval);
/// "[-1.5 %, +1.2 %]".
std::string percent_interval_text(const Interval& interval, bool sign = false);

/// The same for a fraction printed as per cent: "98.94 % [98.60 %, 99.20 %]".
std::string percent(double fraction, const std::optional<Interval>& interval = {}, bool sign = false);

/// A margin, two significant digits: "0.5 %".
std::string margin_percent(double fraction);

/// "1,234,567".
std::string count(uint64_t value);

/// "96.9 MiB (101,617,024 bytes)"; below 1 KiB the bytes alone.
std::string byte_size(uint64_t bytes);

/// "850 ms", "12.3 s", "2 min 5 s", "1 h 4 min".
std::string duration(double seconds);

}  // namespace fqlab::report
