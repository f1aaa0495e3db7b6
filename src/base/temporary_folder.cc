#include "base/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace fqlab {

Result<TemporaryFolder> TemporaryFolder::create(const std::string& prefix) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error)
    return fail(ErrorCode::kSystem, "there is no folder for temporary files", "TMPDIR", error.message());
  std::string pattern = (parent / (prefix + "-XXXXXX")).string();
  if (mkdtemp(pattern.data()) == nullptr)
    return fail(ErrorCode::kSystem, std::string("cannot make a temporary folder: ") + std::strerror(errno),
                parent.string(), "TMPDIR names another place");
  return TemporaryFolder(pattern);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace fqlab
