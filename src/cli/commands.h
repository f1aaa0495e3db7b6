// The subcommands. Each has a file of its own, which declares its options and sets what is to be done.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/app.h"
#include "fqlab/result.h"

namespace CLI {
class App;
}

namespace fqlab::cli {

/// What the chosen subcommand does: run after all arguments were understood.
using Action = std::function<Result<ExitCode>()>;

/// Adds a subcommand to `app`; when it is chosen, it sets `action`, which must outlive the parsing.
void add_inspect(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_formats(CLI::App& app, Action& action);
void add_build(CLI::App& app, Action& action);
void add_imatrix(CLI::App& app, Action& action);
void add_equalize(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);
/// `arguments` are the program's, for the report's "how to reproduce".
void add_compare(CLI::App& app, const std::vector<std::string>& arguments, Action& action);
/// `arguments` are what an interrupted sweep is resumed with.
void add_sweep(CLI::App& app, const std::vector<std::string>& arguments, Action& action);
/// `arguments` are what an interrupted search is resumed with.
void add_plan(CLI::App& app, const std::vector<std::string>& arguments, Action& action);
void add_status(CLI::App& app, Action& action);
void add_verify(CLI::App& app, const std::vector<std::string>& arguments, Action& action);
void add_report(CLI::App& app, Action& action);
void add_show(CLI::App& app, Action& action);
void add_help(CLI::App& app, Action& action);

}  // namespace fqlab::cli
