// What the commands that write a report share: where it goes, and in which languages.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fqlab/report.h"
#include "fqlab/result.h"

namespace fqlab::cli {

/// Refuses, before anything is measured, a place where the report could not be written.
Result<void> check_report_folder(const std::filesystem::path& folder, bool force);

Result<std::vector<Language>> parse_languages(std::span<const std::string> texts);

}  // namespace fqlab::cli
