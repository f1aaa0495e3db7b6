#include "base/read_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace fqlab {

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(ErrorCode::kSystem, "this is a folder, not a file", path.string(), "give the path of a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad())
    return fail(
        ErrorCode::kSystem,
        std::string("cannot read the file") + (errno == 0 ? "" : std::string(": ") + std::strerror(errno)),
        path.string(), "check its name and your permission");
  return text;
}

}  // namespace fqlab
