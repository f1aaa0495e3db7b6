#include "study/corpora.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/hash.h"
#include "base/text.h"

namespace fqlab {
namespace {

const char* kind_of(const Corpus& corpus) { return corpus.folder ? "document" : "chunk"; }

}  // namespace

CorpusIdentity identity_of(const Corpora& corpora) {
  if (corpora.texts.size() == 1) return corpora.texts.front().identity;
  CorpusIdentity all;
  std::string listing;
  for (size_t k = 0; k < corpora.texts.size(); ++k) {
    const CorpusIdentity& one = corpora.texts[k].identity;
    all.path += (k > 0 ? ", " : "") + corpora.names[k];
    all.bytes += one.bytes;
    all.documents += one.documents;
    listing += fmt::format("{} {}\n", corpora.names[k], one.sha256);
  }
  all.sha256 = sha256(std::as_bytes(std::span(listing)));
  return all;
}

std::string cluster_kind_of(const Corpora& corpora) {
  const auto same = [&](const Corpus& corpus) { return corpus.folder == corpora.texts.front().folder; };
  const bool agree = std::all_of(corpora.texts.begin(), corpora.texts.end(), same);
  return agree ? kind_of(corpora.texts.front()) : "mixed";
}

Result<CorpusSource> parse_corpus_source(const std::string& text) {
  std::error_code ignored;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || std::filesystem::exists(text, ignored))
    return CorpusSource{file_name_of(text), text};
  if (equals == 0 || equals + 1 == text.size())
    return fail(ErrorCode::kUsage, "a corpus is a path, or a name and a path", "--corpus " + text,
                "write --corpus NAME=PATH");
  return CorpusSource{text.substr(0, equals), text.substr(equals + 1)};
}

std::string to_string(const CorpusSource& source) {
  const std::string path = source.path.string();
  return source.name == file_name_of(source.path) ? path : source.name + "=" + path;
}

Result<Corpora> read_corpora(std::span<const CorpusSource> sources) {
  Corpora corpora;
  for (const CorpusSource& source : sources) {
    if (std::find(corpora.names.begin(), corpora.names.end(), source.name) != corpora.names.end())
      return fail(ErrorCode::kUsage, fmt::format("two corpora are called '{}'", source.name),
                  source.path.string(), "give each a name of its own: --corpus NAME=PATH");
    Result<Corpus> corpus = read_corpus(source.path);
    if (!corpus) return tl::unexpected(corpus.error());
    corpora.names.push_back(source.name);
    corpora.texts.push_back(std::move(*corpus));
  }
  return corpora;
}

Result<CutText> cut_corpora(const Corpora& corpora, const Model& model, int n_ctx, int wanted) {
  std::vector<std::vector<Chunk>> of_text;
  size_t rounds = 0;
  CutText cut;
  for (const Corpus& corpus : corpora.texts) {
    Result<std::vector<Chunk>> chunks = cut_chunks(corpus, model, n_ctx, wanted);
    if (!chunks) return tl::unexpected(chunks.error());
    cut.fewer = cut.fewer || chunks->size() < static_cast<size_t>(wanted);
    rounds = std::max(rounds, chunks->size());
    of_text.push_back(std::move(*chunks));
  }
  // In the order in which they come up, so that more chunks of the same texts change no cluster's number.
  std::map<std::pair<size_t, int>, int> cluster_of;
  const bool several = of_text.size() > 1;
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t k = 0; k < of_text.size(); ++k) {
      if (round >= of_text[k].size()) continue;
      Chunk& chunk = cut.chunks.emplace_back(std::move(of_text[k][round]));
      if (!several) continue;
      chunk.cluster =
          cluster_of.try_emplace({k, chunk.cluster}, static_cast<int>(cluster_of.size())).first->second;
      cut.corpus_of_chunk.push_back(static_cast<int>(k));
    }
  }
  cut.identity = identity_of(corpora);
  cut.cluster_kind = cluster_kind_of(corpora);
  if (!several) return cut;
  for (size_t k = 0; k < of_text.size(); ++k) {
    const CorpusIdentity& identity = corpora.texts[k].identity;
    CorpusResult result;
    result.name = corpora.names[k];
    result.path = identity.path;
    result.sha256 = identity.sha256;
    result.bytes = identity.bytes;
    result.documents = identity.documents;
    result.cluster_kind = kind_of(corpora.texts[k]);
    cut.corpora.push_back(std::move(result));
  }
  return cut;
}

}  // namespace fqlab
