// A file without a name, for a library that writes to a path.
#pragma once

#include <filesystem>
#include <utility>

#include "fqlab/result.h"

namespace fqlab {

/// Its space is free again after its last user, even when the process is killed.
class ScratchFile {
 public:
  /// An empty file on the disk of `folder`; kSystem where that folder cannot be written to.
  static Result<ScratchFile> create(const std::filesystem::path& folder);

  ScratchFile(ScratchFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ScratchFile& operator=(ScratchFile&&) = delete;
  ~ScratchFile();

  /// Opens the file, for this process and while the object lives.
  std::filesystem::path path() const;

 private:
  explicit ScratchFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace fqlab
