// fqlab plan MODEL --budget B -o PLAN: which type each tensor should have in a file of so many bytes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <memory>

#include "base/atomic_file.h"
#include "base/system.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/default_corpus.h"
#include "cli/quantities.h"
#include "cli/supervised.h"
#include "cli/terminal.h"
#include "formats/ggml_names.h"
#include "report/sections.h"
#include "study/plan_search.h"

namespace fqlab::cli {
namespace {

namespace fs = std::filesystem;

struct PlanOptions {
  std::string model, study, imatrix, group = "tensor", output, limit_memory, export_as;
  std::vector<std::string> corpora, types, pins;
  bool frontier = false, force = false;
  PlanRequest request;
};

Result<GgmlType> parse_type(const std::string& text, const char* option) {
  if (const GgmlTypeInfo* info = quantizable_ggml_type(lower_case(text))) return info->type;
  std::string all;
  for (const std::string& known : quantizable_ggml_names()) all += (all.empty() ? "" : " ") + known;
  return fail(ErrorCode::kUsage, fmt::format("'{}' is no type that ggml can quantize to", text), option,
              "one of: " + all);
}

Result<TypePin> parse_pin(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos)
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no SELECTOR=TYPE", text), "--pin",
                "such as --pin token_embd=q8_0 or --pin 0-2/ffn_down=q5_0");
  Result<Selector> selector = Selector::parse(text.substr(0, equals));
  if (!selector) return tl::unexpected(selector.error());
  const Result<GgmlType> type = parse_type(text.substr(equals + 1), "--pin");
  if (!type) return tl::unexpected(type.error());
  return TypePin{std::move(*selector), *type};
}

Result<PlanRequest> understand(const PlanOptions& options) {
  PlanRequest request = options.request;
  request.model = options.model;
  request.imatrix = options.imatrix;
  Result<std::vector<CorpusSource>> corpora = corpora_or_default(options.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  request.corpora = std::move(*corpora);
  request.study = options.study.empty() ? default_study(request.model, request.corpora, ".plan")
                                        : fs::path(options.study);
  for (const std::string& text : options.types) {
    const Result<GgmlType> type = parse_type(text, "--types");
    if (!type) return tl::unexpected(type.error());
    request.types.push_back(*type);
  }
  for (const std::string& text : options.pins) {
    Result<TypePin> pin = parse_pin(text);
    if (!pin) return tl::unexpected(pin.error());
    request.pins.push_back(std::move(*pin));
  }
  const Result<Grouping> grouping = parse_grouping(options.group);
  if (!grouping) return tl::unexpected(grouping.error());
  request.grouping = *grouping;
  if (!options.limit_memory.empty()) {
    const Result<uint64_t> bytes = parse_bytes(options.limit_memory, "--limit-memory");
    if (!bytes) return tl::unexpected(bytes.error());
    request.limit_bytes = *bytes;
  }
  return request;
}

std::string number(const std::optional<double>& value) { return value ? fmt::format("{:.4g}", *value) : "-"; }

std::string with_interval(double value, const std::optional<Interval>& interval) {
  return interval ? fmt::format("{:.4g} [{:.4g}, {:.4g}]", value, interval->low, interval->high)
                  : fmt::format("{:.4g}", value);
}

void print_candidates(const PlanOutcome& outcome) {
  std::vector<std::vector<std::string>> rows;
  for (const PlanCandidate& candidate : outcome.candidates)
    rows.push_back(
        {candidate.label, with_commas(candidate.file_bytes), number(candidate.raw_kl),
         candidate.measured_kl ? with_interval(*candidate.measured_kl, candidate.measured_interval) : "-",
         std::to_string(candidate.chunks)});
  fmt::print(
      "{}\n",
      table({"candidate", ">bytes", ">sum of effects, nats", ">measured KL [95 %], nats", ">chunks"}, rows));
}

void print_types(const QuantizationPlan& plan) {
  std::map<std::string, std::map<std::string, int>> by_kind;
  for (const PlannedTensor& tensor : plan.tensors)
    ++by_kind[parse_tensor_name(tensor.name).kind][type_name(tensor.type)];
  std::vector<std::vector<std::string>> rows;
  for (const auto& [kind, types] : by_kind) {
    std::string text;
    for (const auto& [type, count] : types)
      text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, type);
    rows.push_back({printable(kind), text});
  }
  fmt::print("{}\n", table({"kind", "types"}, rows));
}

