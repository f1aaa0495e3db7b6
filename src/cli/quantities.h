// Times, sizes and shares as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab::cli {

/// "90", "90s", "20m", "2h" in seconds, above 0. kUsage, naming `option`, for everything else.
Result<double> parse_seconds(std::string_view text, const char* option);
/// "8GB", "500MB", "16GiB", "1000000" in bytes, above 0; decimal units without the i.
Result<uint64_t> parse_bytes(std::string_view text, const char* option);
/// "10%" or "0.1", above 0.
Result<double> parse_fraction(std::string_view text, const char* option);

/// Says what is wrong with a negative number; empty for everything else. CLI11 reads "-1" as a huge one where
/// an option takes no negative numbers.
std::string refuse_negative(const std::string& text);

/// "1 run", "2 runs", "1,000 runs".
std::string counted(uint64_t number, std::string_view noun);

}  // namespace fqlab::cli
