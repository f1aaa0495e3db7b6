#include "base/scratch_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/atomic_file.h"

namespace fqlab {

Result<ScratchFile> ScratchFile::create(const std::filesystem::path& folder) {
  int descriptor = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    std::string name = (folder / ".fqlab-XXXXXX").string();
    descriptor = mkostemp(name.data(), O_CLOEXEC);
    if (descriptor >= 0) unlink(name.c_str());
  }
  if (descriptor < 0)
    return fail(ErrorCode::kSystem, std::string("cannot make a temporary file: ") + std::strerror(errno),
                folder.string(), std::string(advice_on_writing(errno)));
  return ScratchFile(descriptor);
}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::filesystem::path ScratchFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

}  // namespace fqlab
