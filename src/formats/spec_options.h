// The options of a format spec: reading one, and printing those that differ from the default.
#pragma once

#include <string>
#include <string_view>

#include "formats/format_details.h"

namespace fqlab {

/// The options read so far, so that a second one of the same group is an error.
struct SpecOptions {
  FormatDetails& format;
  unsigned takes;     ///< OptionGroup bits of the base
  unsigned seen = 0;  ///< OptionGroup bits, the range of an integer and the scale's options apart
};

/// kUsage: what is wrong with a format spec, and what to say instead.
tl::unexpected<Error> refuse_spec(std::string what, std::string hint);

/// Applies one lower-case option to the spec. Errors name the options that the base takes.
Result<void> apply_option(SpecOptions& options, std::string_view option);

/// The checks that need all options: integers need a granularity, a plain cast has no scale options ...
Result<void> check_options(SpecOptions& options);

/// base[:option]... in canonical order, defaults left out.
std::string canonical_spec(const FormatDetails& format, Overflow default_overflow);

/// "tensor, channel, token, gN, bRxC, calib=..., ..." for a base with these OptionGroup bits.
std::string options_taken(unsigned takes);

}  // namespace fqlab
