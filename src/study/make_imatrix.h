// An importance matrix of a model, from a text to a file.
#pragma once

#include <filesystem>
#include <functional>

#include "fqlab/activations.h"
#include "fqlab/comparison.h"

namespace fqlab {

struct ImatrixRequest {
  std::filesystem::path model;
  std::filesystem::path corpus;  ///< a text file or a folder of .txt documents
  std::filesystem::path output;
  bool overwrite = false;
  int chunks = 100;  ///< fewer where the text ends
  Arithmetic arithmetic = Arithmetic::kNative;
  ActivationOptions activations;
};

struct ImatrixOutcome {
  size_t entries = 0;
  size_t chunks = 0;
  uint64_t file_bytes = 0;
  bool tied_embedding = false;  ///< it has an entry for token_embd.weight
  uint64_t unseen_experts = 0;  ///< matrices of experts that no token chose
};

/// Loads the model, cuts the text as the other commands do, and writes the file; its metadata name the text
/// (last part of its path), the model's and the text's sha256 and fqlab's version. What cannot be written is
/// refused before the work. Calls the engine: run it supervised.
Result<ImatrixOutcome> make_imatrix(const ImatrixRequest& request,
                                    const std::function<void(size_t done, size_t all)>& progress);

}  // namespace fqlab
