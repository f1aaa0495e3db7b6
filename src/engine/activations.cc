#include "fqlab/activations.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/chunk_context.h"
#include "engine/square_collector.h"

namespace fqlab {

Result<std::vector<ActivationSquares>> collect_activation_squares(
    const Model& model, std::span<const std::span<const int32_t>> chunks, const ActivationOptions& options,
    const std::function<void(size_t done, size_t all)>& progress) {
  constexpr int kLeastTokens = 16;
  for (const std::span<const int32_t> chunk : chunks)
    if (chunk.size() < kLeastTokens)
      return fail(
          ErrorCode::kUsage,
          fmt::format("a chunk of {} tokens; an imatrix needs at least {}", chunk.size(), kLeastTokens),
          "--ctx");
  SquareCollector collector(options);
  Result<ChunkContext> context = ChunkContext::create(model, {options.n_ctx, options.n_ctx, options.threads},
                                                      SquareCollector::on_node, &collector);
  if (!context) return tl::unexpected(context.error());
  for (size_t i = 0; i < chunks.size(); ++i) {
    // The engine drops rows of the last layer that no output asks for; asking for all of them counts all.
    const auto passed = context->logits(chunks[i], 0, static_cast<int>(chunks[i].size()),
                                        {.watcher = &collector, .discard = true});
    if (!passed) return tl::unexpected(passed.error());
    if (progress) progress(i + 1, chunks.size());
  }
  return collector.take();
}

}  // namespace fqlab
