// The command line: which subcommands there are, and what an error does to the exit code.
#pragma once

#include "fqlab/result.h"

namespace fqlab::cli {

/// kInterrupted is what shells give a program that Ctrl+C ended.
enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2, kThresholdCrossed = 3, kInterrupted = 130 };

/// Parses the arguments and runs the chosen subcommand; returns the program's exit code.
int run(int argc, char** argv);

/// 2 for wrong usage, 1 for everything else.
ExitCode exit_code(const Error& error);

}  // namespace fqlab::cli
