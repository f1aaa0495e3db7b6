// Shares independent positions out over threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "base/parked_threads.h"

namespace fqlab {

/// Calls work(i) once for every i below `count`, from up to `threads` threads. What work(i) writes must
/// depend on i alone: then the results do not depend on the number of threads.
template <class Work>
void share_out(size_t count, int threads, const Work& work) {
  std::atomic<size_t> next = 0;
  const size_t workers = std::min(count, static_cast<size_t>(std::max(threads, 1)));
  run_on_threads(static_cast<int>(workers), [&](int) {
    for (size_t i = next++; i < count; i = next++) work(i);
  });
}

}  // namespace fqlab
