#include "study/chunk_passes.h"

#include <fmt/format.h>

#include "study/measured.h"

namespace fqlab {

ScoredRange second_half(int n_ctx) { return {n_ctx / 2, n_ctx - 1 - n_ctx / 2}; }

Result<void> check_passes(int n_ctx, int n_batch, int chunks, int threads) {
  if (n_ctx < 8)
    return fail(ErrorCode::kUsage, fmt::format("{} tokens are too few for a chunk; 8 are the least", n_ctx),
                "--ctx");
  if (n_batch < 16)
    return fail(
        ErrorCode::kUsage,
        fmt::format("{} tokens are too few for a call of the engine; 16 are the least, because it rounds "
                    "differently in short calls",
                    n_batch),
        "--batch");
  if (chunks < 1) return fail(ErrorCode::kUsage, "at least one chunk is needed", "--chunks");
  if (threads < 1) return fail(ErrorCode::kUsage, "at least one thread is needed", "--threads");
  return {};
}

std::vector<std::span<const int32_t>> group_tokens(std::span<const Chunk> chunks, ChunkGroup group) {
  std::vector<std::span<const int32_t>> tokens;
  for (const Chunk& chunk : chunks.subspan(group.begin, group.size())) tokens.emplace_back(chunk.tokens);
  return tokens;
}

Result<std::vector<std::span<const float>>> group_logits(Evaluator& evaluator, std::span<const Chunk> chunks,
                                                         ChunkGroup group, ScoredRange scored) {
  return evaluator.logits(group_tokens(chunks, group), scored.first, scored.count);
}

OriginalLogits keep_original(const Chunk& chunk, std::span<const float> logits, ScoredRange scored,
                             int threads) {
  OriginalLogits original;
  const auto begin = chunk.tokens.begin() + scored.first + 1;
  original.targets.assign(begin, begin + scored.count);
  original.logits.assign(logits.begin(), logits.end());
  original.scores = score_positions(original.logits, original.targets, threads);
  return original;
}

void append(PairedPass& pass, std::vector<PairedPosition>&& positions) {
  pass.insert(pass.end(), positions.begin(), positions.end());
}

Result<void> check_repeat(const OriginalLogits& original, std::span<const float> again, int threads,
                          const char* when, const std::string& model) {
  const std::vector<PairedPosition> compared = original.compare(again, threads);
  if (repeats_exactly(original.logits, again, compared)) return {};
  if (Result<void> finite = check_finite(compared, model, model); !finite) return finite;
  return fail(ErrorCode::kCheck, fmt::format("the original differs from itself {}", when), model,
              "the numbers of this run must not be used; try --threads 1 and report the model");
}

}  // namespace fqlab
