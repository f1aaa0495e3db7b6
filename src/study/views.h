// Where and at which tokens two models differ: by size, by position in the chunk, by token class, and the
// positions that differ most. Pure functions of a pass.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "study/cluster_means.h"
#include "study/corpus.h"

namespace fqlab {

/// Quarter decades from 1e-16 to 100 nats.
KlHistogram histogram_of(std::span<const PairedPosition> pass);

/// At most `bins` equal stretches of the scored positions; `first_target` is the position in its chunk of the
/// first token that is predicted.
std::vector<PositionBin> kl_by_position(const ChunkGroups& groups, std::span<const PairedPosition> pass,
                                        int first_target, int bins = 16);

/// The classes that occur, in the order of TokenClass; `class_of_position` runs parallel to `pass`.
std::vector<TokenClassResult> kl_by_token_class(const ChunkGroups& groups,
                                                std::span<const PairedPosition> pass,
                                                std::span<const TokenClass> class_of_position);

/// The text of a token.
using TokenText = std::function<std::string(int32_t)>;

/// The class of every scored target.
std::vector<TokenClass> classes_of_targets(std::span<const Chunk> chunks, int first_target, size_t per_chunk,
                                           const TokenText& text);

/// The `most` positions with the largest KL divergence above 0, largest first, earlier ones first among
/// equals; each with the `context_tokens` tokens before it.
std::vector<WorstPosition> worst_positions(std::span<const PairedPosition> pass,
                                           std::span<const Chunk> chunks, int first_target, size_t per_chunk,
                                           const TokenText& text, size_t most, int context_tokens = 12);

}  // namespace fqlab
