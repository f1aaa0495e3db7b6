#include "study/dialogue.h"
#include "base/read_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace fqlab {
namespace {

using nlohmann::json;

Result<Conversation> parse_line(const std::string& line, const std::string& where) {
  if (line.front() != '[' && line.front() != '{') return Conversation{{"user", line}};
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorCode::kInput, what, where,
                R"(write [{"role": "user", "content": "..."}, ...] on one line, or plain text)");
  };
  const json parsed = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return refuse("the line is not valid JSON");
  const json& messages = parsed.is_object() && parsed.contains("messages") ? parsed["messages"] : parsed;
  if (!messages.is_array() || messages.empty()) return refuse("the line holds no messages");
  Conversation conversation;
  for (const json& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content") ||
        !message["role"].is_string() || !message["content"].is_string())
      return refuse("a message needs a role and a content, both texts");
    const std::string role = message["role"];
    if (role != "system" && role != "user" && role != "assistant")
      return refuse(fmt::format("unknown role '{}'", role));
    conversation.push_back({role, message["content"]});
  }
  if (std::none_of(conversation.begin(), conversation.end(),
                   [](const ChatMessage& m) { return m.role == "user"; }))
    return refuse("a conversation needs a user message");
  return conversation;
}

struct PromptTokens {
  std::vector<int32_t> tokens;
  bool chat_template = false;
};

/// What the model reads before it answers the last message.
Result<PromptTokens> tokens_of(const Model& model, const Conversation& context) {
  Result<RenderedPrompt> rendered = model.render_prompt(context);
  if (!rendered) return tl::unexpected(rendered.error());
  Result<std::vector<int32_t>> tokens = model.tokenize_prompt(rendered->text);
  if (!tokens) return tl::unexpected(tokens.error());
  return PromptTokens{std::move(*tokens), rendered->chat_template};
}

/// Calls answer(question, prompt) for every question of a user, in the context of what was said before; the
/// text that it returns is the model's answer to it where the conversation gives none.
template <class Answer>
Result<void> answer_each(const Model& model, const Conversation& conversation, const Answer& answer) {
  Conversation context;
  for (size_t i = 0; i < conversation.size(); ++i) {
    context.push_back(conversation[i]);
    if (conversation[i].role != "user") continue;
    Result<PromptTokens> prompt = tokens_of(model, context);
    if (!prompt) return tl::unexpected(prompt.error());
    Result<std::string> text = answer(conversation[i], *prompt);
    if (!text) return tl::unexpected(text.error());
    const bool given = i + 1 < conversation.size() && conversation[i + 1].role == "assistant";
    if (!given) context.push_back({"assistant", std::move(*text)});
  }
  return {};
}

}  // namespace

std::string text_of(const Model& model, std::span<const int32_t> tokens) {
  std::string text;
  for (int32_t token : tokens) text += model.token_text(token);
  return text;
}

std::vector<Conversation> default_conversations() {
  std::vector<Conversation> conversations;
  for (const char* prompt :
       {"What is 2+2?", "Hello, can you introduce yourself?", "Write a short story about a robot."})
    conversations.push_back({{"user", prompt}});
  return conversations;
}

Result<std::vector<Conversation>> read_conversations(const std::filesystem::path& path) {
  const Result<std::string> text = read_text_file(path);
  if (!text) return tl::unexpected(text.error());
  std::istringstream lines(*text);
  std::vector<Conversation> conversations;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    Result<Conversation> conversation = parse_line(line, fmt::format("{}, line {}", path.string(), number));
    if (!conversation) return tl::unexpected(conversation.error());
    conversations.push_back(std::move(*conversation));
  }
  if (conversations.empty())
    return fail(ErrorCode::kInput, "the file holds no prompt", path.string(), "write one prompt a line");
  return conversations;
}

Result<std::vector<Conversation>> conversations_of(const std::optional<std::filesystem::path>& prompts) {
  if (prompts) return read_conversations(*prompts);
  return default_conversations();
}

Result<int> dialogue_context(const Model& model, std::span<const Conversation> conversations, int most) {
  int needed = 0;
  for (const Conversation& conversation : conversations) {
    int answers = 0;
    const Result<void> rendered = answer_each(
        model, conversation, [&](const ChatMessage&, const PromptTokens& prompt) -> Result<std::string> {
          ++answers;  // 16 covers a template's own tokens around one
          needed = std::max(needed, static_cast<int>(prompt.tokens.size()) + answers * (most + 16));
          return "...";
        });
    if (!rendered) return tl::unexpected(rendered.error());
  }
  constexpr int kStep = 256;  // llama.cpp pads the context to this
  return (needed + kStep - 1) / kStep * kStep;
}

Result<std::vector<Turn>> answer_conversations(const Model& model, Evaluator& evaluator,
                                               std::span<const Conversation> conversations, int most) {
  std::vector<Turn> turns;
  int number = -1;
  for (const Conversation& conversation : conversations) {
    ++number;
    const Result<void> answered = answer_each(
        model, conversation, [&](const ChatMessage& question, PromptTokens& prompt) -> Result<std::string> {
          Result<std::vector<int32_t>> answer = evaluator.generate(prompt.tokens, most);
          if (!answer) return tl::unexpected(answer.error());
          std::string text = text_of(model, *answer);
          turns.push_back(
              {number, question.content, prompt.chat_template, std::move(prompt.tokens), std::move(*answer)});
          return text;
        });
    if (!answered) return tl::unexpected(answered.error());
  }
  return turns;
}

}  // namespace fqlab
