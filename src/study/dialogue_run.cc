#include "study/dialogue_run.h"

namespace fqlab {
namespace {

Result<std::vector<DialogueResult>> answer_and_compare(PatchableModel& arm, Evaluator& evaluator,
                                                       VariantRun& variant, std::span<const Turn> turns,
                                                       const EvaluatorOptions& options,
                                                       const AnswerSettings& settings) {
  Speakers speakers{&evaluator, &evaluator, [&] { arm.write_variant(variant.change); },
                    [&] { arm.restore(variant.change); },
                    /*same_weights=*/variant.change.values_changed() == 0};
  std::optional<Evaluator> own;
  if (variant.own_model) {
    Result<Evaluator> created = Evaluator::create(*variant.own_model, options);
    if (!created) return tl::unexpected(created.error());
    own = std::move(*created);
    speakers = {&evaluator, &*own};
  }
  return compare_answers(arm.model(), speakers, turns, settings);
}

}  // namespace

AnswerSettings answer_settings(const CompareRequest& request) {
  return {request.predict, request.samples, request.temperature, request.seed, request.threads};
}

Result<void> plan_dialogues(PairedRun& run, std::span<const Conversation> conversations) {
  if (!run.request.dialogue) return {};
  Result<int> n_ctx = dialogue_context(run.arms.front().model(), conversations, run.request.predict);
  if (!n_ctx) return tl::unexpected(n_ctx.error());
  run.dialogue_ctx = *n_ctx;
  return {};
}

Result<std::vector<std::vector<DialogueResult>>> run_dialogues(PairedRun& run,
                                                               std::span<const Conversation> conversations) {
  std::vector<std::vector<DialogueResult>> results(run.variants.size());
  if (!run.request.dialogue) return results;
  const EvaluatorOptions options{run.dialogue_ctx, run.dialogue_ctx, run.request.threads};
  for (size_t a = 0; a < run.arms.size(); ++a) {
    PatchableModel& arm = run.arms[a];
    Result<Evaluator> evaluator = Evaluator::create(arm.model(), options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    run.tell("dialogue, original");
    Result<std::vector<Turn>> turns =
        answer_conversations(arm.model(), *evaluator, conversations, run.request.predict);
    if (!turns) return tl::unexpected(turns.error());
    for (size_t v = 0; v < run.variants.size(); ++v) {
      if (run.variants[v].arm != a) continue;
      run.tell("dialogue, " + run.variants[v].label);
      Result<std::vector<DialogueResult>> compared =
          answer_and_compare(arm, *evaluator, run.variants[v], *turns, options, answer_settings(run.request));
      if (!compared) return tl::unexpected(compared.error());
      results[v] = std::move(*compared);
    }
  }
  return results;
}

}  // namespace fqlab
