// Memory that this process shares with the children it forks, and that outlives each of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "fqlab/result.h"

namespace fqlab {

class SharedMemory {
 public:
  /// `bytes` zeros in an anonymous memory file; pages take room when they are first written. With a folder:
  /// in a file without a name there, so that the disk holds what memory does not. kSystem where the system
  /// refuses.
  static Result<SharedMemory> create(uint64_t bytes, const std::optional<std::filesystem::path>& folder = {});

  SharedMemory(SharedMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SharedMemory();

  std::span<std::byte> bytes() const { return bytes_; }
  /// The memory as values of a trivial type.
  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  explicit SharedMemory(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace fqlab
