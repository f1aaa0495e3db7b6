#include <fmt/format.h>
#include <llama.h>

#include <limits>

#include "engine/model_state.h"
#include "engine/runtime.h"
#include "engine/weight_image_state.h"
#include "fqlab/engine.h"

namespace fqlab {

Result<void> check_engine_alignment(const GgufFile& file) {
  constexpr uint64_t kEngineAlignment = 32;  // ggml aborts on mapped tensors that are not
  if (file.alignment() >= kEngineAlignment) return {};
  return fail(ErrorCode::kInput,
              fmt::format("the tensors are aligned to {} bytes, and the engine needs {}", file.alignment(),
                          kEngineAlignment),
              file.path().string() + ", general.alignment",
              "convert the model again with the usual alignment; fqlab inspect reads it as it is");
}

Result<Model> Model::load(const GgufFile& file) {
  if (Result<void> aligned = check_engine_alignment(file); !aligned) return tl::unexpected(aligned.error());
  return load_path(file.path().string(), file.path().string());
}

Result<Model> Model::load(const WeightImage& image) {
  return load_path(fmt::format("/proc/self/fd/{}", image.state_->descriptor), image.state_->shown_name);
}

Result<Model> Model::load_path(const std::string& path, const std::string& shown_name) {
  start_engine();
  clear_engine_messages();
  llama_model_params parameters = llama_model_default_params();
  parameters.n_gpu_layers = 0;
  parameters.load_mode = LLAMA_LOAD_MODE_MMAP;
  parameters.use_extra_bufts = false;  // repacked weights cannot be patched and change the logits
  auto state = std::make_shared<State>();
  state->shown_name = shown_name;
  state->model = llama_model_load_from_file(path.c_str(), parameters);
  if (state->model == nullptr)
    return fail(ErrorCode::kEngine, "llama.cpp cannot load the model" + engine_said(), shown_name,
                "see whether llama-cli of the same version loads the file");
  return Model(std::move(state));
}

int Model::vocabulary_size() const { return llama_vocab_n_tokens(state_->vocabulary()); }
int Model::layers() const { return llama_model_n_layer(state_->model); }
int Model::trained_context() const { return llama_model_n_ctx_train(state_->model); }

namespace {

Result<std::vector<int32_t>> tokens_of(const llama_vocab* vocabulary, std::string_view text,
                                       bool parse_special, const std::string& shown_name) {
  // No token is shorter than a byte; BOS, EOS and a blank in front besides.
  constexpr size_t kBesides = 3;
  if (text.size() > std::numeric_limits<int32_t>::max() - kBesides)
    return fail(ErrorCode::kInput, "the text is longer than 2 GiB, which the engine cannot tokenize at once",
                shown_name, "give a folder of shorter documents");
  std::vector<int32_t> tokens(text.size() + kBesides);
  const int count = llama_tokenize(vocabulary, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                   static_cast<int32_t>(tokens.size()), /*add_special=*/true, parse_special);
  if (count < 0) return fail(ErrorCode::kEngine, "the text cannot be tokenized" + engine_said(), shown_name);
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

}  // namespace

Result<std::vector<int32_t>> Model::tokenize(std::string_view text) const {
  return tokens_of(state_->vocabulary(), text, /*parse_special=*/false, state_->shown_name);
}

Result<std::vector<int32_t>> Model::tokenize_prompt(std::string_view text) const {
  return tokens_of(state_->vocabulary(), text, /*parse_special=*/true, state_->shown_name);
}

bool Model::ends_answer(int32_t token) const { return llama_vocab_is_eog(state_->vocabulary(), token); }

int32_t Model::chunk_bos() const {
  return llama_vocab_get_add_bos(state_->vocabulary()) ? llama_vocab_bos(state_->vocabulary()) : -1;
}

std::string Model::token_text(int32_t token) const {
  std::string text(64, '\0');
  int length = llama_token_to_piece(state_->vocabulary(), token, text.data(),
                                    static_cast<int32_t>(text.size()), 0, true);
  if (length < 0) {
    text.resize(static_cast<size_t>(-length));
    length = llama_token_to_piece(state_->vocabulary(), token, text.data(), static_cast<int32_t>(text.size()),
                                  0, true);
  }
  text.resize(static_cast<size_t>(length));
  return text;
}

}  // namespace fqlab
