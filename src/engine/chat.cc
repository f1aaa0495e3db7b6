// Chat templates, rendered by llama.cpp's own jinja so that a prompt is what llama-completion would give the
// model.
#include <common/chat.h>

#include <exception>

#include "engine/model_state.h"
#include "fqlab/engine.h"

namespace fqlab {

Result<RenderedPrompt> Model::render_prompt(std::span<const ChatMessage> messages) const {
  if (messages.empty()) return fail(ErrorCode::kUsage, "a prompt needs at least one message");
  if (llama_model_chat_template(state_->model, nullptr) == nullptr)
    return RenderedPrompt{messages.back().content, false};
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
                std::string("the model's chat template cannot be rendered: ") + error.what(),
                state_->shown_name, "--no-dialogue leaves the dialogue out");
  }
}

}  // namespace fqlab
