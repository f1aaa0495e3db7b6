#include "study/sweep_shared.h"

namespace fqlab {
namespace {

struct Sizes {
  size_t layer = 0, stream = 0, logits = 0;  // floats a chunk
};

Sizes sizes_of(const SweepFacts& facts, int n_ctx, const ScoredRange& scored) {
  const size_t layer = static_cast<size_t>(n_ctx) * static_cast<size_t>(facts.embedding);
  return {layer, layer * static_cast<size_t>(facts.layers),
          static_cast<size_t>(scored.count) * static_cast<size_t>(facts.vocabulary)};
}

}  // namespace

uint64_t CapturedChunks::planned_bytes(const SweepFacts& facts, int n_ctx, const ScoredRange& scored,
                                       size_t chunks) {
  const Sizes sizes = sizes_of(facts, n_ctx, scored);
  return sizeof(float) * chunks * (sizes.stream + sizes.logits);
}

Result<CapturedChunks> CapturedChunks::create(const SweepFacts& facts, int n_ctx, const ScoredRange& scored,
                                              const std::optional<std::filesystem::path>& folder) {
  const Sizes sizes = sizes_of(facts, n_ctx, scored);
  const size_t chunks = facts.chunks.size();
  Result<SharedMemory> streams = SharedMemory::create(sizeof(float) * sizes.stream * chunks, folder);
  if (!streams) return tl::unexpected(streams.error());
  Result<SharedMemory> logits = SharedMemory::create(sizeof(float) * sizes.logits * chunks, folder);
  if (!logits) return tl::unexpected(logits.error());
  CapturedChunks captured(std::move(*streams), std::move(*logits));
  captured.stream_floats_ = sizes.stream;
  captured.layer_floats_ = sizes.layer;
  captured.logit_floats_ = sizes.logits;
  return captured;
}

std::span<float> CapturedChunks::streams(int chunk) const {
  return streams_.as<float>().subspan(static_cast<size_t>(chunk) * stream_floats_, stream_floats_);
}

std::span<const float> CapturedChunks::stream(int chunk, int layer) const {
  return streams(chunk).subspan(static_cast<size_t>(layer) * layer_floats_, layer_floats_);
}

std::span<float> CapturedChunks::logits(int chunk) const {
  return logits_.as<float>().subspan(static_cast<size_t>(chunk) * logit_floats_, logit_floats_);
}

}  // namespace fqlab
