#include "study/verify_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stopwatch.h"
#include "base/system.h"
#include "study/measured.h"

namespace fqlab {
namespace {

/// One chunk of n_ctx tokens is the unit.
double cost_of_tokens(const VerifyRun& run, double tokens) {
  return tokens / static_cast<double>(run.request.n_ctx);
}

double cost_of_dialogue(const VerifyRun& run, std::span<const Conversation> conversations) {
  double turns = 0;
  for (const Conversation& conversation : conversations)
    turns += static_cast<double>(std::count_if(conversation.begin(), conversation.end(),
                                               [](const ChatMessage& m) { return m.role == "user"; }));
  return cost_of_tokens(run, turns * run.request.predict * kCostOfGenerated);
}

Result<Evaluator> open_evaluator(const GgufFile& file, const EvaluatorOptions& options) {
  Result<Model> model = Model::load(file);
  if (!model) return tl::unexpected(model.error());
  return Evaluator::create(*model, options);
}

void begin_chunks(VerifyRun& run, ChunkGroup group, const std::string& now) {
  for (size_t c = group.begin; c < group.end; ++c) run.work.begin(now, 1);
}

Result<void> run_file(VerifyRun& run, FileRun& file, ChunkGroup group,
                      std::span<const OriginalLogits> originals) {
  begin_chunks(run, group, file.name);
  const Stopwatch stopwatch;
  if (!file.evaluator) {
    Result<Evaluator> opened = open_evaluator(file.file, run.options);
    if (!opened) return tl::unexpected(opened.error());
    file.evaluator = std::move(*opened);
  }
  Result<std::vector<std::span<const float>>> logits =
      group_logits(*file.evaluator, run.chunks, group, run.scored);
  if (!logits) return tl::unexpected(logits.error());
  for (size_t i = 0; i < group.size(); ++i) {
    if ((*logits)[i].size() != originals[i].logits.size())
      return fail(ErrorCode::kUsage, "the file has another vocabulary than the original",
                  file.file.path().string(), "only files of one model can be compared");
    file.same_as_original.push_back(same_bits(originals[i].logits, (*logits)[i]));
    append(file.positions, originals[i].compare((*logits)[i], run.request.threads));
    const auto chunk = std::span(file.positions).last(static_cast<size_t>(run.scored.count));
    if (Result<void> finite = check_finite(chunk, run.request.model.string(), file.file.path().string());
        !finite)
      return finite;
  }
  if (!run.all_loaded) file.evaluator.reset();
  file.seconds += stopwatch.seconds();
  return {};
}

Result<void> check_original(VerifyRun& run, const OriginalLogits& first, const char* when) {
  begin_chunks(run, {0, 1}, fmt::format("check {}", when));
  Result<std::vector<std::span<const float>>> again =
      group_logits(*run.original, run.chunks, {0, 1}, run.scored);
  if (!again) return tl::unexpected(again.error());
  return check_repeat(first, again->front(), run.request.threads, when, run.request.model.string());
}

Result<std::vector<OriginalLogits>> run_original(VerifyRun& run, ChunkGroup group) {
  begin_chunks(run, group, "original");
  const Stopwatch stopwatch;
  Result<std::vector<std::span<const float>>> logits =
      group_logits(*run.original, run.chunks, group, run.scored);
  if (!logits) return tl::unexpected(logits.error());
  std::vector<OriginalLogits> originals;
  for (size_t i = 0; i < group.size(); ++i)
    originals.push_back(
        keep_original(run.chunks[group.begin + i], (*logits)[i], run.scored, run.request.threads));
  run.original_seconds += stopwatch.seconds();
  return originals;
}

}  // namespace

Result<void> plan_memory(VerifyRun& run, const GgufFile& original) {
  const EvaluatorOptions& options = run.options;
  const int scored = second_half(options.n_ctx).count;
  uint64_t all_files = 0, largest_file = 0, all_working = 0, largest_working = 0;
  for (const FileRun& file : run.files) {
    const uint64_t working = Evaluator::planned_bytes(file.file, options, scored);
    all_files += file.file.file_bytes();
    largest_file = std::max(largest_file, file.file.file_bytes());
    all_working += working;
    largest_working = std::max(largest_working, working);
  }
  const uint64_t own_working =
      2 * Evaluator::planned_bytes(original, options, scored);  // its logits are kept
  const uint64_t available = memory_available_bytes();
  const int most = std::min({options.threads, kMostChunksAtOnce, run.request.chunks});
  uint64_t needed = 0;
  for (const auto& [all, at_once] :
       {std::pair{true, most}, std::pair{false, most}, std::pair{true, 1}, std::pair{false, 1}}) {
    run.all_loaded = all;
    run.chunks_at_once = at_once;
    needed = original.file_bytes() + (all ? all_files : largest_file) +
             static_cast<uint64_t>(at_once) * (own_working + (all ? all_working : largest_working));
    if (needed <= available) return {};
  }
  return require_memory(needed, "verifying",
                        fmt::format("the original {}, the largest file beside it {}, evaluation {}",
                                    human_bytes(original.file_bytes()), human_bytes(largest_file),
                                    human_bytes(own_working + largest_working)),
                        "a smaller --ctx needs less");
}

Result<void> run_chunks(VerifyRun& run) {
  OriginalLogits first;
  const size_t step = static_cast<size_t>(run.chunks_at_once);
  for (size_t begin = 0; begin < run.chunks.size(); begin += step) {
    const ChunkGroup group{begin, std::min(begin + step, run.chunks.size())};
    Result<std::vector<OriginalLogits>> originals = run_original(run, group);
    if (!originals) return tl::unexpected(originals.error());
    if (begin == 0) {
      if (Result<void> same = check_original(run, originals->front(), "before the work"); !same) return same;
    }
    for (FileRun& file : run.files)
      if (Result<void> done = run_file(run, file, group, *originals); !done) return done;
    if (begin == 0) first = std::move(originals->front());
  }
  return check_original(run, first, "after the work");
}

Result<std::vector<std::vector<DialogueResult>>> run_dialogues(VerifyRun& run,
                                                               std::span<const Conversation> conversations) {
  const AnswerSettings settings{run.request.predict, 0, 1, run.request.seed, run.request.threads};
  const double cost = cost_of_dialogue(run, conversations);
  run.work.begin("dialogue, original", cost);
  const EvaluatorOptions options{run.dialogue_ctx, run.dialogue_ctx, run.request.threads};
  Result<Evaluator> original = Evaluator::create(*run.model, options);
  if (!original) return tl::unexpected(original.error());
  Result<std::vector<Turn>> turns = answer_conversations(*run.model, *original, conversations, settings.most);
  if (!turns) return tl::unexpected(turns.error());
  std::vector<std::vector<DialogueResult>> results;
  for (FileRun& file : run.files) {
    run.work.begin("dialogue, " + file.name, 1.3 * cost);
    Result<Evaluator> evaluator = open_evaluator(file.file, options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    Speakers speakers;
    speakers.original = &*original;
    speakers.variant = &*evaluator;
    Result<std::vector<DialogueResult>> compared = compare_answers(*run.model, speakers, *turns, settings);
    if (!compared) return tl::unexpected(compared.error());
    results.push_back(std::move(*compared));
  }
  return results;
}

void expect_passes(VerifyRun& run) {
  run.work.expect(static_cast<int>(run.chunks.size() * (run.files.size() + 1)) + 2, 1);
}

Result<void> plan_dialogues(VerifyRun& run, std::span<const Conversation> conversations) {
  if (!run.request.dialogue) return {};
  Result<int> n_ctx = dialogue_context(*run.model, conversations, run.request.predict);
  if (!n_ctx) return tl::unexpected(n_ctx.error());
  run.dialogue_ctx = *n_ctx;
  const double cost = cost_of_dialogue(run, conversations);
  run.work.expect(1, cost);
  run.work.expect(static_cast<int>(run.files.size()), 1.3 * cost);
  return {};
}

}  // namespace fqlab
