#include "study/generate_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/parked_threads.h"
#include "base/random.h"
#include "base/system.h"
#include "base/utf8.h"
#include "fqlab/engine.h"
#include "study/dialogue.h"

namespace fqlab {
namespace {

namespace fs = std::filesystem;

/// What a document begins with and the model goes on from: a new paragraph, of whatever kind.
constexpr const char* kOpening = "\n";
constexpr int kMostPieces = 1000;

/// Without the bytes that are no UTF-8: a token can be a piece of a character, and the next one need not go
/// on.
std::string whole_characters(std::string_view text) {
  std::string whole;
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    if (step.character) whole += text.substr(0, step.bytes);
    text.remove_prefix(step.bytes);
  }
  return whole;
}

/// Pieces, each until the model ends it, until the whole has `tokens` tokens when it is read again.
Result<std::string> write_document(const Model& model, Evaluator& evaluator, const GenerateRequest& request,
                                   Random seeds) {
  Result<std::vector<int32_t>> opening = model.tokenize(kOpening);
  if (!opening) return tl::unexpected(opening.error());
  std::string document;
  size_t length = 0;
  for (int piece = 0; piece < kMostPieces; ++piece) {
    // Written tokens may become fewer when the text is tokenized: a sixteenth more, and one piece is mostly
    // enough.
    const int missing = request.tokens - static_cast<int>(length);
    Result<std::vector<int32_t>> written =
        evaluator.sample(*opening, missing + missing / 16 + 8, request.temperature, seeds.next());
    if (!written) return tl::unexpected(written.error());
    document += whole_characters(text_of(model, *written));
    const Result<std::vector<int32_t>> read = model.tokenize(document);
    if (!read) return tl::unexpected(read.error());
    length = read->size();
    if (length >= static_cast<size_t>(request.tokens)) return document + "\n";
    document += "\n\n";
  }
  return fail(ErrorCode::kEngine, fmt::format("the model wrote {} tokens in {} tries", length, kMostPieces),
              request.model.string(), "ask for fewer --tokens or another --seed");
}

fs::path without_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

/// Refuses, before the work, what write_folder() would refuse.
Result<void> check_folder(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error))
    return fail(ErrorCode::kUsage, "the output is there already", path.string(), "choose another name");
  const fs::path above = without_slash(path).parent_path();
  if (!above.empty() && !fs::is_directory(above, error))
    return fail(ErrorCode::kSystem, "the folder above the output does not exist", above.string(),
                "make it, or choose another place");
  return {};
}

/// 0001.txt and so on, under a name of its own until all are there.
Result<uint64_t> write_folder(const fs::path& path, std::span<const std::string> documents) {
  const fs::path final_path = without_slash(path);
  const fs::path unfinished =
      final_path.parent_path() / fmt::format(".{}-{}.tmp", final_path.filename().string(), getpid());
  const auto write = [&]() -> Result<uint64_t> {
    std::error_code error;
    if (!fs::create_directory(unfinished, error))
      return fail(ErrorCode::kSystem, "cannot make the folder: " + error.message(), path.string(),
                  "check that the folder above is writable");
    uint64_t bytes = 0;
    for (size_t i = 0; i < documents.size(); ++i) {
      const fs::path file = unfinished / fmt::format("{:04}.txt", i + 1);
      if (Result<void> written = write_file_atomically(file, documents[i], Existing::kRefuse); !written)
        return tl::unexpected(written.error());
      bytes += documents[i].size();
    }
    fs::rename(unfinished, final_path, error);
    if (error)
      return fail(ErrorCode::kSystem, "cannot name the folder: " + error.message(), path.string(),
                  "choose another name");
    return bytes;
  };
  Result<uint64_t> bytes = write();
  std::error_code ignored;
  if (!bytes) fs::remove_all(unfinished, ignored);
  return bytes;
}

}  // namespace

Result<uint64_t> generate_text(const GenerateRequest& request,
                               const std::function<void(size_t done, size_t all)>& progress) {
  Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  const size_t count = static_cast<size_t>(request.documents);
  const int writers = std::clamp(request.threads, 1, request.documents);
  constexpr int kOpeningTokens = 32;  // more than any vocabulary needs for it
  const EvaluatorOptions options{request.tokens + request.tokens / 16 + kOpeningTokens, 64, /*threads=*/1};
  const uint64_t needed =
      file->file_bytes() + static_cast<uint64_t>(writers) * Evaluator::planned_bytes(*file, options, 1);
  if (Result<void> fits = require_memory(needed, "the model", request.model.string(),
                                         "fewer --threads or --tokens need less");
      !fits)
    return tl::unexpected(fits.error());
  if (Result<void> possible = check_folder(request.output); !possible)
    return tl::unexpected(possible.error());
  Result<Model> model = Model::load(*file);
  if (!model) return tl::unexpected(model.error());
  std::vector<Evaluator> evaluators;
  for (int i = 0; i < writers; ++i) {
    Result<Evaluator> evaluator = Evaluator::create(*model, options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    evaluators.push_back(std::move(*evaluator));
  }

  std::vector<std::string> documents(count);
  std::vector<Random> seeds;
  seeds.reserve(count);
  for (Random random(request.seed); seeds.size() < count;) seeds.emplace_back(random.next());
  std::mutex lock;  // of what follows, and of `progress`
  std::optional<Error> failure;
  size_t next = 0, done = 0;
  run_on_threads(static_cast<int>(evaluators.size()), [&](int index) {
    Evaluator& evaluator = evaluators[static_cast<size_t>(index)];
    for (;;) {
      size_t document = 0;
      {
        const std::lock_guard held(lock);
        if (failure || next == count) return;
        document = next++;
      }
      Result<std::string> text = write_document(*model, evaluator, request, seeds[document]);
      const std::lock_guard held(lock);
      if (text)
        documents[document] = std::move(*text);
      else
        failure = text.error();
      progress(++done, count);
    }
  });
  if (failure) return tl::unexpected(*failure);

  return write_folder(request.output, documents);
}

}  // namespace fqlab
