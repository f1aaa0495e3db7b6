// fqlab imatrix MODEL --corpus C -o FILE: which columns of the weights matter, in llama.cpp's format.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/stopwatch.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/default_corpus.h"
#include "cli/quantities.h"
#include "cli/supervised.h"
#include "cli/terminal.h"
#include "study/make_imatrix.h"

namespace fqlab::cli {
namespace {

struct ImatrixOptions {
  std::string model, corpus, arithmetic = "native", output;
  bool no_tied_embedding = false;
  ImatrixRequest request;
};

Result<ImatrixRequest> understand(const ImatrixOptions& options) {
  ImatrixRequest request = options.request;
  request.model = options.model;
  request.corpus = options.corpus.empty() ? default_corpus() : options.corpus;
  if (request.corpus.empty())
    return fail(ErrorCode::kUsage, "there is no text to measure on", "--corpus",
                "give a text file or a folder of .txt documents");
  request.output = options.output;
  request.arithmetic = options.arithmetic == "native" ? Arithmetic::kNative : Arithmetic::kReference;
  request.activations.tied_embedding = !options.no_tied_embedding;
  return request;
}

void tell_outcome(const ImatrixRequest& request, const ImatrixOutcome& outcome, double seconds) {
  if (outcome.chunks < static_cast<size_t>(request.chunks))
    say_warning(fmt::format("the text has only {} of {} tokens", counted(outcome.chunks, "chunk"),
                            request.activations.n_ctx));
  if (outcome.unseen_experts > 0)
    say_warning(fmt::format(
        "{} of experts saw no token; a longer text may reach them",
        outcome.unseen_experts == 1 ? "1 matrix" : with_commas(outcome.unseen_experts) + " matrices"));
  say(fmt::format("wrote {} ({} bytes): {} matrices{}, {} of {} tokens, {}",
                  printable(request.output.string()), with_commas(outcome.file_bytes), outcome.entries,
                  outcome.tied_embedding ? ", the tied embedding among them" : "",
                  counted(outcome.chunks, "chunk"), request.activations.n_ctx, duration(seconds)));
}

Result<ExitCode> run_imatrix(const ImatrixOptions& options) {
  const Result<ImatrixRequest> request = understand(options);
  if (!request) return tl::unexpected(request.error());
  return supervised([&]() -> Result<ExitCode> {
    const Stopwatch watch;
    Progress progress;
    const Result<ImatrixOutcome> outcome =
        make_imatrix(*request, [&](size_t done, size_t all) { progress.update(done, all, "chunks"); });
    progress.finish();
    if (!outcome) return tl::unexpected(outcome.error());
    tell_outcome(*request, *outcome, watch.seconds());
    return kDone;
  });
}

}  // namespace

void add_imatrix(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "imatrix", "Compute an importance matrix, which quantizers use, in llama.cpp's format");
  auto options = std::make_shared<ImatrixOptions>();
  ImatrixRequest& request = options->request;
  request.activations.threads = hardware_threads();
  command->add_option("MODEL", options->model, "a GGUF file, best in 16 bits or more")->required();
  command->add_option("--corpus", options->corpus,
                      "text to run: a file, or a folder of .txt documents (default: the fetched one)");
  command->add_option("--chunks", request.chunks, "chunks to run, fewer where the text ends")
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str();
  command->add_option("--ctx", request.activations.n_ctx, "tokens a chunk")
      ->check(CLI::Range(16, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--arithmetic", options->arithmetic,
                   "native: the file's own types, as llama-imatrix; reference: all weights in float32")
      ->check(CLI::IsMember({"native", "reference"}))
      ->capture_default_str();
  command->add_flag("--no-tied-embedding", options->no_tied_embedding,
                    "leave out token_embd.weight where it is the output matrix too, as llama-imatrix does");
  command->add_flag("--process-output", request.activations.output,
                    "also an output.weight of its own, as llama-imatrix --process-output");
  command->add_option("--threads", request.activations.threads, "number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "the new GGUF file")->required();
  command->add_flag("--force", request.overwrite, "replace an existing output");
  command->footer(
      "Examples:\n"
      "  fqlab imatrix MODEL.gguf --corpus TEXT -o MODEL.imatrix.gguf\n"
      "  fqlab inspect MODEL.gguf --format gguf:q4_k --imatrix MODEL.imatrix.gguf\n"
      "  llama-quantize --imatrix MODEL.imatrix.gguf MODEL.gguf OUT.gguf Q4_K_M");
  command->callback([&action, options] { action = [options] { return run_imatrix(*options); }; });
}

}  // namespace fqlab::cli
