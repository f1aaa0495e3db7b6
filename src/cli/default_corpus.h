// The text that commands measure on when none is given.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace fqlab::cli {

/// The text that scripts/setup fetched, where it is; else empty.
inline std::string default_corpus() {
  namespace fs = std::filesystem;
  if (const char* corpus = std::getenv("FQLAB_CORPUS")) return corpus;
  const char* cache = std::getenv("FQLAB_CACHE");
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const fs::path folder = cache != nullptr  ? fs::path(cache)
                          : xdg != nullptr  ? fs::path(xdg) / "fqlab"
                          : home != nullptr ? fs::path(home) / ".cache" / "fqlab"
                                            : fs::path();
  std::error_code ignored;
  return fs::is_directory(folder / "corpora" / "sotu", ignored) ? (folder / "corpora" / "sotu").string() : "";
}

}  // namespace fqlab::cli
