#include "cli/default_corpus.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

namespace fqlab::cli {

namespace fs = std::filesystem;

namespace {

/// A variable of the environment; one that is empty counts as absent, as in scripts/setup.
std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

fs::path cache_folder() {
  if (const auto cache = environment("FQLAB_CACHE")) return *cache;
  if (const auto xdg = environment("XDG_CACHE_HOME")) return fs::path(*xdg) / "fqlab";
  if (const auto home = environment("HOME")) return fs::path(*home) / ".cache" / "fqlab";
  return {};
}

}  // namespace

std::string default_corpus() {
  if (const auto corpus = environment("FQLAB_CORPUS")) return *corpus;
  const fs::path folder = cache_folder();
  std::error_code ignored;
  return fs::is_directory(folder / "corpora" / "sotu", ignored) ? (folder / "corpora" / "sotu").string() : "";
}

Result<std::vector<CorpusSource>> corpora_or_default(const std::vector<std::string>& given) {
  std::vector<std::string> texts = given;
  if (texts.empty() && !default_corpus().empty()) texts.push_back(default_corpus());
  if (texts.empty())
    return fail(ErrorCode::kUsage, "there is no text to measure on", "--corpus",
                "give a text file or a folder of .txt documents, or fetch one: scripts/setup");
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
