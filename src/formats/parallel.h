// Sharing a range of items out to threads.
#pragma once

#include <cstdint>
#include <functional>

namespace fqlab {

/// Calls work(worker, begin, end) for consecutive pieces of [0, items), one for each of `threads` workers at
/// most, each under a FloatEnvironment; the caller's thread takes a share. Where the system refuses a thread,
/// the caller does its piece. Pieces begin at multiples of `grain`.
void share_out(uint64_t items, uint64_t grain, int threads,
               const std::function<void(int worker, uint64_t begin, uint64_t end)>& work);

}  // namespace fqlab
