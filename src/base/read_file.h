// A whole file as text.
#pragma once

#include <filesystem>
#include <string>

#include "fqlab/result.h"

namespace fqlab {

/// The bytes of a file; of a pipe too. kSystem: missing, unreadable, or a folder.
Result<std::string> read_file(const std::filesystem::path& path);

}  // namespace fqlab
