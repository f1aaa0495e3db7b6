// Shares independent positions out over threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace fqlab {

/// Calls work(i) once for every i below `count`, from up to `threads` threads. What work(i) writes must
/// depend on i alone: then the results do not depend on the number of threads.
template <class Work>
void share_out(size_t count, int threads, const Work& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  const size_t helpers = std::min(count, static_cast<size_t>(std::max(threads, 1)));
  std::vector<std::jthread> pool;
  try {
    for (size_t t = 1; t < helpers; ++t) pool.emplace_back(run);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do all the work.
  }
  run();
}

}  // namespace fqlab