void print_frontier(const QuantizationPlan& plan) {
  std::vector<std::vector<std::string>> rows;
  for (const PlanPoint& point : plan.frontier)
    rows.push_back({with_commas(point.file_bytes), fmt::format("{:.4g}", point.kl)});
  fmt::print("{}\n", table({">bytes of the file", ">predicted KL, nats"}, rows));
}

void print_outcome(const PlanOptions& options, const PlanOutcome& outcome) {
  const QuantizationPlan& plan = outcome.plan;
  print_candidates(outcome);
  print_types(plan);
  if (options.frontier) print_frontier(plan);
  fmt::print("{} bytes of {} allowed; mean KL on {} chunks of the planning text {} nats",
             with_commas(plan.file_bytes), with_commas(plan.budget_bytes), plan.measured_chunks,
             with_interval(plan.measured_kl.value_or(0), plan.measured_interval));
  if (plan.predicted_kl) fmt::print(", predicted {:.4g}", *plan.predicted_kl);
  fmt::print("; a further megabyte would buy {:.2g} nats\n", outcome.fall_per_megabyte);
  if (outcome.singles_predicted > 0)
    fmt::print(
        "{} of {} single effects were predicted from other types of their tensors; such predictions are "
        "off by {:.0f} % (root mean square over {} that were measured too)\n",
        with_commas(outcome.singles_predicted), with_commas(outcome.singles),
        100 * std::expm1(outcome.single_log_error), with_commas(outcome.singles_held_out));
}

std::string types_file(const PlanOptions& options) { return options.output + ".tensor-types.txt"; }

Existing existing(const PlanOptions& options) {
  return options.force ? Existing::kReplace : Existing::kRefuse;
}

Result<void> check_outputs(const PlanOptions& options, const PlanRequest& request) {
  std::vector<InputFile> inputs = {
      {"model", request.model}, {"imatrix", request.imatrix}, {"study", request.study}};
  for (const CorpusSource& corpus : request.corpora) inputs.push_back({"text", corpus.path});
  if (Result<void> possible = check_output(options.output, existing(options), inputs); !possible)
    return possible;
  return options.export_as.empty() ? Result<void>()
                                   : check_output(types_file(options), existing(options), inputs);
}

Result<void> write_outputs(const PlanOptions& options, const QuantizationPlan& plan) {
  const auto write = [&](const std::string& path, const std::string& text) -> Result<void> {
    if (Result<void> written = write_file_atomically(path, text, existing(options)); !written) return written;
    fmt::print("{}\n", printable(path));
    return {};
  };
  if (Result<void> written = write(options.output, print_plan(plan)); !written) return written;
  return options.export_as.empty() ? Result<void>() : write(types_file(options), tensor_type_file(plan));
}

ExitCode interrupted(const PlanRequest& request) {
  say("interrupted. " + how_to_go_on(request.command));
  return kInterrupted;
}

