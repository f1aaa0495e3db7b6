// fqlab generate MODEL -o FOLDER: text that the model writes itself, for plans.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/stopwatch.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/quantities.h"
#include "cli/supervised.h"
#include "cli/terminal.h"
#include "study/generate_text.h"

namespace fqlab::cli {
namespace {

Result<ExitCode> run_generate(const GenerateRequest& request) {
  return supervised([&]() -> Result<ExitCode> {
    const Stopwatch watch;
    Progress progress;
    const Result<uint64_t> bytes =
        generate_text(request, [&](size_t done, size_t all) { progress.update(done, all, "documents"); });
    progress.finish();
    if (!bytes) return tl::unexpected(bytes.error());
    say(fmt::format("wrote {}: {} of at least {} tokens, {} bytes, {}", printable(request.output.string()),
                    counted(static_cast<uint64_t>(request.documents), "document"), request.tokens,
                    with_commas(*bytes), duration(watch.seconds())));
    return kDone;
  });
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "generate",
      "Let the model write text of its own: a corpus where there is none, or a second one for a plan");
  auto request = std::make_shared<GenerateRequest>();
  request->threads = hardware_threads();
  command->add_option("MODEL", request->model, "a GGUF file")->required();
  command->add_option("-o,--output", request->output, "the new folder of .txt documents")->required();
  command->add_option("--documents", request->documents, "documents to write")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--tokens", request->tokens,
                   "tokens of each, at least; a little more than a chunk (--ctx) of what will read them")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--temperature", request->temperature,
                   "1: as the model's own probabilities say; less: only what it finds likely")
      ->check(CLI::Range(0.01, 10.0))
      ->capture_default_str();
  command->add_option("--seed", request->seed, "another seed, other texts")
      ->check(refuse_negative)
      ->capture_default_str();
  command->add_option("--threads", request->threads, "documents written at the same time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  fqlab generate MODEL.gguf -o own-words\n"
      "  fqlab plan MODEL.gguf --budget like:Q4_K_M --chunks 4 --corpus TEXT \\\n    --corpus own-words -o "
      "MODEL.plan");
  command->callback([&action, request] { action = [request] { return run_generate(*request); }; });
}

}  // namespace fqlab::cli
