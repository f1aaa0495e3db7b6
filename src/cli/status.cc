// fqlab status STUDY: what a study holds, what failed, what is left.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <regex>

#include "cli/commands.h"
#include "cli/quantities.h"
#include "cli/terminal.h"
#include "report/sections.h"
#include "study/study_status.h"

namespace fqlab::cli {
namespace {

/// Without the hash that tells a plan's trials from others.
std::string request_of(const SweepStatus& sweep) {
  static const std::regex hash(" [0-9a-f]{64} ");
  return std::regex_replace(sweep.request, hash, " ");
}

void print_sweep(const SweepStatus& sweep) {
  fmt::print("\nsweep     {}\n", printable(request_of(sweep)));
  fmt::print("command   {}\n", printable(report::shell_command(sweep.command)));
  const std::string left =
      sweep.finished ? "complete"
      : sweep.cells_open > 0
          ? fmt::format("{} not measured yet; the same command goes on", counted(sweep.cells_open, "cell"))
          : "every cell is measured, more chunks were asked for; the same command goes on";
  if (sweep.cells > 0)  // a plan's candidates are no cells of a map
    fmt::print("cells     {} of {} measured, {} failed\n", with_commas(sweep.cells_measured),
               with_commas(sweep.cells), with_commas(sweep.cells_failed));
  fmt::print("state     {}\n", left);
}

Result<ExitCode> run_status(const std::string& path) {
  const Result<StudyStatus> status = read_status(path);
  if (!status) return tl::unexpected(status.error());
  fmt::print("study     {}\n", printable(path));
  fmt::print("model     {}\n", printable(status->model));
  fmt::print("text      {}, {} of {} tokens\n", printable(status->corpus), counted(status->chunks, "chunk"),
             status->tokens_per_chunk);
  fmt::print("runs      {} of {} ({} scored positions), {} of work\n", counted(status->runs, "run"),
             counted(status->trials, "trial"), with_commas(status->positions), duration(status->seconds));
  if (status->running > 0) fmt::print("running   {} now\n", with_commas(status->running));
  for (const SweepStatus& sweep : status->sweeps) print_sweep(sweep);
  if (!status->failures.empty()) fmt::print("\n");
  for (const FailureStatus& failure : status->failures)
    fmt::print("failed    {}: {}\n", printable(failure.what), printable(failure.reason));
  return kDone;
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("status", "Say what a study holds, what failed and what is left");
  auto study = std::make_shared<std::string>();
  command->add_option("STUDY", *study, "a study file of fqlab sweep or fqlab plan")->required();
  command->callback([&action, study] { action = [study] { return run_status(*study); }; });
}

}  // namespace fqlab::cli
