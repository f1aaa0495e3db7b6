// fqlab show STUDY [--top N] [--json] [--predict F]: the ranking and a compact heatmap in the terminal.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/map_source.h"
#include "cli/quantities.h"
#include "cli/terminal.h"
#include "fqlab/map_report.h"

namespace fqlab::cli {
namespace {

struct ShowOptions {
  std::string input, language = "en";
  size_t top = 10;
  bool json = false, ascii = false;
  PredictionOptions predictions;
};

int terminal_columns() {
  constexpr int kUsual = 80;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kUsual;
}

Result<ExitCode> run_show(const ShowOptions& options) {
  const Result<Language> language = parse_language(options.language);
  if (!language) return tl::unexpected(language.error());
  const Result<SensitivityMap> map = read_map_file(options.input, options.predictions);
  if (!map) return tl::unexpected(map.error());
  if (options.json) {
    fmt::print("{}", map_json(*map));
    return kDone;
  }
  MapTextOptions text;
  text.language = *language;
  text.top = options.top;
  text.columns = terminal_columns();
  text.colour = colour_on_stdout();
  text.unicode = !options.ascii;
  fmt::print("{}", map_text(*map, text));
  return kDone;
}

}  // namespace

void add_show(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("show", "Show the ranking and the heatmap of a study");
  auto options = std::make_shared<ShowOptions>();
  command->add_option("STUDY", options->input, "a study file of fqlab sweep or fqlab plan, or a map.json")
      ->required();
  command->add_option("--top", options->top, "length of each ranking; 0: all")
      ->check(refuse_negative)
      ->capture_default_str();
  command->add_option("--lang", options->language, "language: en or zh-TW")->capture_default_str();
  command->add_flag("--ascii", options->ascii, "digits instead of block characters in the heatmap");
  command->add_flag("--json", options->json, "print map.json instead");
  for (const char* of_text : {"--top", "--lang", "--ascii"}) command->get_option(of_text)->excludes("--json");
  add_prediction_options(*command, options->predictions);
  command->callback([&action, options] { action = [options] { return run_show(*options); }; });
}

}  // namespace fqlab::cli
