// fqlab help [COMMAND]
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/nearest.h"
#include "cli/commands.h"

namespace fqlab::cli {

void add_help(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("help", "Show what a command does and its options");
  auto name = std::make_shared<std::string>();
  command->add_option("COMMAND", *name, "one of the commands");
  command->callback([&app, &action, name] {
    action = [&app, name]() -> Result<ExitCode> {
      std::vector<std::string> names;
      for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(each->get_name());
        if (*name != each->get_name()) continue;
        std::fputs(each->help(app.get_name()).c_str(), stdout);
        return kDone;
      }
      if (!name->empty()) {
        const std::string near = did_you_mean(*name, names, 1);
        return fail(ErrorCode::kUsage, "unknown command " + *name, "",
                    near.empty() ? "see fqlab --help" : near);
      }
      // App::help() would show the chosen command, which is this one.
      std::fputs(app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal).c_str(),
                 stdout);
      return kDone;
    };
  });
}

}  // namespace fqlab::cli
