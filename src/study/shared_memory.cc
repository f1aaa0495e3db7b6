#include "study/shared_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/system.h"

namespace fqlab {

Result<SharedMemory> SharedMemory::create(uint64_t bytes,
                                          const std::optional<std::filesystem::path>& folder) {
  if (bytes == 0) return SharedMemory(std::span<std::byte>());
  const auto refuse = [&](const char* what) {
    return fail(ErrorCode::kSystem, fmt::format("{} {}: {}", what, human_bytes(bytes), std::strerror(errno)),
                folder ? folder->string() : std::string());
  };
  const int descriptor = folder ? open(folder->c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                                : memfd_create("fqlab-shared", MFD_CLOEXEC);
  if (descriptor < 0) return refuse("cannot create a temporary file of");
  // On a disk the room is taken now: a full disk is an error here, not a signal in the middle of the work.
  const int status = folder ? posix_fallocate(descriptor, 0, static_cast<off_t>(bytes))
                            : (ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 ? 0 : errno);
  void* memory = MAP_FAILED;
  if (status == 0) memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (status != 0) errno = status;
  const int kept = errno;
  close(descriptor);
  errno = kept;
  if (memory == MAP_FAILED) return refuse("cannot reserve");
  return SharedMemory({static_cast<std::byte*>(memory), bytes});
}

SharedMemory::~SharedMemory() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

}  // namespace fqlab
