#include "study/make_imatrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/system.h"
#include "study/arms.h"
#include "study/corpora.h"

namespace fqlab {
namespace {

/// A model and the memory it computes with.
struct LoadedModel {
  std::optional<WeightImage> image;  // reference arithmetic; before `model`, which must go first
  std::optional<Model> model;
};

Result<LoadedModel> load(const GgufFile& file, const ImatrixRequest& request) {
  const int n_ctx = request.activations.n_ctx;
  const EvaluatorOptions options{n_ctx, n_ctx, request.activations.threads};
  const ExpandedTensors expanded = tensors_to_expand(file, request.arithmetic, {});
  const auto expand = [&](const TensorInfo& tensor) { return expanded.contains(tensor.name); };
  uint64_t needed = file.file_bytes() + Evaluator::planned_bytes(file, options, 1);
  if (!expanded.empty()) {
    const Result<uint64_t> bytes = WeightImage::planned_bytes(file, expand);
    if (!bytes) return tl::unexpected(bytes.error());
    needed += *bytes;
  }
  if (Result<void> fits = require_memory(needed, "the model", file.path().string(),
                                         "a smaller --ctx and --arithmetic native need less");
      !fits)
    return tl::unexpected(fits.error());
  LoadedModel loaded;
  if (!expanded.empty()) {
    Result<WeightImage> image = WeightImage::create(file, expand);
    if (!image) return tl::unexpected(image.error());
    loaded.image = std::move(*image);
  }
  Result<Model> model = loaded.image ? Model::load(*loaded.image) : Model::load(file);
  if (!model) return tl::unexpected(model.error());
  loaded.model = std::move(*model);
  return loaded;
}

uint64_t unseen_experts(std::span<const ActivationSquares> entries) {
  uint64_t unseen = 0;
  for (const ActivationSquares& entry : entries)
    unseen += static_cast<uint64_t>(std::ranges::count(entry.counts, uint64_t{0}));
  return unseen;
}

}  // namespace

Result<ImatrixOutcome> make_imatrix(const ImatrixRequest& request,
                                    const std::function<void(size_t done, size_t all)>& progress) {
  const Existing existing = request.overwrite ? Existing::kReplace : Existing::kRefuse;
  const std::array<InputFile, 2> inputs = {{{"model", request.model}, {"text", request.corpus}}};
  if (Result<void> possible = check_output(request.output, existing, inputs); !possible)
    return tl::unexpected(possible.error());
  const Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  const Result<Corpus> corpus = read_corpus(request.corpus);
  if (!corpus) return tl::unexpected(corpus.error());
  const Result<LoadedModel> loaded = load(*file, request);
  if (!loaded) return tl::unexpected(loaded.error());

  const Result<std::vector<Chunk>> chunks =
      cut_chunks(*corpus, *loaded->model, request.activations.n_ctx, request.chunks);
  if (!chunks) return tl::unexpected(chunks.error());
  const std::vector<std::span<const int32_t>> tokens = [&] {
    std::vector<std::span<const int32_t>> all;
    for (const Chunk& chunk : *chunks) all.emplace_back(chunk.tokens);
    return all;
  }();
  Result<std::vector<ActivationSquares>> entries =
      collect_activation_squares(*loaded->model, tokens, request.activations, progress);
  if (!entries) return tl::unexpected(entries.error());

  ImatrixOutcome outcome;
  outcome.entries = entries->size();
  outcome.chunks = chunks->size();
  outcome.unseen_experts = unseen_experts(*entries);
  outcome.tied_embedding = std::ranges::any_of(
      *entries, [](const ActivationSquares& entry) { return entry.tensor == "token_embd.weight"; });
  const Result<CorpusSource> name = parse_corpus_source(request.corpus.string());
  if (!name) return tl::unexpected(name.error());
  const ImportanceSource source{
      {name->name}, chunks->size(), static_cast<uint64_t>(request.activations.n_ctx)};
  const bool native = request.arithmetic == Arithmetic::kNative;
  const std::vector<GgufMetadata> provenance = {
      {"fqlab.version", std::string(FQLAB_VERSION)},
      {"fqlab.engine", engine_version()},
      {"fqlab.arithmetic", std::string(native ? "native" : "reference")},
      {kImatrixSource, sha256(file->bytes())},
      {"fqlab.corpus.sha256", corpus->identity.sha256}};
  const Result<GgufLayout> layout =
      write_importance_matrix(std::move(*entries), source, provenance, request.output, request.overwrite);
  if (!layout) return tl::unexpected(layout.error());
  outcome.file_bytes = layout->file_bytes;
  return outcome;
}

}  // namespace fqlab
