// Dialogue: what both models answer, greedily, to the same prompts.
#pragma once

#include <filesystem>
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

/// One conversation a line: plain text is a single user message; a line that starts with '[' or '{' is JSON: an array of
/// {"role", "content"}, or an object with such an array as "messages". Empty lines are skipped. Errors name the line.
Result<std::vector<Conversation>> read_conversations(const std::filesystem::path& path);

/// One turn as the models see it, and the original's answer. A later turn's context holds the given assistant message, or
/// the original's own answer where the conversation gives none: the variant sees the same, so that only weights differ.
struct Turn {
  std::string prompt;               ///< the user's message
  bool chat_template = false;
  std::vector<int32_t> context;     ///< tokens before the answer
  std::vector<int32_t> answer;      ///< the original's, greedy
};

/// The original's side of every turn. `most` tokens an answer at the most.
Result<std::vector<Turn>> answer_conversations(const Model& model, Evaluator& evaluator,
                                               std::span<const Conversation> conversations, int most);

/// The variant's side: its own greedy answers, and how often it would choose the original's next token.
Result<std::vector<DialogueResult>> compare_answers(const Model& model, Evaluator& variant, std::span<const Turn> turns, int most);

/// Tokens that an evaluator for these conversations must hold (an upper bound).
Result<int> dialogue_context(const Model& model, std::span<const Conversation> conversations, int most);

}  // namespace fqlab
