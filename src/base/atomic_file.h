// The one way fqlab writes a file: under a temporary name, and under its own name only when it is complete.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

/// What to do when the file is already there.
enum class Existing { kRefuse, kReplace };

/// A file that a command reads: "the output is the WHAT that is read".
struct InputFile {
  std::string_view what;
  std::filesystem::path path;
};

/// What create() would refuse, without writing: for commands that work long before they write. And an output
/// that is one of the files which are read, whatever `existing` says.
Result<void> check_output(const std::filesystem::path& path, Existing existing,
                          std::span<const InputFile> inputs = {});

/// A file that appears at its path complete or not at all. Until commit() the bytes are in a file without a
/// name in the same folder (O_TMPFILE), so that even a killed process leaves nothing; where the file system
/// has no such thing, in a named temporary file that the destructor removes. What replaces a file has its
/// rights, and goes where a link points to.
class AtomicFile {
 public:
  /// Errors: kUsage for an existing `path` under kRefuse; kSystem for a missing or unwritable folder, and for
  /// a `path` that is not a regular file (a device, a folder).
  static Result<AtomicFile> create(const std::filesystem::path& path, Existing existing);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  /// Appends. Errors kSystem, such as a full disk; the file is then not to be committed.
  Result<void> write(std::span<const std::byte> bytes);
  /// Makes the bytes durable (fsync) and gives them their name. Under kRefuse a file that appeared meanwhile
  /// is kept and reported.
  Result<void> commit();

 private:
  AtomicFile(std::filesystem::path path, Existing existing, int descriptor, std::filesystem::path temporary)
      : path_(std::move(path)),
        existing_(existing),
        descriptor_(descriptor),
        temporary_(std::move(temporary)) {}

  Result<void> name_new();
  Result<void> name_replacing();

  std::filesystem::path path_;
  Existing existing_;
  int descriptor_;
  std::filesystem::path temporary_;  // empty while the file has no name
};

/// Writes a whole file through AtomicFile.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view text,
                                   Existing existing);

/// What to do about an error of the system while writing; empty where nothing is known.
std::string_view advice_on_writing(int code);

}  // namespace fqlab
