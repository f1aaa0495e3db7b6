// Comparing answers: greedy texts beside each other, and both models led along the same tokens.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/hash.h"
#include "fqlab/metrics.h"
#include "study/dialogue.h"

namespace fqlab {
namespace {

using Answer = std::vector<int32_t>;

/// Both models along one answer of the original; one entry a token.
Result<std::vector<PairedPosition>> lead_along(const Speakers& speakers, const Turn& turn,
                                               const Answer& answer, int threads) {
  if (answer.empty()) return std::vector<PairedPosition>();
  Answer tokens = turn.context;
  tokens.insert(tokens.end(), answer.begin(), answer.end());
  const int first = static_cast<int>(turn.context.size()) - 1, count = static_cast<int>(answer.size());
  Result<std::span<const float>> logits = speakers.original->logits(tokens, first, count);
  if (!logits) return tl::unexpected(logits.error());
  const std::vector<float> original(logits->begin(),
                                    logits->end());  // the evaluator may be the variant's too
  const std::vector<PositionScore> scores = score_positions(original, answer, threads);
  if (speakers.same_weights) return compare_positions(original, scores, original, answer, threads);
  speakers.become_variant();
  Result<std::span<const float>> variant = speakers.variant->logits(tokens, first, count);
  speakers.become_original();
  if (!variant) return tl::unexpected(variant.error());
  return compare_positions(original, scores, *variant, answer, threads);
}

/// K answers with seeds that both models share, so that equal models give equal answers.
Result<std::vector<Answer>> draw(Evaluator& evaluator, const Turn& turn, size_t number,
                                 const AnswerSettings& settings) {
  std::vector<Answer> answers;
  for (int k = 0; k < settings.samples; ++k) {
    const uint64_t seed = hash64(fmt::format("turn {}, answer {}", number, k), settings.seed);
    Result<Answer> answer = evaluator.sample(turn.context, settings.most, settings.temperature, seed);
    if (!answer) return tl::unexpected(answer.error());
    answers.push_back(std::move(*answer));
  }
  return answers;
}

double distinct(const std::vector<Answer>& answers) {
  return static_cast<double>(std::set<Answer>(answers.begin(), answers.end()).size()) /
         static_cast<double>(answers.size());
}

/// The variant's greedy answer and its drawn ones, its weights in place for all of them.
struct VariantAnswers {
  Answer greedy;
  std::vector<Answer> drawn;
};
Result<VariantAnswers> variant_answers(const Speakers& speakers, const Turn& turn, size_t number,
                                       const std::vector<Answer>& drawn_by_original,
                                       const AnswerSettings& settings) {
  if (speakers.same_weights) return VariantAnswers{turn.answer, drawn_by_original};
  speakers.become_variant();
  Result<Answer> greedy = speakers.variant->generate(turn.context, settings.most);
  Result<std::vector<Answer>> drawn = draw(*speakers.variant, turn, number, settings);
  speakers.become_original();
  if (!greedy) return tl::unexpected(greedy.error());
  if (!drawn) return tl::unexpected(drawn.error());
  return VariantAnswers{std::move(*greedy), std::move(*drawn)};
}

Result<SampledTurn> compare_drawn(const Speakers& speakers, const Turn& turn,
                                  const std::vector<Answer>& original, const std::vector<Answer>& variant,
                                  const AnswerSettings& settings) {
  SampledTurn sampled;
  PairedSums sums;
  for (const Answer& answer : original) {
    Result<std::vector<PairedPosition>> positions = lead_along(speakers, turn, answer, settings.threads);
    if (!positions) return tl::unexpected(positions.error());
    sums.merge(sum_up(*positions));
  }
  sampled.tokens = sums.n;
  if (sums.n > 0) {
    sampled.kl_mean = sums.kl_nats / static_cast<double>(sums.n);
    sampled.agreement = static_cast<double>(sums.same_top) / static_cast<double>(sums.n);
  }
  sampled.distinct_original = distinct(original);
  sampled.distinct_variant = distinct(variant);
  return sampled;
}

Result<DialogueResult> compare_turn(const Model& model, const Speakers& speakers, const Turn& turn,
                                    size_t number, const AnswerSettings& settings) {
  DialogueResult result;
  result.conversation = turn.conversation;
  result.prompt = turn.prompt;
  result.chat_template = turn.chat_template;
  result.original = text_of(model, turn.answer);
  result.tokens = turn.answer.size();
  Result<std::vector<PairedPosition>> greedy = lead_along(speakers, turn, turn.answer, settings.threads);
  if (!greedy) return tl::unexpected(greedy.error());
  if (!greedy->empty()) {
    const PairedSums sums = sum_up(*greedy);
    const double n = static_cast<double>(sums.n);
    result.kl_mean = sums.kl_nats / n;
    result.teacher_forced_agreement = static_cast<double>(sums.variant_right) / n;
  }
  Result<std::vector<Answer>> drawn = draw(*speakers.original, turn, number, settings);
  if (!drawn) return tl::unexpected(drawn.error());
  Result<VariantAnswers> variant = variant_answers(speakers, turn, number, *drawn, settings);
  if (!variant) return tl::unexpected(variant.error());
  result.variant = text_of(model, variant->greedy);
  result.identical = variant->greedy == turn.answer;
  if (!result.identical) {
    const auto [a, b] =
        std::mismatch(turn.answer.begin(), turn.answer.end(), variant->greedy.begin(), variant->greedy.end());
    result.first_divergent_token = static_cast<int>(a - turn.answer.begin());
  }
  if (settings.samples > 0) {
    Result<SampledTurn> sampled = compare_drawn(speakers, turn, *drawn, variant->drawn, settings);
    if (!sampled) return tl::unexpected(sampled.error());
    result.sampled = *sampled;
  }
  return result;
}

/// One number of a turn for each of its tokens, conversations as clusters.
struct TurnMeasure {
  int conversation = 0;
  uint64_t tokens = 0;
  double kl_mean = 0, agreement = 0;
};

ForcedAnswers over_conversations(std::span<const TurnMeasure> turns) {
  std::vector<ClusterSum> kl, agreed;
  int previous = -1;
  ForcedAnswers all;
  for (const TurnMeasure& turn : turns) {
    if (turn.conversation != previous) kl.emplace_back(), agreed.emplace_back();
    previous = turn.conversation;
    const double n = static_cast<double>(turn.tokens);
    kl.back().sum += turn.kl_mean * n;
    kl.back().n += turn.tokens;
    agreed.back().sum += std::round(turn.agreement * n);  // a count
    agreed.back().n += turn.tokens;
    all.tokens += turn.tokens;
  }
  const ClusteredMean mean = clustered_mean(kl);
  const Agreement same = agreement(agreed);
  all.conversations = mean.clusters;
  all.kl_mean = mean.mean;
  all.kl_interval = mean.interval;
  all.agreement = same.fraction;
  all.agreement_interval = same.interval;
  return all;
}

}  // namespace

Result<std::vector<DialogueResult>> compare_answers(const Model& model, const Speakers& speakers,
                                                    std::span<const Turn> turns,
                                                    const AnswerSettings& settings) {
  std::vector<DialogueResult> results;
  for (size_t number = 0; number < turns.size(); ++number) {
    Result<DialogueResult> result = compare_turn(model, speakers, turns[number], number, settings);
    if (!result) return tl::unexpected(result.error());
    results.push_back(std::move(*result));
  }
  return results;
}

std::optional<DialogueSummary> summarize_dialogue(std::span<const DialogueResult> turns,
                                                  const AnswerSettings& settings) {
  if (turns.empty()) return std::nullopt;
  std::vector<TurnMeasure> greedy, sampled;
  for (const DialogueResult& turn : turns) {
    greedy.push_back({turn.conversation, turn.tokens, turn.kl_mean.value_or(0),
                      turn.teacher_forced_agreement.value_or(0)});
    if (turn.sampled)
      sampled.push_back(
          {turn.conversation, turn.sampled->tokens, turn.sampled->kl_mean, turn.sampled->agreement});
  }
  DialogueSummary summary;
  summary.greedy = over_conversations(greedy);
  if (!sampled.empty()) {
    summary.samples = settings.samples;
    summary.temperature = settings.temperature;
    summary.sampled = over_conversations(sampled);
  }
  return summary;
}

}  // namespace fqlab
