#include "cli/default_corpus.h"

#include <cstdlib>

namespace fqlab::cli {

namespace fs = std::filesystem;

std::string default_corpus() {
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

Result<fs::path> corpus_or_default(const std::string& given) {
  const fs::path corpus = given.empty() ? default_corpus() : given;
  if (!corpus.empty()) return corpus;
  return fail(ErrorCode::kUsage, "there is no text to measure on", "--corpus",
              "give a text file or a folder of .txt documents");
}

fs::path default_study(const fs::path& model, const fs::path& corpus) {
  const fs::path last = corpus.has_filename() ? corpus.filename() : corpus.parent_path().filename();
  return model.stem().string() + "-" + last.stem().string() + ".fqlab";
}

}  // namespace fqlab::cli
