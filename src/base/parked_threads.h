// Threads that are kept for the next piece of parallel work.
#pragma once

#include <functional>

namespace fqlab {

/// Calls work(0) ... work(count - 1), each on a thread of its own, 0 on the caller's, and returns when all
/// are done. The threads are parked between calls, which hands work over in microseconds where a new thread
/// takes fifty; calls may nest and may come from several threads. Work runs in the caller's floating-point
/// mode, as in a new thread. Where the system refuses a thread, the caller does its work too. What the
/// caller's own work throws reaches the caller when the others are done; what another throws ends the
/// process. fork() finds no parked thread: it ends them first.
void run_on_threads(int count, const std::function<void(int index)>& work);

}  // namespace fqlab
