// `fqlab compare`: one original against its variants, paired on the same text. See docs/decisions/0002 for
// the arms.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/recipe.h"
#include "fqlab/result.h"
#include "study/corpora.h"

namespace fqlab {

struct CompareRequest {
  std::filesystem::path model;
  std::vector<Recipe> recipes;  ///< each becomes a comparison; the original's passes are shared
  std::optional<std::filesystem::path> variant;  ///< instead of recipes: another file of the same model
  std::vector<CorpusSource> corpora;             ///< at least one; `chunks` counts each of them
  std::optional<Arithmetic> arithmetic;          ///< absent: reference where it fits into memory, else native
  Gelu gelu = Gelu::kExact;                      ///< in reference arithmetic; native is the engine's own
  int n_ctx = 512;
  int n_batch = 256;
  int chunks = 16;
  int threads = 2;
  uint64_t seed = 1;
  Margins margins;
  bool dialogue = true;
  std::optional<std::filesystem::path> prompts;  ///< absent: the three default prompts
  int predict = 64;                              ///< tokens an answer at the most
  int samples = 0;                               ///< answers drawn a turn besides the greedy one; 0: none
  double temperature = 1;                        ///< of the drawn answers
  std::optional<int> stored_chunks;              ///< for O; absent: as many as for the controls; 0: none
  int worst = 20;                                ///< positions with the largest KL divergence to list
  bool speed = true;
  int speed_blocks = 5;
  std::optional<std::filesystem::path> keep_variant;  ///< where the file made for the speed measurement stays
  std::vector<std::string> command;
};

/// Told before each pass: passes done, passes in all, and what runs now.
using CompareProgress = std::function<void(int done, int total, const std::string& now)>;

/// Measures. Errors: kUsage, kInput as the parts give them; kSystem where the model does not fit into memory
/// (with the sizes, before anything is loaded); kCheck where an always-on check fails: the numbers must not
/// be used.
Result<std::vector<Comparison>> compare(const CompareRequest& request, const CompareProgress& progress);

}  // namespace fqlab
