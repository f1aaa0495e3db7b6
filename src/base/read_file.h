// A whole file at once.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

/// The bytes of a file; of a pipe too. kSystem: missing, unreadable, or a folder.
Result<std::string> read_file(const std::filesystem::path& path);

/// The same of a text. kInput as well: the file holds a zero byte, as a GGUF file, a study or UTF-16 does; it
/// is not read to its end. `hint`: how to go on after any of these errors, where the caller knows better.
Result<std::string> read_text_file(const std::filesystem::path& path, std::string_view hint = {});

}  // namespace fqlab
