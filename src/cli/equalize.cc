// fqlab equalize MODEL --imatrix I -o OUT.gguf: the same model, easier to quantize.
#include "study/equalize.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/stopwatch.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/quantities.h"
#include "cli/supervised.h"
#include "cli/terminal.h"

namespace fqlab::cli {
namespace {

struct EqualizeOptions {
  std::string model, imatrix, output;
  EqualizeRequest request;
};

std::string what_became_of(const EqualizedKind& kind) {
  if (kind.known) return kind.exact ? "yes" : "no: left as they are";
  const bool output = kind.kind == "output_norm";
  return output ? "no entry in the imatrix (fqlab imatrix --process-output)" : "no entry in the imatrix";
}

void tell_outcome(const EqualizeRequest& request, const EqualizeOutcome& outcome, double seconds) {
  std::vector<std::vector<std::string>> rows;
  for (const EqualizedKind& kind : outcome.kinds)
    rows.push_back({kind.kind, with_commas(kind.inputs), with_commas(kind.columns),
                    kind.exact ? with_commas(kind.scaled) : "-", what_became_of(kind)});
  fmt::print("{}", table({"input", ">inputs", ">columns", ">scaled", "logits bit for bit the same"}, rows));
  if (!outcome.widened.empty())
    say_warning(fmt::format("{} {} stored as f32, because 16 bits cannot hold the scaled values: {}{}",
                            counted(outcome.widened.size(), "tensor"),
                            outcome.widened.size() == 1 ? "is" : "are", printable(outcome.widened.front()),
                            outcome.widened.size() == 1 ? "" : ", ..."));
  say(fmt::format("wrote {} ({} bytes): {} logits compared, {}", printable(request.output.string()),
                  with_commas(outcome.file_bytes), with_commas(outcome.logits), duration(seconds)));
  say(fmt::format("its imatrix: fqlab imatrix {} --corpus TEXT -o NEW.gguf",
                  printable(request.output.string())));
}

Result<ExitCode> run_equalize(const EqualizeOptions& options) {
  EqualizeRequest request = options.request;
  request.model = options.model;
  request.imatrix = options.imatrix;
  request.output = options.output;
  return supervised([&]() -> Result<ExitCode> {
    const Stopwatch watch;
    Progress progress;
    const Result<EqualizeOutcome> outcome = equalize_model(
        request, [&](size_t done, size_t all) { progress.update(done, all, "inputs"); },
        [&](const std::string& stage) {
          progress.finish();
          say(stage);
        });
    progress.finish();
    if (!outcome) return tl::unexpected(outcome.error());
    tell_outcome(request, *outcome, watch.seconds());
    return kDone;
  });
}

}  // namespace

void add_equalize(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "equalize",
      "Scale columns by powers of two, undone exactly elsewhere: the same model, easier to quantize");
  auto options = std::make_shared<EqualizeOptions>();
  options->request.threads = hardware_threads();
  command->add_option("MODEL", options->model, "the original, a GGUF file in 16 or 32 bits")->required();
  command
      ->add_option("--imatrix", options->imatrix,
                   "what enters the matrices (fqlab imatrix makes it of the same model)")
      ->required();
  command->add_option("--threads", options->request.threads, "number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "the new GGUF file")->required();
  command->add_flag("--force", options->request.overwrite, "replace an existing output");
  command->footer(
      "The new file is an original like the old one: make its imatrix, plan, quantize and verify it as "
      "usual.\n"
      "Examples:\n"
      "  fqlab imatrix MODEL.gguf --corpus TEXT -o MODEL.imatrix.gguf\n"
      "  fqlab equalize MODEL.gguf --imatrix MODEL.imatrix.gguf -o EQUAL.gguf\n"
      "  fqlab imatrix EQUAL.gguf --corpus TEXT -o EQUAL.imatrix.gguf\n"
      "  fqlab plan EQUAL.gguf --budget like:Q6_K --imatrix EQUAL.imatrix.gguf --corpus TEXT -o EQUAL.plan");
  command->callback([&action, options] { action = [options] { return run_equalize(*options); }; });
}

}  // namespace fqlab::cli
