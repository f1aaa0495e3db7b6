// What the commands that write a report share: where it goes, and in which languages.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "fqlab/report.h"
#include "fqlab/result.h"

namespace fqlab::cli {

/// Refuses, before anything is measured, a place where the report could not be written; and, unless `force`,
/// one where a file of these `names` is already.
Result<void> check_report_folder(const std::filesystem::path& folder, bool force,
                                 std::initializer_list<const char*> names = {"report.json", "report.md"});

Result<std::vector<Language>> parse_languages(std::span<const std::string> texts);

}  // namespace fqlab::cli
