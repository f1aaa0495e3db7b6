// fqlab compare MODEL (--recipe R)... | --variant FILE.gguf: how far is a model from its fake-quantized
// variant?
#include "study/compare.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/atomic_file.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/default_corpus.h"
#include "cli/quantities.h"
#include "cli/report_folder.h"
#include "cli/supervised.h"
#include "cli/terminal.h"
#include "fqlab/report.h"
#include "report/sections.h"

namespace fqlab::cli {
namespace {

namespace fs = std::filesystem;

struct CompareOptions {
  std::string model, variant, arithmetic, gelu, prompts, keep_variant, margins, out, fail_on;
  std::vector<std::string> recipes, corpora, exports, languages = {"en"};
  bool no_dialogue = false, no_speed = false, force = false;
  std::optional<int> speed_blocks;
  CompareRequest request;
};

Result<CompareRequest> understand(const CompareOptions& options) {
  CompareRequest request = options.request;
  request.model = options.model;
  for (const std::string& text : options.recipes) {
    Result<Recipe> recipe = Recipe::parse(text);
    if (!recipe) return tl::unexpected(recipe.error());
    request.recipes.push_back(std::move(*recipe));
  }
  if (!options.variant.empty()) request.variant = options.variant;
  Result<std::vector<CorpusSource>> corpora = corpora_or_default(options.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  request.corpora = std::move(*corpora);
  if (!options.arithmetic.empty())
    request.arithmetic = options.arithmetic == "native" ? Arithmetic::kNative : Arithmetic::kReference;
  if (!options.gelu.empty() && options.arithmetic == "native")
    return fail(ErrorCode::kUsage, "native arithmetic leaves GELU to the engine", "--gelu",
                "leave it out, or choose --arithmetic reference");
  request.gelu = options.gelu == "engine" ? Gelu::kEngine : Gelu::kExact;
  if (!options.margins.empty()) {
    Result<Margins> margins = parse_margins(options.margins);
    if (!margins) return tl::unexpected(margins.error());
    request.margins = *margins;
  }
  request.dialogue = !options.no_dialogue;
  request.speed = !options.no_speed;
  if (options.speed_blocks && options.recipes.size() > 1)
    return fail(ErrorCode::kUsage, "speed is measured for one recipe, not for several", "--speed-blocks",
                "leave it out, or compare one recipe");
  request.speed_blocks = options.speed_blocks.value_or(request.speed_blocks);
  if (!options.prompts.empty()) request.prompts = options.prompts;
  if (!options.keep_variant.empty()) request.keep_variant = options.keep_variant;
  return request;
}

/// What is to come out besides the numbers.
struct Output {
  fs::path folder;
  std::vector<Language> languages;
  std::vector<Threshold> thresholds;
  std::vector<ExportFormat> exports;
};

Result<Output> understand_output(const CompareOptions& options) {
  Output output;
  output.folder = options.out;
  Result<std::vector<Language>> languages = parse_languages(options.languages);
  if (!languages) return tl::unexpected(languages.error());
  output.languages = std::move(*languages);
  if (!options.fail_on.empty()) {
    Result<std::vector<Threshold>> thresholds = parse_thresholds(options.fail_on);
    if (!thresholds) return tl::unexpected(thresholds.error());
    output.thresholds = std::move(*thresholds);
  }
  for (const std::string& text : options.exports) {
    Result<ExportFormat> format = parse_export_format(text);
    if (!format) return tl::unexpected(format.error());
    if (*format == ExportFormat::kLlamaBench && (options.no_speed || options.recipes.size() > 1))
      return fail(ErrorCode::kUsage, "there will be no speed to export", "--export llama-bench",
                  "measure the speed of one recipe, or export csv or jsonl");
    output.exports.push_back(*format);
  }
  return output;
}

Result<void> write_exports(std::span<const Comparison> comparisons, const Output& output) {
  for (ExportFormat format : output.exports) {
    for (const ExportFile& file : export_comparisons(comparisons, format)) {
      const fs::path path = output.folder / file.name;
      if (Result<void> written = write_file_atomically(path, file.content, Existing::kReplace); !written)
        return written;
      fmt::print("{}\n", path.string());
    }
  }
  return {};
}

/// Says how each comparison stands to the limits of --fail-on; exit code 3 where one is crossed.
ExitCode judge_thresholds(std::span<const Comparison> comparisons, const Output& output) {
  ExitCode code = kDone;
  for (const Comparison& comparison : comparisons)
    for (const ThresholdCheck& check : check_thresholds(comparison, output.thresholds)) {
      say((check.crossed ? "crossed: " : "kept: ") +
          (comparisons.size() > 1 ? report::variant_name(comparison) + ": " : "") +
          describe(check, output.languages.front()));
      if (check.crossed) code = kThresholdCrossed;
    }
  return code;
}

Result<ExitCode> measure_and_report(const CompareRequest& request, const Output& output) {
  Progress progress;
  Result<std::vector<Comparison>> comparisons =
      compare(request, [&](int done, int total, const std::string& now) {
        progress.update(static_cast<uint64_t>(done), static_cast<uint64_t>(total), now);
      });
  progress.finish();
  if (!comparisons) return tl::unexpected(comparisons.error());
  fmt::print("{}", comparison_table(*comparisons, output.languages.front()));
  for (const std::string& reason : comparison_reasons(*comparisons, output.languages.front()))
    fmt::print("{}\n", reason);
  for (const std::string& warning : comparison_warnings(*comparisons, output.languages.front()))
    say_warning(warning);
  Result<std::vector<fs::path>> paths = write_report(*comparisons, output.languages, output.folder);
  if (!paths) return tl::unexpected(paths.error());
  for (const fs::path& path : *paths) fmt::print("{}\n", path.string());
  if (Result<void> exported = write_exports(*comparisons, output); !exported)
    return tl::unexpected(exported.error());
  // All comparisons of a run have the same failures.
  const ExitCode complete = say_failures(comparisons->front().notes);
  const ExitCode judged = judge_thresholds(*comparisons, output);
  return judged != kDone ? judged : complete;
}

Result<ExitCode> run_compare(const CompareOptions& options) {
  const Result<CompareRequest> request = understand(options);
  if (!request) return tl::unexpected(request.error());
  const Result<Output> output = understand_output(options);
  if (!output) return tl::unexpected(output.error());
  ReportFiles files{"report", output->languages, {}};
  for (const ExportFormat format : output->exports)
    for (std::string& name : export_file_names(format, std::max<size_t>(1, request->recipes.size())))
      files.others.push_back(std::move(name));
  std::vector<InputFile> inputs = {
      {"model", options.model}, {"variant", options.variant}, {"list of prompts", options.prompts}};
  for (const CorpusSource& corpus : request->corpora) inputs.push_back({"text", corpus.path});
  if (Result<void> possible = check_report_folder(options.out, options.force, files, inputs); !possible)
    return tl::unexpected(possible.error());
  std::error_code ignored;
  const bool kept_before = fs::exists(options.keep_variant, ignored);
  // llama.cpp may abort; in a child process that costs one message.
  Result<ExitCode> code = supervised([&] { return measure_and_report(*request, *output); });
  const bool done = code && (*code == kDone || *code == kThresholdCrossed);
  if (!done && !options.keep_variant.empty() && !kept_before) fs::remove(options.keep_variant, ignored);
  return code;
}

}  // namespace

void add_compare(CLI::App& app, const std::vector<std::string>& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("compare", "Measure how far a model is from its fake-quantized variant");
  auto options = std::make_shared<CompareOptions>();
  CompareRequest& request = options->request;
  request.threads = hardware_threads();
  request.command = arguments;
  command->add_option("MODEL", options->model, "the original, a GGUF file")->required();
  command->add_option(
      "--recipe", options->recipes,
      "rules SELECTOR=FORMAT separated by ';', such as '0/ffn_norm=fp8_e4m3'. May be repeated: one row each");
  command->add_option("--variant", options->variant,
                      "instead of a recipe: another GGUF file of the same model");
  command->add_option("--corpus", options->corpora,
                      "text to measure on: a file, or a folder of .txt documents (default: the fetched one). "
                      "Several: NAME=PATH, repeated; --chunks counts each");
  command->add_option("--ctx", request.n_ctx, "tokens a chunk; the second half is scored")
      ->capture_default_str();
  command
      ->add_option("--batch", request.n_batch,
                   "tokens a call of the engine, 16 to 256 (more counts as 256); changes time, not results")
      ->capture_default_str();
  command->add_option("--chunks", request.chunks, "chunks to measure; more give narrower intervals")
      ->capture_default_str();
  command
      ->add_option("--arithmetic", options->arithmetic,
                   "reference: all weights in float32; native: untouched tensors as stored (default: "
                   "reference where it fits)")
      ->check(CLI::IsMember({"reference", "native"}));
  command
      ->add_option("--gelu", options->gelu,
                   "exact: reference arithmetic computes GELU in full precision; engine: as llama.cpp does, "
                   "rounded to 16 bits, and its own kernel for attention scores: its very numbers")
      ->check(CLI::IsMember({"exact", "engine"}))
      ->default_str("exact");
  command->add_option(
      "--margin", options->margins,
      "what counts as the same, such as ppl=0.5%,kl=0.01,top=1%,speed=2% (these are the defaults)");
  command->add_option("--prompts", options->prompts,
                      "prompts for the dialogue: one a line, or JSON lines with roles");
  command->add_option(
      "--stored-chunks", request.stored_chunks,
      "chunks on which the file as stored is measured too (default: a quarter, at least 4; 0: "
      "none)");
  command->add_option("--predict", request.predict, "tokens an answer at the most")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--samples", request.samples,
                   "answers to draw from each model for every prompt; 0: greedy answers only")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--temperature", request.temperature, "temperature of the drawn answers")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--worst", request.worst,
                   "how many of the positions with the largest KL divergence to list")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  CLI::Option* no_dialogue =
      command->add_flag("--no-dialogue", options->no_dialogue, "leave the dialogue out");
  CLI::Option* no_speed =
      command->add_flag("--no-speed", options->no_speed,
                        "leave the speed measurement out (it is left out for several recipes)");
  command
      ->add_option("--speed-blocks", options->speed_blocks,
                   "blocks of the speed measurement; more give narrower intervals")
      ->check(CLI::Range(1, 1000))
      ->default_str(fmt::format("{}", request.speed_blocks));
  command->add_option("--keep-variant", options->keep_variant,
                      "keep the variant's file made for the speed measurement here");
  command->add_option("--threads", request.threads, "number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--seed", request.seed,
                   "seed of the controls, the drawn answers and the tokens that speed is measured with")
      ->check(refuse_negative)
      ->capture_default_str();
  command->add_option(
      "--fail-on", options->fail_on,
      "for release gates: exit with 3 where a limit is crossed, such as kl=0.01,ppl=1%,top=1%");
  command
      ->add_option("--export", options->exports,
                   "write csv, jsonl, llama-bench or lm-eval files beside the report")
      ->delimiter(',');
  command->add_option("--lang", options->languages, "language of the report: en, zh-TW, or both with a comma")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--out", options->out, "folder for the report")->required();
  command->add_flag("--force", options->force, "replace an existing report");
  for (const char* of_dialogue : {"--prompts", "--predict", "--samples", "--temperature"})
    command->get_option(of_dialogue)->excludes(no_dialogue);
  command->get_option("--temperature")->needs("--samples");
  command->get_option("--speed-blocks")->excludes(no_speed);
  command->callback([&action, options] { action = [options] { return run_compare(*options); }; });
}

}  // namespace fqlab::cli
