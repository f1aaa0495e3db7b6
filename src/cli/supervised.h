// What the commands that call the engine share: their work runs in a child process.
#pragma once

#include <functional>

#include "cli/app.h"
#include "fqlab/result.h"

namespace fqlab::cli {

/// Runs `work` in a child process, where its error is told and becomes its exit code: an abort inside
/// llama.cpp costs one message. Errors: those of run_supervised().
Result<ExitCode> supervised(const std::function<Result<ExitCode>()>& work);

}  // namespace fqlab::cli
