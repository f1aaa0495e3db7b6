// What the tests share: folders of their own, and the files of the cache and of ../shared where present.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fqlab::testing {

/// A fresh folder, removed with everything in it at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fqlab-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The checkout that these tests were built from, and the program built from it.
std::filesystem::path source_folder();
std::filesystem::path program();

/// fqlab's cache folder, by the rule of scripts/setup.
inline std::filesystem::path cache_folder() {
  const auto named =
      [](const char* variable) -> std::filesystem::path {  // empty counts as absent, as in scripts/setup
    const char* value = std::getenv(variable);
    return value ? value : "";
  };
  if (!named("FQLAB_CACHE").empty()) return named("FQLAB_CACHE");
  if (!named("XDG_CACHE_HOME").empty()) return named("XDG_CACHE_HOME") / "fqlab";
  return (named("HOME").empty() ? "." : named("HOME")) / ".cache" / "fqlab";
}
inline std::filesystem::path smollm2_file() {
  return cache_folder() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}
inline std::filesystem::path gemma_file() { return cache_folder() / "models" / "gemma-3-270m-q4_k_m.gguf"; }

/// A file below ../shared beside the checkout; FQLAB_SHARED moves it.
inline std::filesystem::path shared_file(const std::string& name) {
  const char* shared = std::getenv("FQLAB_SHARED");
  return (shared ? std::filesystem::path(shared) : source_folder() / ".." / "shared") / name;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline size_t files_in(const std::filesystem::path& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

/// Skips the test, saying what is absent; the runner of `make test` lists skipped tests.
#define FQLAB_REQUIRE_FILE(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "absent: " << (path).string()

}  // namespace fqlab::testing
