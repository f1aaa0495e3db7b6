// A child loads the model, tokenizes the text, and tells what only the engine knows.
#include <algorithm>

#include "base/stopwatch.h"
#include "fqlab/replay.h"
#include "study/child_process.h"
#include "study/sweep_shared.h"
#include "study/wire.h"

namespace fqlab {
namespace {

constexpr size_t kMostLayers = 4096;

struct FactsMessage {
  bool failed = false;
  WireError error;
  int layers = 0, embedding = 0, vocabulary = 0, trained_context = 0, chunks = 0;
  double capture_seconds = 0;
};

/// Where the child leaves what has no fixed size.
struct FactsArrays {
  std::span<int32_t> cuts;       // a tensor
  std::span<double> operations;  // a cut
  std::span<int32_t> clusters;   // a chunk
  std::span<int32_t> tokens;     // n_ctx a chunk
};

struct Question {
  const GgufFile& file;
  const WeightImage& image;
  const Corpora& corpora;
  const EvaluatorOptions& options;
  ScoredRange scored;
  int wanted = 0;
  bool timed = false;
};

Result<void> tell_text(const Question& asked, const FactsArrays& arrays, FactsMessage& message) {
  const Result<Model> model = Model::load(asked.image);
  if (!model) return tl::unexpected(model.error());
  message.trained_context = model->trained_context();
  const int texts = static_cast<int>(asked.corpora.texts.size());
  const Result<CutText> cut =
      cut_corpora(asked.corpora, *model, asked.options.n_ctx, (asked.wanted + texts - 1) / texts);
  if (!cut) return tl::unexpected(cut.error());
  message.chunks = std::min(asked.wanted, static_cast<int>(cut->chunks.size()));
  for (size_t c = 0; c < static_cast<size_t>(message.chunks); ++c) {
    arrays.clusters[c] = cut->chunks[c].cluster;
    std::ranges::copy(cut->chunks[c].tokens,
                      arrays.tokens.begin() + static_cast<std::ptrdiff_t>(c) * asked.options.n_ctx);
  }
  return {};
}

Result<void> tell_model(const Question& asked, const FactsArrays& arrays, FactsMessage& message) {
  Result<ReplayModel> model = ReplayModel::create(asked.file, asked.image, asked.options);
  if (!model) return tl::unexpected(model.error());
  message.layers = model->layers();
  message.embedding = model->embedding_size();
  message.vocabulary = model->vocabulary_size();
  if (static_cast<size_t>(message.layers) > kMostLayers)
    return fail(ErrorCode::kInput, "the model has too many layers", asked.file.path().string());
  for (size_t i = 0; i < arrays.cuts.size(); ++i)
    arrays.cuts[i] = model->best_cut(model->first_affected_layer(asked.file.tensors()[i].name));
  for (int cut = 0; cut < message.layers; ++cut) {
    if (model->best_cut(cut) != cut) continue;
    const Result<double> operations =
        model->operations(cut, asked.options.n_ctx, asked.scored.first, asked.scored.count);
    if (!operations) return tl::unexpected(operations.error());
    arrays.operations[static_cast<size_t>(cut)] = *operations;
  }
  if (!asked.timed) return {};
  const std::span<const int32_t> tokens = arrays.tokens.first(static_cast<size_t>(asked.options.n_ctx));
  for (int round = 0; round < 2; ++round) {  // the first one also faults the weights in
    const Stopwatch stopwatch;
    const auto logits = model->capture(tokens, asked.scored.first, asked.scored.count, {});
    if (!logits) return tl::unexpected(logits.error());
    message.capture_seconds = stopwatch.seconds();
  }
  return {};
}

}  // namespace

Result<SweepFacts> find_facts(const GgufFile& file, const WeightImage& image, const Corpora& corpora,
                              const EvaluatorOptions& options, const ScoredRange& scored, int wanted_chunks,
                              bool timed) {
  const size_t wanted = static_cast<size_t>(wanted_chunks), n_ctx = static_cast<size_t>(options.n_ctx);
  Result<SharedMemory> cuts = SharedMemory::create(sizeof(int32_t) * file.tensors().size());
  Result<SharedMemory> operations = SharedMemory::create(sizeof(double) * kMostLayers);
  Result<SharedMemory> clusters = SharedMemory::create(sizeof(int32_t) * wanted);
  Result<SharedMemory> tokens = SharedMemory::create(sizeof(int32_t) * wanted * n_ctx);
  for (const auto* memory : {&cuts, &operations, &clusters, &tokens})
    if (!*memory) return tl::unexpected(memory->error());
  const FactsArrays arrays{cuts->as<int32_t>(), operations->as<double>(), clusters->as<int32_t>(),
                           tokens->as<int32_t>()};
  const Question asked{file, image, corpora, options, scored, wanted_chunks, timed};
  Result<ChildProcess> child = ChildProcess::start([&](int socket) {
    FactsMessage message;
    Result<void> told = tell_text(asked, arrays, message);
    if (told) told = tell_model(asked, arrays, message);
    message.failed = !told;
    if (!told) message.error.set(told.error());
    return send_message(socket, message) ? 0 : 1;
  });
  if (!child) return tl::unexpected(child.error());
  FactsMessage message;
  if (!receive_message(child->socket(), message))
    return fail(ErrorCode::kEngine, "the engine died while it loaded the model: " + child->how_it_ended(),
                file.path().string(), "see whether llama-cli of the same version runs the file");
  if (message.failed) return tl::unexpected(message.error.get());

  SweepFacts facts;
  facts.layers = message.layers;
  facts.embedding = message.embedding;
  facts.vocabulary = message.vocabulary;
  facts.trained_context = message.trained_context;
  facts.capture_seconds = message.capture_seconds;
  facts.cut_of_tensor.assign(arrays.cuts.begin(), arrays.cuts.end());
  facts.operations.assign(arrays.operations.begin(), arrays.operations.begin() + message.layers);
  for (int c = 0; c < message.chunks; ++c) {
    const auto begin = arrays.tokens.begin() + static_cast<std::ptrdiff_t>(c) * options.n_ctx;
    facts.chunks.push_back({{begin, begin + options.n_ctx}, arrays.clusters[static_cast<size_t>(c)]});
  }
  return facts;
}

}  // namespace fqlab
