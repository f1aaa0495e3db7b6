#include "study/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>

#include "base/hash.h"
#include "base/read_file.h"

namespace fqlab {
namespace {

namespace fs = std::filesystem;

/// 0..n-1, every beginning of it spread over the whole: the middle, the quarters, the eighths and so on (van
/// der Corput's sequence in base 2).
std::vector<size_t> spread(size_t n) {
  std::vector<size_t> order;
  std::vector<bool> taken(n, false);
  for (size_t parts = 2; order.size() < n; parts *= 2)
    for (size_t odd = 1; odd < parts; odd += 2) {
      const size_t i = n * odd / parts;
      if (!taken[i]) order.push_back(i);
      taken[i] = true;
    }
  return order;
}

/// A document, tokenized, and the order in which its chunks are taken.
struct Document {
  std::vector<int32_t> tokens;
  std::vector<size_t> order;
};

Result<Document> tokenized(const Corpus& corpus, size_t document, const Model& model, size_t n_ctx) {
  Result<std::vector<int32_t>> tokens = model.tokenize(corpus.texts[document]);
  if (!tokens) return tl::unexpected(tokens.error());
  const size_t chunks = tokens->size() / n_ctx;
  std::vector<size_t> order(chunks);
  std::iota(order.begin(), order.end(), size_t{0});
  return Document{std::move(*tokens), corpus.folder ? spread(chunks) : std::move(order)};
}

}  // namespace

Result<Corpus> read_corpus(const fs::path& path) {
  std::error_code ignored;
  Corpus corpus;
  corpus.identity.path = path.string();
  corpus.folder = fs::is_directory(path, ignored);
  std::vector<fs::path> files;
  if (corpus.folder) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored))
      if (entry.is_regular_file(ignored) && entry.path().extension() == ".txt") files.push_back(entry.path());
    std::sort(files.begin(), files.end(),
              [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
    if (files.empty())
      return fail(ErrorCode::kInput, "the folder holds no .txt file", path.string(),
                  "give a text file or a folder of .txt documents");
  } else {
    files.push_back(path);
  }
  std::string listing;
  for (const fs::path& file : files) {
    Result<std::string> text = read_text_file(file);
    if (!text) return tl::unexpected(text.error());
    const std::string hash = sha256(std::as_bytes(std::span(*text)));
    listing += corpus.folder ? fmt::format("{} {}\n", file.filename().string(), hash) : hash;
    corpus.identity.bytes += text->size();
    if (!text->empty() && text->back() == '\n') text->pop_back();
    corpus.texts.push_back(std::move(*text));
  }
  corpus.identity.documents = files.size();
  corpus.identity.sha256 = corpus.folder ? sha256(std::as_bytes(std::span(listing))) : listing;
  return corpus;
}

Result<std::vector<Chunk>> cut_chunks(const Corpus& corpus, const Model& model, int n_ctx, int wanted) {
  const size_t size = static_cast<size_t>(n_ctx);
  const int32_t bos = model.chunk_bos();
  std::vector<std::optional<Document>> documents(corpus.texts.size());  // tokenized when first needed
  std::map<size_t, int> cluster_of_document;
  const std::vector<size_t> order = spread(documents.size());
  std::vector<Chunk> chunks;
  for (size_t round = 0; chunks.size() < static_cast<size_t>(wanted); ++round) {
    const size_t before = chunks.size();
    for (const size_t d : order) {
      if (chunks.size() == static_cast<size_t>(wanted)) break;
      if (!documents[d]) {
        Result<Document> found = tokenized(corpus, d, model, size);
        if (!found) return tl::unexpected(found.error());
        documents[d] = std::move(*found);
      }
      const Document& document = *documents[d];
      if (document.order.size() <= round) continue;
      Chunk chunk;
      const auto begin = document.tokens.begin() + static_cast<std::ptrdiff_t>(document.order[round] * size);
      chunk.tokens.assign(begin, begin + n_ctx);
      if (bos >= 0) chunk.tokens[0] = bos;
      chunk.cluster =
          corpus.folder
              ? cluster_of_document.try_emplace(d, static_cast<int>(cluster_of_document.size())).first->second
              : static_cast<int>(chunks.size());
      chunks.push_back(std::move(chunk));
    }
    if (chunks.size() == before) break;
  }
  if (chunks.empty()) {
    size_t longest = 0;
    for (const auto& document : documents) longest = std::max(longest, document->tokens.size());
    return fail(ErrorCode::kInput,
                fmt::format("the text is too short for one chunk: {} tokens, {} needed", longest, n_ctx),
                corpus.identity.path, "give a longer text or a smaller --ctx");
  }
  return chunks;
}

}  // namespace fqlab
