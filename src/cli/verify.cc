// fqlab verify MODEL OUT.gguf [--against STOCK.gguf]...: how good is a really quantized file, and is it
// better than others of its size?
#include "study/verify.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/system.h"
#include "cli/commands.h"
#include "cli/default_corpus.h"
#include "cli/plan_file.h"
#include "cli/quantities.h"
#include "cli/report_folder.h"
#include "cli/supervised.h"
#include "cli/terminal.h"
#include "fqlab/verification_report.h"

namespace fqlab::cli {
namespace {

struct VerifyOptions {
  std::string model, output, plan, prompts, margins, out;
  std::vector<std::string> against, corpora, languages = {"en"};
  bool no_dialogue = false, no_speed = false, force = false;
  VerifyRequest request;
};

Result<VerifyRequest> understand(const VerifyOptions& options) {
  VerifyRequest request = options.request;
  request.model = options.model;
  request.output = options.output;
  request.against.assign(options.against.begin(), options.against.end());
  Result<std::vector<CorpusSource>> corpora = corpora_or_default(options.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  request.corpora = std::move(*corpora);
  if (!options.plan.empty()) {
    Result<QuantizationPlan> plan = read_plan_file(options.plan);
    if (!plan) return tl::unexpected(plan.error());
    request.plan = std::move(*plan);
    request.plan_path = options.plan;
  }
  if (!options.margins.empty()) {
    Result<Margins> margins = parse_margins(options.margins);
    if (!margins) return tl::unexpected(margins.error());
    request.margins = *margins;
  }
  request.dialogue = !options.no_dialogue;
  request.speed = !options.no_speed;
  if (!options.prompts.empty()) request.prompts = options.prompts;
  return request;
}

Result<ExitCode> measure_and_report(const VerifyRequest& request, std::span<const Language> languages,
                                    const std::string& out) {
  Progress progress;
  Result<Verification> verification =
      verify(request, [&](int done, int total, const std::string& now, double share) {
        progress.update(static_cast<uint64_t>(done), static_cast<uint64_t>(total), now, share);
      });
  progress.finish();
  if (!verification) return tl::unexpected(verification.error());
  fmt::print("{}", verification_text(*verification, languages.front()));
  const ExitCode complete = say_failures(verification->notes);
  if (out.empty()) return complete;
  const auto paths = write_verification_report(*verification, languages, out);
  if (!paths) return tl::unexpected(paths.error());
  for (const std::filesystem::path& path : *paths) fmt::print("{}\n", path.string());
  return complete;
}

Result<ExitCode> run_verify(const VerifyOptions& options) {
  const Result<VerifyRequest> request = understand(options);
  if (!request) return tl::unexpected(request.error());
  const Result<std::vector<Language>> languages = parse_languages(options.languages);
  if (!languages) return tl::unexpected(languages.error());
  if (!options.out.empty()) {
    std::vector<InputFile> inputs = {{"model", options.model},
                                     {"file to verify", options.output},
                                     {"plan", options.plan},
                                     {"list of prompts", options.prompts}};
    for (const std::string& file : options.against) inputs.push_back({"file beside it", file});
    for (const CorpusSource& corpus : request->corpora) inputs.push_back({"text", corpus.path});
    const ReportFiles files{
        "report",
        *languages,
        {"files.csv", "against.csv", "chunks.csv", "dialogue.csv", "speed.csv", "frontier.csv"}};
    if (Result<void> possible = check_report_folder(options.out, options.force, files, inputs); !possible)
      return tl::unexpected(possible.error());
  }
  // llama.cpp may abort; in a child process that costs one message.
  return supervised([&] { return measure_and_report(*request, *languages, options.out); });
}

}  // namespace

void add_verify(CLI::App& app, const std::vector<std::string>& arguments, Action& action) {
  CLI::App* command = app.add_subcommand(
      "verify", "Prove a really quantized file on text that its plan has not seen, beside others");
  auto options = std::make_shared<VerifyOptions>();
  VerifyRequest& request = options->request;
  request.threads = hardware_threads();
  request.command = arguments;
  command->add_option("MODEL", options->model, "the original, a GGUF file")->required();
  command->add_option("OUT", options->output, "the quantized file to verify")->required();
  command->add_option("--against", options->against,
                      "another quantized file of the same model to put beside it. May be repeated");
  command->add_option("--plan", options->plan,
                      "the plan that the file was built by: its curve of sizes is drawn, and the texts are "
                      "checked against the one it was made on");
  command->add_option("--corpus", options->corpora,
                      "held-out text: a file, or a folder of .txt documents (default: the fetched one). "
                      "Several: NAME=PATH, repeated; each gets a section of its own");
  command->add_option("--chunks", request.chunks, "chunks of each text; more give narrower intervals")
      ->capture_default_str();
  command->add_option("--ctx", request.n_ctx, "tokens a chunk; the second half is scored")
      ->capture_default_str();
  command
      ->add_option("--batch", request.n_batch,
                   "tokens a call of the engine, 16 to 256 (more counts as 256); changes time, not results")
      ->capture_default_str();
  command->add_option(
      "--margin", options->margins,
      "what counts as the same, such as ppl=0.5%,kl=0.01,top=1%,speed=2% (these are the defaults)");
  command->add_option("--prompts", options->prompts,
                      "prompts for the dialogue: one a line, or JSON lines with roles");
  command->add_option("--predict", request.predict, "tokens an answer at the most")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  CLI::Option* no_dialogue =
      command->add_flag("--no-dialogue", options->no_dialogue, "leave the dialogue out");
  CLI::Option* no_speed =
      command->add_flag("--no-speed", options->no_speed, "leave the speed measurement out");
  command
      ->add_option("--speed-blocks", request.speed_blocks,
                   "blocks of the speed measurement; more give narrower intervals")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--threads", request.threads, "number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--seed", request.seed, "seed of the tokens that speed is measured with")
      ->check(refuse_negative)
      ->capture_default_str();
  command->add_option("--lang", options->languages, "language of the report: en, zh-TW, or both with a comma")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option(
      "--out", options->out,
      "folder for the report (report.html, report.md, report.json, CSV); without it the numbers are "
      "only printed");
  command->add_flag("--force", options->force, "replace an existing report");
  command->footer(
      "Example:\n  fqlab verify model-f16.gguf model-plan.gguf --against model-Q4_K_M.gguf --plan "
      "model.plan \\\n    --corpus held-out.txt --corpus letters=letters/ --out report --lang en,zh-TW");
  for (const char* of_dialogue : {"--prompts", "--predict"})
    command->get_option(of_dialogue)->excludes(no_dialogue);
  command->get_option("--speed-blocks")->excludes(no_speed);
  command->callback([&action, options] { action = [options] { return run_verify(*options); }; });
}

}  // namespace fqlab::cli
