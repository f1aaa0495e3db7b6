// The text that models are measured on, and its chunks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/engine.h"
#include "fqlab/result.h"

namespace fqlab {

/// One text file, or a folder of documents (its *.txt files, in bytewise order of their names).
struct Corpus {
  CorpusIdentity identity;  ///< sha256 of the file; of a folder: of its lines "NAME SHA256"
  bool folder = false;
  std::vector<std::string> texts;  ///< one a document, one trailing newline removed
};
Result<Corpus> read_corpus(const std::filesystem::path& path);

/// n_ctx tokens that are evaluated on their own.
struct Chunk {
  std::vector<int32_t> tokens;
  int cluster =
      0;  ///< document of a folder, in order of first appearance; the chunk's own number for a single file
};

/// `wanted` chunks (fewer where the text ends): of a file the first, in order, as llama-perplexity takes
/// them; of a folder one of every document before a second of any, both spread: the document in the middle,
/// those at the quarters and so on, and of a document the chunk in its middle first. So a few chunks stand
/// for the whole folder, and more chunks keep those that fewer had. The first token is replaced by BOS where
/// the vocabulary adds one. kInput where the text is too short for one chunk.
Result<std::vector<Chunk>> cut_chunks(const Corpus& corpus, const Model& model, int n_ctx, int wanted);

}  // namespace fqlab
