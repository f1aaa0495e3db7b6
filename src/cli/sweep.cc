// fqlab sweep MODEL --formats F[,F...]: how sensitive is each part of a model to each number format?
#include "study/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>

#include "base/system.h"
#include "cli/commands.h"
#include "cli/default_corpus.h"
#include "cli/format_list.h"
#include "cli/quantities.h"
#include "cli/terminal.h"
#include "report/sections.h"
#include "study/corpora.h"

namespace fqlab::cli {
namespace {

namespace fs = std::filesystem;

struct SweepOptions {
  std::string model, study, select, group, mode = "only", score = "second-half", precision, limit_time,
                                           limit_memory;
  std::vector<std::string> corpora, formats;
  bool exhaustive = false, dry_run = false;
  int top = 0;
  SweepRequest request;
};

Result<SweepSelection> understand_selection(const SweepOptions& options) {
  SweepSelection selection;
  selection.seed = options.request.selection.seed;
  Result<std::vector<FormatSpec>> formats = parse_formats(options.formats);
  if (!formats) return tl::unexpected(formats.error());
  selection.formats = std::move(*formats);
  if (!options.select.empty()) {
    Result<Selector> selector = Selector::parse(options.select);
    if (!selector) return tl::unexpected(selector.error());
    selection.select = std::move(*selector);
  }
  const Result<SweepMode> mode = parse_sweep_mode(options.mode);
  if (!mode) return tl::unexpected(mode.error());
  selection.mode = *mode;
  const bool curves = selection.mode == SweepMode::kCumulative;
  const Result<Grouping> grouping = parse_grouping(!options.group.empty() ? options.group
                                                   : curves               ? "layer"
                                                                          : "tensor");
  if (!grouping) return tl::unexpected(grouping.error());
  selection.grouping = *grouping;
  return selection;
}

Result<AllocationGoal> understand_goal(const SweepOptions& options) {
  AllocationGoal goal = options.request.goal;
  const int asked = options.exhaustive + !options.precision.empty() + (options.top > 0);
  if (asked > 1)
    return fail(ErrorCode::kUsage, "these exclude each other", "--exhaustive, --precision, --top",
                "choose one");
  using Kind = AllocationGoal::Kind;
  goal.kind = options.exhaustive ? Kind::kExhaustive : options.top > 0 ? Kind::kTop : Kind::kMap;
  if (options.top > 0) {
    goal.top = options.top;
    goal.budget_chunks = goal.chunks;  // the race may go deeper where it is open, within the same budget
    goal.chunks *= 2;
  }
  goal.pilots = goal.kind == Kind::kMap && options.precision.empty();
  if (options.precision.empty()) return goal;
  const Result<double> precision = parse_fraction(options.precision, "--precision");
  if (!precision) return tl::unexpected(precision.error());
  goal.precision = *precision;
  goal.precision_asked = true;
  return goal;
}

Result<SweepRequest> understand(const SweepOptions& options) {
  SweepRequest request = options.request;
  request.model = options.model;
  Result<std::vector<CorpusSource>> corpora = corpora_or_default(options.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  request.corpora = std::move(*corpora);
  request.study =
      options.study.empty() ? default_study(request.model, request.corpora) : fs::path(options.study);
  Result<SweepSelection> selection = understand_selection(options);
  if (!selection) return tl::unexpected(selection.error());
  request.selection = std::move(*selection);
  const Result<AllocationGoal> goal = understand_goal(options);
  if (!goal) return tl::unexpected(goal.error());
  request.goal = *goal;
  request.scored = options.score == "all" ? ScoredPart::kAll : ScoredPart::kSecondHalf;
  if (!options.limit_time.empty()) {
    const Result<double> seconds = parse_seconds(options.limit_time, "--limit-time");
    if (!seconds) return tl::unexpected(seconds.error());
    request.limit_seconds = *seconds;
  }
  if (!options.limit_memory.empty()) {
    const Result<uint64_t> bytes = parse_bytes(options.limit_memory, "--limit-memory");
    if (!bytes) return tl::unexpected(bytes.error());
    request.limit_bytes = *bytes;
  }
  return request;
}

Result<ExitCode> print_estimate(const SweepRequest& request) {
  const Result<SweepEstimate> estimate = estimate_sweep(request);
  if (!estimate) return tl::unexpected(estimate.error());
  for (const std::string& warning : estimate->warnings) say_warning(warning);
  fmt::print("study     {}\n", printable(request.study.string()));
  fmt::print("trials    {} ({} cells of the map, and noise floors), up to {} chunks each\n",
             with_commas(estimate->trials), with_commas(estimate->cells), request.goal.chunks);
  const char* about = estimate->exact ? "" : "about ";
  fmt::print("runs      {}{} of a trial on a chunk; {} are in the study already\n", about,
             with_commas(estimate->runs), with_commas(estimate->runs_known));
  fmt::print("tokens    {}{}\n", about, with_commas(estimate->tokens));
  fmt::print("time      about {}, {} with one thread each\n", duration(estimate->seconds),
             counted(static_cast<uint64_t>(estimate->workers), "worker"));
  fmt::print("memory    {}{}\n", human_bytes(estimate->memory_bytes),
             estimate->on_disk ? ", and a temporary file beside the study" : "");
  return kDone;
}

ExitCode tell_outcome(const SweepRequest& request, const SweepOutcome& outcome) {
  const std::string study = printable(request.study.string());
  const std::string runs = fmt::format(
      "{} in {}, {} known before{}", counted(outcome.runs_now, "run"), duration(outcome.seconds),
      with_commas(outcome.runs_before),
      outcome.failed > 0 ? fmt::format(", {} failed (see fqlab status)", counted(outcome.failed, "trial"))
                         : "");
  using State = SweepOutcome::State;
  if (outcome.state != State::kFinished) {
    say(fmt::format("{} after {}. {}",
                    outcome.state == State::kInterrupted ? "interrupted" : "the time is over", runs,
                    how_to_go_on(request.command)));
    return outcome.state == State::kInterrupted ? kInterrupted : kDone;
  }
  const std::string efficiency =
      outcome.runs_now == 0
          ? ""
          : fmt::format("; {:.0f} % of the workers' time inside the engine", 100 * outcome.engine_share);
  say(counted(outcome.cells, "cell") + ", " + runs + efficiency);
  fmt::print("{}\n", study);
  say(fmt::format("see the map: fqlab show {0}; a page: fqlab report {0} --out DIR",
                  report::shell_quote(study)));
  return kDone;
}

/// While no trial runs (then the sweep decides), Ctrl+C has nothing to wait for.
void end_at_once_on_interrupt(const SweepRequest& request) {
  static std::string words;  // a signal handler can only print what is there
  words = "interrupted. " + how_to_go_on(request.command) + "\n";
  struct sigaction action {};
  action.sa_handler = [](int) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, words.data(), words.size());
    _exit(kInterrupted);
  };
  sigaction(SIGINT, &action, nullptr);
}

Result<ExitCode> run_sweep_command(const SweepOptions& options) {
  const Result<SweepRequest> request = understand(options);
  if (!request) return tl::unexpected(request.error());
  end_at_once_on_interrupt(*request);
  if (options.dry_run) return print_estimate(*request);
  Progress progress;
  const auto warn = [&](const std::string& text) {
    progress.finish();
    say_warning(printable(text));
  };
  const Result<SweepOutcome> outcome = run_sweep(
      *request,
      [&](const SweepProgress& now) {
        progress.update(now.runs_done, now.runs_expected, now.now, now.share);
      },
      warn);
  progress.finish();
  if (!outcome) return tl::unexpected(outcome.error());
  return tell_outcome(*request, *outcome);
}

}  // namespace

