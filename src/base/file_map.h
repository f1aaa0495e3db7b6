// A file as read-only memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

#include "fqlab/result.h"

namespace fqlab {

/// Maps a whole regular file read-only; the map lives as long as the object. An empty file gives an empty
/// span. Blind spot: when another process shortens the file, reading the lost part raises SIGBUS.
class FileMap {
 public:
  /// Errors kSystem: the file is missing, unreadable, a folder or another thing that cannot be mapped.
  static Result<FileMap> open(const std::filesystem::path& path);

  FileMap(FileMap&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  FileMap& operator=(FileMap&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~FileMap();

  std::span<const std::byte> bytes() const { return bytes_; }
  /// Lets the system take the file's pages out of memory; they are read again when they are needed.
  void forget_pages() const;

 private:
  explicit FileMap(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace fqlab
