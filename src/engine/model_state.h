// What a Model holds; shared between the model and its evaluators.
#pragma once

#include <llama.h>

#include <string>

#include "fqlab/engine.h"

namespace fqlab {

struct Model::State {
  llama_model* model = nullptr;
  std::string shown_name;
  ~State() { llama_model_free(model); }
  const llama_vocab* vocabulary() const { return llama_model_get_vocab(model); }
};

/// kInput where the engine would abort on the file's mapped tensors.
Result<void> check_engine_alignment(const GgufFile& file);

}  // namespace fqlab
