// The text that commands measure on and the study they remember in when none is given.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fqlab/result.h"
#include "study/corpora.h"

namespace fqlab::cli {

/// The text that scripts/setup fetched, where it is; else empty.
std::string default_corpus();

/// The texts `given` ("PATH" or "NAME=PATH"), or the default; kUsage where there is neither.
Result<std::vector<CorpusSource>> corpora_or_default(const std::vector<std::string>& given);

/// "SmolLM2-135M-Instruct.Q4_1-sotu.fqlab" in the working folder; several texts are joined by "+". `suffix`
/// stands before the ending, for commands with settings of their own: a study has one length of chunks.
std::filesystem::path default_study(const std::filesystem::path& model, std::span<const CorpusSource> corpora,
                                    std::string_view suffix = "");

}  // namespace fqlab::cli
