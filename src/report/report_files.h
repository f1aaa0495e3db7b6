// The files of a report's folder.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fqlab/report.h"

namespace fqlab::report {

/// "" for the first language asked for, ".en" or ".zh-TW" for the others.
std::string language_suffix(std::span<const Language> languages, size_t index);

/// Writes the files into `folder`, which is made where absent, each atomically, replacing older ones. Returns
/// the paths written; kSystem where the folder or a file cannot be written.
Result<std::vector<std::filesystem::path>> write_files(std::span<const ExportFile> files,
                                                       const std::filesystem::path& folder);

}  // namespace fqlab::report
