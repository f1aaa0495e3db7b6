// "Did you mean": the names closest to a misspelled one.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fqlab {

/// Number of single-character insertions, deletions, substitutions and swaps of neighbours between two words
/// (optimal string alignment distance).
size_t edit_distance(std::string_view a, std::string_view b);

/// At most `most` of `candidates`, nearest to `word` first, ties in the given order; those farther than half
/// of the longer word's length are left out.
std::vector<std::string> nearest_names(std::string_view word, std::span<const std::string> candidates,
                                       size_t most = 3);

/// "did you mean A, B or C?", or "" when nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates, size_t most = 3);

}  // namespace fqlab
