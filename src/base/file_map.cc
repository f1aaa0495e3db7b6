#include "base/file_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fqlab {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

}  // namespace

Result<FileMap> FileMap::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) {
    const int code = errno;
    return fail(ErrorCode::kSystem, std::string("cannot open the file: ") + std::strerror(code),
                path.string(), code == ENOENT ? "check the path" : "");
  }
  struct stat status {};
  if (fstat(file.number, &status) != 0)
    return fail(ErrorCode::kSystem, std::string("cannot read the file: ") + std::strerror(errno),
                path.string());
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::kSystem,
                S_ISDIR(status.st_mode) ? "this is a folder, not a file" : "this is not a regular file",
                path.string(), "give the path of a file");
  if (status.st_size == 0) return FileMap({});
  const auto size = static_cast<size_t>(status.st_size);
  void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (memory == MAP_FAILED)
    return fail(ErrorCode::kSystem, std::string("cannot map the file: ") + std::strerror(errno),
                path.string());
  return FileMap({static_cast<const std::byte*>(memory), size});
}

FileMap::~FileMap() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void FileMap::forget_pages() const {
  if (!bytes_.empty()) madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

}  // namespace fqlab
