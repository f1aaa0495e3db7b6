// Where a sensitivity map comes from: a study file, or map.json.
#pragma once

#include <string>
#include <string_view>

#include "fqlab/result.h"
#include "fqlab/sensitivity_map.h"

namespace fqlab::cli {

/// Whole contents; kSystem where the file cannot be read.
Result<std::string> read_text(const std::string& path);

/// Whether these are the first bytes of an SQLite file, which a study is.
bool is_study(std::string_view contents);
/// Whether the file holds a map: a study, or a map.json. False where it cannot be read.
bool holds_map(const std::string& path);

/// The map of a study or a map.json, with ranks and additivity. kInput where the file is neither.
Result<SensitivityMap> read_map_file(const std::string& path);

}  // namespace fqlab::cli
