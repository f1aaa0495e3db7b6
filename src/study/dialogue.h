// Dialogue: what both models answer, greedily, to the same prompts.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/engine.h"
#include "fqlab/result.h"

namespace fqlab {

/// Messages of one conversation; every user message is a turn that is answered.
using Conversation = std::vector<ChatMessage>;

/// The three prompts of the original report: arithmetic, self-introduction, creative writing.
std::vector<Conversation> default_conversations();

/// One conversation a line: plain text is a single user message; a line that starts with '[' or '{' is JSON:
/// an array of
/// {"role", "content"}, or an object with such an array as "messages". Empty lines are skipped. Errors name
/// the line.
Result<std::vector<Conversation>> read_conversations(const std::filesystem::path& path);

/// The prompts of a file where one is given, else the default ones.
Result<std::vector<Conversation>> conversations_of(const std::optional<std::filesystem::path>& prompts);

/// One turn as the models see it, and the original's answer. A later turn's context holds the given assistant
/// message, or the original's own answer where the conversation gives none: the variant sees the same, so
/// that only weights differ.
struct Turn {
  int conversation = 0;
  std::string prompt;  ///< the user's message
  bool chat_template = false;
  std::vector<int32_t> context;  ///< tokens before the answer
  std::vector<int32_t> answer;   ///< the original's, greedy
};

/// The original's side of every turn. `most` tokens an answer at the most.
Result<std::vector<Turn>> answer_conversations(const Model& model, Evaluator& evaluator,
                                               std::span<const Conversation> conversations, int most);

/// The tokens' texts, one after the other.
std::string text_of(const Model& model, std::span<const int32_t> tokens);

/// The two models of a dialogue. They may be one evaluator, whose weights the switches change; the original's
/// are in place before and after.
struct Speakers {
  Evaluator* original = nullptr;
  Evaluator* variant = nullptr;
  std::function<void()> become_variant = [] {};
  std::function<void()> become_original = [] {};
  bool same_weights = false;  ///< no weight differs: the variant answers as the original does, unasked
};

struct AnswerSettings {
  int most = 64;           ///< tokens an answer
  int samples = 0;         ///< answers drawn a turn, besides the greedy one
  double temperature = 1;  ///< of the drawn answers; it chooses which texts are visited, KL divergences are
                           ///< those of temperature 1
  uint64_t seed = 1;
  int threads = 2;
};

/// The variant's own greedy answers, and both models led along the original's answers, the greedy one and the
/// drawn ones: one answer's logits are held.
Result<std::vector<DialogueResult>> compare_answers(const Model& model, const Speakers& speakers,
                                                    std::span<const Turn> turns,
                                                    const AnswerSettings& settings);

/// All turns together, conversations as clusters; absent without turns.
std::optional<DialogueSummary> summarize_dialogue(std::span<const DialogueResult> turns,
                                                  const AnswerSettings& settings);

/// Tokens that an evaluator for these conversations must hold (an upper bound).
Result<int> dialogue_context(const Model& model, std::span<const Conversation> conversations, int most);

}  // namespace fqlab