void add_sweep(CLI::App& app, const std::vector<std::string>& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("sweep", "Map how sensitive each part of a model is to each number format");
  auto options = std::make_shared<SweepOptions>();
  SweepRequest& request = options->request;
  request.workers = hardware_threads();
  request.command = arguments;
  command->add_option("MODEL", options->model, "the original, a GGUF file")->required();
  command
      ->add_option("--formats", options->formats,
                   "number formats, such as int4:g32,mxfp4 (fqlab formats lists them)")
      ->delimiter(',')
      ->required();
  command->add_option("--select", options->select,
                      "which tensors, such as '*/ffn_*' (default: all matrices and norms)");
  command->add_option("--group", options->group,
                      "what is changed together: tensor, kind, layer or layer-kind (default: tensor)");
  command
      ->add_option("--mode", options->mode,
                   "only: one group is changed; except: all but one; cumulative: layers 0..k and k..last")
      ->capture_default_str();
  command->add_option(
      "--corpus", options->corpora,
      "text to measure on: a file, or a folder of .txt documents (default: the fetched one); repeated, "
      "the texts take turns");
  command->add_option("--ctx", request.n_ctx, "tokens a chunk")->capture_default_str();
  command->add_option("--chunks", request.goal.chunks, "the most chunks that a cell gets")
      ->capture_default_str();
  command->add_option("--score", options->score, "positions to score: second-half, or all but the first 32")
      ->check(CLI::IsMember({"second-half", "all"}))
      ->capture_default_str();
  command->add_option("--precision", options->precision,
                      "more chunks until every cell's KL is within this share of what all --chunks would "
                      "give, such as 10% (default: "
                      "until the order is settled, on the chunks that stand best for the text, a quarter of "
                      "what --exhaustive takes at most)");
  command
      ->add_option("--top", options->top,
                   "instead: more chunks only where the K largest are still open; up to twice --chunks, "
                   "within a third of what --exhaustive takes")
      ->check(CLI::Range(1, 1000000));
  command->add_flag("--exhaustive", options->exhaustive, "instead: every chunk for every cell");
  command->add_option("--study", options->study,
                      "the file that remembers (default: MODEL-CORPUS.fqlab in the working folder)");
  command->add_option("--workers", request.workers, "processes, with one thread each")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--limit-time", options->limit_time,
                      "stop after this time, such as 90s, 20m or 2h; resumable");
  command->add_option("--limit-memory", options->limit_memory,
                      "use no more than this, such as 8GB (default: what is available)");
  command->add_option("--seed", request.selection.seed, "seed of the noise floors")
      ->check(refuse_negative)
      ->capture_default_str();
  command->add_flag("--retry-failed", request.retry_failed, "try trials again that failed before");
  command->add_flag("--dry-run", options->dry_run, "only say what it would take: trials, time and memory");
  command->callback([&action, options] { action = [options] { return run_sweep_command(*options); }; });
}

}  // namespace fqlab::cli
