// Chat templates, rendered by llama.cpp's own jinja so that a prompt is what llama-completion would give the
// model.
#include <common/chat.h>
#include <common/log.h>

#include <exception>
#include <mutex>

#include "engine/model_state.h"
#include "fqlab/engine.h"

namespace fqlab {
namespace {

/// The chat templates have a log of their own, which prints.
void silence_templates() {
  static std::once_flag once;
  std::call_once(once, [] { common_log_pause(common_log_main()); });
}

/// llama.cpp throws the cause away when it cannot read a template; its parser says it again.
std::string cause_of(const char* source, const std::exception& error) {
  try {
    common_chat_template(source, "", "");
  } catch (const std::exception& cause) {
    return cause.what();
  }
  return error.what();
}

}  // namespace

Result<RenderedPrompt> Model::render_prompt(std::span<const ChatMessage> messages) const {
  if (messages.empty()) return fail(ErrorCode::kUsage, "a prompt needs at least one message");
  const char* source = llama_model_chat_template(state_->model, nullptr);
  if (source == nullptr || *source == '\0') return RenderedPrompt{messages.back().content, false};
  silence_templates();
  try {
    const common_chat_templates_ptr templates = common_chat_templates_init(state_->model, "");
    common_chat_templates_inputs inputs;
    for (const ChatMessage& message : messages) {
      common_chat_msg rendered;
      rendered.role = message.role;
      rendered.content = message.content;
      inputs.messages.push_back(std::move(rendered));
    }
    return RenderedPrompt{common_chat_templates_apply(templates.get(), inputs).prompt, true};
  } catch (const std::exception& error) {
    return fail(ErrorCode::kEngine,
                "the model's chat template cannot be rendered: " + cause_of(source, error),
                state_->shown_name, "--no-dialogue leaves the dialogue out");
  }
}

}  // namespace fqlab
