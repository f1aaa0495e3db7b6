// Work with the engine runs in a child process, so that an abort inside llama.cpp costs one message, not the
// program.
#pragma once

#include <functional>

#include "fqlab/result.h"

namespace fqlab {

/// Runs `work` in a child process that shares the terminal, and returns what `work` returned (0..255).
/// kEngine where the child died: with the engine's last words, or the signal's name. An interrupt (Ctrl+C)
/// reaches the child too; where it ends the child, the answer is kInterrupted. Call before any thread is
/// started.
Result<int> run_supervised(const std::function<int()>& work);

}  // namespace fqlab
