#include "cli/app.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace fqlab::cli {
namespace {

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

// "fqlab formats apply": what a person types.
std::string typed(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return (parent == nullptr ? "" : typed(*parent) + " ") + command.get_name();
}

// "fqlab help quantize", "fqlab formats apply --help".
std::string help_line(const CLI::App& app, const CLI::App& command) {
  return command.get_parent() == &app ? "see fqlab help " + command.get_name()
                                      : "see " + typed(command) + " --help";
}

// CLI11 knows only that something was left over; what it was, and what was meant, is more useful.
Error leftover_error(const CLI::App& app, const std::string& argument) {
  const CLI::App& command = chosen_command(app);
  const std::string help = help_line(app, command);
  const bool option = argument.size() > 1 && argument[0] == '-';
  const std::string name = argument.substr(0, argument.find('='));
  std::string near;
  if (option) near = did_you_mean(name, option_names(command), 1);
  if (!option && &command == &app) near = did_you_mean(name, command_names(app), 1);
  const std::string what = option             ? "unknown option"
                           : &command == &app ? "unknown command"
                                              : "one argument too many:";
  return {ErrorCode::kUsage, what + " " + name, "", near.empty() ? help : near + " " + help};
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = chosen_command(app);
  for (const CLI::App* with : {&command, &app})
    if (const auto left = with->remaining(); !left.empty()) return leftover_error(app, left.front());
  for (const CLI::Option* option : command.get_options()) {
    const int given = static_cast<int>(option->count()), most = option->get_items_expected_max();
    if (most > 0 && given > most)  // a flag takes no value, and may be given again
      return {ErrorCode::kUsage, fmt::format("{} is given {} times", option->get_name(), given), "",
              "give it once; " + help_line(app, command)};
  }
  return {ErrorCode::kUsage, error.what(), "", help_line(app, command)};
}

ExitCode failed(const Error& error) {
  say_error(to_string(error));
  return exit_code(error);
}

// A full disk behind stdout must not look like success.
ExitCode flushed(ExitCode code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return failed({ErrorCode::kSystem, "cannot write to the standard output", "", ""});
}

/// An option takes the one word after it, also where it may be repeated: a MODEL may follow.
void let_words_follow_options(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (!option->get_positional() && option->get_items_expected_max() > 1) option->allow_extra_args(false);
  for (CLI::App* command : app.get_subcommands({})) let_words_follow_options(*command);
}

ExitCode parse_and_run(int argc, char** argv) {
  CLI::App app("A laboratory for fake quantization of GGUF language models.", "fqlab");
  app.set_version_flag("--version", "fqlab " FQLAB_VERSION);
  app.require_subcommand(0, 1);
  Action action;
  add_inspect(app, action);
  add_quantize(app, action);
  add_formats(app, action);
#ifdef FQLAB_WITH_ENGINE
  const std::vector<std::string> arguments(argv, argv + argc);
  add_imatrix(app, action);
  add_equalize(app, action);
  add_generate(app, action);
  add_compare(app, arguments, action);
  add_sweep(app, arguments, action);
  add_plan(app, arguments, action);
  add_build(app, action);
#endif
  add_status(app, action);
#ifdef FQLAB_WITH_ENGINE
  add_verify(app, arguments, action);
#endif
  add_report(app, action);
  add_show(app, action);
  add_help(app, action);
  let_words_follow_options(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const CLI::App& command = chosen_command(app);
    std::fputs(command.help(&command == &app ? "" : typed(*command.get_parent())).c_str(), stdout);
    return flushed(kDone);
  } catch (const CLI::CallForVersion& version) {
    std::puts(version.what());
    return flushed(kDone);
  } catch (const CLI::ParseError& error) {
    return failed(usage_error(app, error));
  }
  if (!action) {
    std::fputs(app.help().c_str(), stderr);
    return kWrongUsage;
  }
  const Result<ExitCode> code = action();
  return code ? flushed(*code) : failed(code.error());
}

}  // namespace

ExitCode exit_code(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUsage:
      return kWrongUsage;
    case ErrorCode::kInterrupted:
      return kInterrupted;
    default:
      return kFailed;
  }
}

int run(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::bad_alloc&) {
    return failed({ErrorCode::kSystem, "not enough memory", "", ""});
  } catch (const std::exception& error) {
    return failed({ErrorCode::kSystem, std::string("unexpected failure: ") + error.what(), "", ""});
  }
}

}  // namespace fqlab::cli