Result<ExitCode> search_and_write(const PlanOptions& options, const PlanRequest& request) {
  Progress progress;
  std::string stage;
  const auto warn = [&](const std::string& text) {
    progress.finish();
    say_warning(printable(text));
  };
  const auto tell = [&](const std::string& now, const SweepProgress& at) {
    if (now != stage) {
      progress.finish();
      say(now);
      stage = now;
    }
    progress.update(at.runs_done, at.runs_expected, at.now, at.share);
  };
  const Result<PlanOutcome> outcome = search_plan(request, tell, warn);
  progress.finish();
  if (!outcome) return tl::unexpected(outcome.error());
  if (outcome->state != SweepOutcome::State::kFinished) return interrupted(request);
  print_outcome(options, *outcome);
  if (Result<void> written = write_outputs(options, outcome->plan); !written)
    return tl::unexpected(written.error());
  say(fmt::format("{} in {}, {} known before; solving took {:.1f} s", counted(outcome->runs_now, "run"),
                  duration(outcome->seconds), with_commas(outcome->runs_before), outcome->solving_seconds));
  say(fmt::format("make the file: fqlab build {} -o OUT.gguf",
                  report::shell_quote(printable(options.output))));
  return kDone;
}

Result<ExitCode> run_plan(const PlanOptions& options) {
  const Result<PlanRequest> request = understand(options);
  if (!request) return tl::unexpected(request.error());
  if (Result<void> possible = check_outputs(options, *request); !possible)
    return tl::unexpected(possible.error());
  // llama.cpp's quantizer tells what it would do, and may abort; in a child process that costs one message.
  Result<ExitCode> code = supervised([&] { return search_and_write(options, *request); });
  if (!code && code.error().code == ErrorCode::kInterrupted) return interrupted(*request);  // not in a sweep
  return code;
}

}  // namespace

void add_plan(CLI::App& app, const std::vector<std::string>& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("plan", "Find the type of each tensor for a file of so many bytes");
  auto options = std::make_shared<PlanOptions>();
  PlanRequest& request = options->request;
  request.workers = hardware_threads();
  request.command = arguments;
  command->add_option("MODEL", options->model, "the original, a GGUF file of 16 or 32 bits")->required();
  command
      ->add_option("--budget", request.budget,
                   "size of the whole file: 105MB, 100MiB, 4.8bpw, like:Q4_K_M (llama-quantize's mix) or "
                   "like:FILE.gguf")
      ->required();
  command->add_option("-o,--output", options->output, "the plan, a text file to read and edit")->required();
  command
      ->add_option("--types", options->types,
                   "types to choose from, such as q4_0,q5_1,q8_0 (default: eleven between 2.6 and 8.5 bits, "
                   "and a 16-bit original's own)")
      ->delimiter(',');
  command->add_option("--pin", options->pins, "SELECTOR=TYPE: these tensors get this type; may be repeated");
  command->add_option("--imatrix", options->imatrix,
                      "importance matrix for the quantizer (make one with: fqlab imatrix)");
  command
      ->add_option("--group", options->group,
                   "what gets one type together: tensor, kind, layer or layer-kind")
      ->capture_default_str();
  command->add_option(
      "--corpus", options->corpora,
      "text to plan on: a file, or a folder of .txt documents (default: the fetched one); repeated, "
      "the texts take turns, such as yours and one that fqlab generate made");
  command->add_option("--ctx", request.n_ctx, "tokens a chunk")->capture_default_str();
  command->add_option("--chunks", request.chunks, "chunks on which every type of every tensor is measured")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--candidate-chunks", request.candidate_chunks, "chunks on which whole plans are measured")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_flag(
      "--quick", request.quick,
      "measure a third fewer single types: what no plan within the errors would take is predicted");
  command->add_option("--study", options->study,
                      "the file that remembers (default: MODEL-CORPUS.plan.fqlab in the working folder)");
  command->add_flag("--frontier", options->frontier,
                    "also print the whole curve of predicted KL against size");
  command
      ->add_option("--export", options->export_as,
                   "tensor-types: also write PLAN.tensor-types.txt for llama-quantize --tensor-type-file")
      ->check(CLI::IsMember({"tensor-types"}));
  command->add_option("--workers", request.workers, "processes, with one thread each")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--limit-memory", options->limit_memory,
                      "use no more than this, such as 8GB (default: what is available)");
  command->add_flag("--force", options->force, "replace an existing output");
  command->callback([&action, options] { action = [options] { return run_plan(*options); }; });
}

}  // namespace fqlab::cli
