// Number formats as options name them: --formats F,F, --format F,F, --predict F,F.
#pragma once

#include <string>
#include <vector>

#include "fqlab/format.h"
#include "fqlab/result.h"

namespace fqlab::cli {

/// Each format once, in the order of first mention. Errors are those of FormatSpec::parse.
Result<std::vector<FormatSpec>> parse_formats(const std::vector<std::string>& texts);

}  // namespace fqlab::cli
