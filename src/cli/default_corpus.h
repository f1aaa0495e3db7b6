// The text that commands measure on and the study they remember in when none is given.
#pragma once

#include <filesystem>
#include <string>

#include "fqlab/result.h"

namespace fqlab::cli {

/// The text that scripts/setup fetched, where it is; else empty.
std::string default_corpus();

/// `given`, or the default; kUsage where there is neither.
Result<std::filesystem::path> corpus_or_default(const std::string& given);

/// "SmolLM2-135M-Instruct.Q4_1-sotu.fqlab" in the working folder.
std::filesystem::path default_study(const std::filesystem::path& model, const std::filesystem::path& corpus);

}  // namespace fqlab::cli
