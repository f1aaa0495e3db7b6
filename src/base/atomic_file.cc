#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace fqlab {
namespace {

constexpr mode_t kMode = 0666;  // less the umask, as for any file a program creates

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// Where the file that is to be replaced lies; a link is followed.
std::filesystem::path target_of(const std::filesystem::path& path) {
  std::error_code absent;
  const std::filesystem::path target = std::filesystem::canonical(path, absent);
  return absent ? path : target;
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> count = 0;
  return folder_of(path) / (".fqlab-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".tmp");
}

/// Calls `make` with temporary names until one is free: a killed program of the same process number (in
/// containers, every one) leaves its own behind. Empty: `make` failed otherwise, and errno says why.
template <class Make>
std::filesystem::path make_temporary(const std::filesystem::path& path, const Make& make) {
  for (;;) {
    std::filesystem::path name = temporary_name(path);
    if (make(name.c_str())) return name;
    if (errno != EEXIST) return {};
  }
}

/// Gives a file the rights of `mode`. A file system that knows no rights gives all files the same, and is not
/// asked.
bool give_rights(int descriptor, mode_t mode) {
  constexpr mode_t kRights = 07777;
  struct stat now {};
  return fstat(descriptor, &now) == 0 &&
         ((now.st_mode & kRights) == (mode & kRights) || fchmod(descriptor, mode & kRights) == 0);
}

/// Gives a file without a name one.
bool link_to(int descriptor, const char* name) {
  const std::string self = "/proc/self/fd/" + std::to_string(descriptor);
  return linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

Error existing_file(const std::filesystem::path& path) {
  return {ErrorCode::kUsage, "the output exists already", path.string(),
          "choose another name, or pass --force to replace it"};
}

Error system_error(std::string_view what, int code, const std::filesystem::path& path) {
  return {ErrorCode::kSystem, std::string(what) + ": " + std::strerror(code), path.string(),
          std::string(advice_on_writing(code))};
}

}  // namespace

std::string_view advice_on_writing(int code) {
  switch (code) {
    case ENOENT:
      return "create the folder first";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a folder that you may write to";
    case ENOSPC:
    case EDQUOT:
      return "free some space, or choose another disk; nothing was left behind";
    default:
      return "";
  }
}

Result<void> check_output(const std::filesystem::path& path, Existing existing,
                          std::span<const InputFile> inputs) {
  for (const InputFile& input : inputs)
    if (std::error_code absent; std::filesystem::equivalent(path, input.path, absent))
      return fail(ErrorCode::kUsage, fmt::format("the output is the {} that is read", input.what),
                  path.string(), "choose another name");
  if (path.empty()) return fail(ErrorCode::kUsage, "the output has no name", "", "name a file");
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode))
      return fail(ErrorCode::kSystem, "the output is not a regular file", path.string(),
                  "choose another name");
    if (existing == Existing::kRefuse) return tl::unexpected(existing_file(path));
  } else if (errno != ENOENT) {
    return tl::unexpected(system_error("cannot write the file", errno, path));
  } else if (lstat(path.c_str(), &status) == 0 && existing == Existing::kRefuse) {  // a link to nothing
    return tl::unexpected(existing_file(path));
  }
  if (faccessat(AT_FDCWD, folder_of(target_of(path)).c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return tl::unexpected(system_error("cannot write to the folder", errno, path));
  return {};
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path, Existing existing) {
  if (Result<void> checked = check_output(path, existing); !checked) return tl::unexpected(checked.error());
  struct stat replaced {};
  const bool replaces = stat(path.c_str(), &replaced) == 0;
  AtomicFile file(target_of(path), existing, -1, {});
  file.descriptor_ = open(folder_of(file.path_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode);
  if (file.descriptor_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    file.temporary_ = make_temporary(file.path_, [&](const char* name) {
      file.descriptor_ = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kMode);
      return file.descriptor_ >= 0;
    });
  }
  if (file.descriptor_ < 0) return tl::unexpected(system_error("cannot write to the folder", errno, path));
  if (replaces && !give_rights(file.descriptor_, replaced.st_mode))
    return tl::unexpected(system_error("cannot keep the rights of the file", errno, path));
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      existing_(other.existing_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      temporary_(std::exchange(other.temporary_, {})) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr size_t kMostAtOnce = size_t{1} << 30;  // Linux writes at most 2 GiB a call
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kMostAtOnce));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected(system_error("cannot write the file", errno, path_));
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<void> AtomicFile::name_new() {
  int status = 0;
  if (temporary_.empty()) {
    status = link_to(descriptor_, path_.c_str()) ? 0 : -1;
  } else {
    status = renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE);
    if (status != 0 && errno == EINVAL) {  // a file system without RENAME_NOREPLACE
      if (access(path_.c_str(), F_OK) == 0) return tl::unexpected(existing_file(path_));
      status = rename(temporary_.c_str(), path_.c_str());
    }
  }
  if (status != 0 && errno == EEXIST) return tl::unexpected(existing_file(path_));
  if (status != 0) return tl::unexpected(system_error("cannot name the file", errno, path_));
  return {};
}

Result<void> AtomicFile::name_replacing() {
  if (temporary_.empty())
    temporary_ = make_temporary(path_, [&](const char* name) { return link_to(descriptor_, name); });
  if (temporary_.empty() || rename(temporary_.c_str(), path_.c_str()) != 0)
    return tl::unexpected(system_error("cannot name the file", errno, path_));
  return {};
}

Result<void> AtomicFile::commit() {
  if (fsync(descriptor_) != 0) return tl::unexpected(system_error("cannot write the file", errno, path_));
  if (Result<void> named = existing_ == Existing::kRefuse ? name_new() : name_replacing(); !named)
    return named;
  temporary_.clear();
  // The new name itself is durable only after the folder was synchronized; a file system that cannot do it
  // loses nothing.
  const int folder = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return {};
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view text,
                                   Existing existing) {
  Result<AtomicFile> file = AtomicFile::create(path, existing);
  if (!file) return tl::unexpected(file.error());
  if (Result<void> written = file->write(std::as_bytes(std::span(text))); !written) return written;
  return file->commit();
}

}  // namespace fqlab
