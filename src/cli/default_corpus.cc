#include "cli/default_corpus.h"

#include <fmt/format.h>

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

Result<std::vector<CorpusSource>> corpora_or_default(const std::vector<std::string>& given) {
  std::vector<std::string> texts = given;
  if (texts.empty() && !default_corpus().empty()) texts.push_back(default_corpus());
  if (texts.empty())
    return fail(ErrorCode::kUsage, "there is no text to measure on", "--corpus",
                "give a text file or a folder of .txt documents");
  std::vector<CorpusSource> corpora;
  for (const std::string& text : texts) {
    Result<CorpusSource> source = parse_corpus_source(text);
    if (!source) return tl::unexpected(source.error());
    corpora.push_back(std::move(*source));
  }
  return corpora;
}

fs::path default_study(const fs::path& model, std::span<const CorpusSource> corpora,
                       std::string_view suffix) {
  std::string names;
  for (const CorpusSource& corpus : corpora)
    names += (names.empty() ? "" : "+") + fs::path(corpus.name).stem().string();
  return fmt::format("{}-{}{}.fqlab", model.stem().string(), names, suffix);
}

}  // namespace fqlab::cli
