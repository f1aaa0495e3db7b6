// One or several texts, cut into the chunks of one run.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "study/corpus.h"

namespace fqlab {

/// A text and what it is called in reports.
struct CorpusSource {
  std::string name;
  std::filesystem::path path;
};

/// "PATH" (its file name is the name) or "NAME=PATH"; an existing path is taken as a whole.
Result<CorpusSource> parse_corpus_source(const std::string& text);
/// What parse_corpus_source() takes for `source`.
std::string to_string(const CorpusSource& source);

/// The texts in memory. kUsage where two have one name.
struct Corpora {
  std::vector<std::string> names;
  std::vector<Corpus> texts;
};
Result<Corpora> read_corpora(std::span<const CorpusSource> sources);

/// One text's own identity, else of all: names joined, sizes added, sha256 of the lines "NAME SHA256".
CorpusIdentity identity_of(const Corpora& corpora);
/// "document", "chunk", or "mixed" where texts differ in it.
std::string cluster_kind_of(const Corpora& corpora);

/// What is measured. `corpus_of_chunk` and `corpora` are empty where there is one text.
struct CutText {
  CorpusIdentity identity;
  std::string cluster_kind;
  std::vector<Chunk>
      chunks;  ///< the first of every text, then the second of every text, ...; clusters of their own
  std::vector<int> corpus_of_chunk;
  std::vector<CorpusResult> corpora;  ///< identities only
  bool fewer = false;                 ///< a text had fewer chunks than wanted
};

/// At most `wanted` chunks of each text (cut_chunks).
Result<CutText> cut_corpora(const Corpora& corpora, const Model& model, int n_ctx, int wanted);

}  // namespace fqlab
