// A folder for files that only this process needs, removed with everything in it.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "fqlab/result.h"

namespace fqlab {

class TemporaryFolder {
 public:
  /// Below $TMPDIR (else /tmp), readable by this user only.
  static Result<TemporaryFolder> create(const std::string& prefix);
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace fqlab
