// Text that a model writes itself, drawn from its own probabilities: it needs no data, and covers what the
// model knows more widely than most single texts (docs/decisions/0018).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "fqlab/result.h"

namespace fqlab {

struct GenerateRequest {
  std::filesystem::path model;
  std::filesystem::path output;  ///< the new folder: one .txt a document
  int documents = 16;
  int tokens = 288;        ///< a document has at least as many when it is read again
  double temperature = 1;  ///< 1: the model's own probabilities
  uint64_t seed = 1;
  int threads = 1;  ///< documents written at the same time; the texts do not depend on it
};

/// Writes the folder once all documents are there, and returns their bytes. The same model, seed and
/// temperature give the same texts on one kind of processor. Errors: kUsage where `output` exists; kSystem
/// where memory does not suffice or the folder cannot be written; kEngine where the model cannot write: it
/// ends its text at once, again and again. Calls the engine: run it supervised.
Result<uint64_t> generate_text(const GenerateRequest& request,
                               const std::function<void(size_t done, size_t all)>& progress);

}  // namespace fqlab
