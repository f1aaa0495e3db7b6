// The passes of a verification: over chunks outside, over files inside.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "study/chunk_passes.h"
#include "study/dialogue.h"
#include "study/verify.h"
#include "study/work_share.h"

namespace fqlab {

/// A file that is evaluated. Where not all files fit into memory it is loaded for each group of chunks anew.
struct FileRun {
  GgufFile file;
  std::string name;
  std::optional<Evaluator> evaluator;
  PairedPass positions;
  std::vector<bool> same_as_original;  ///< one a chunk: bitwise equal logits
  double seconds = 0;
};

struct VerifyRun {
  const VerifyRequest& request;
  WorkShare work;
  EvaluatorOptions options;
  ScoredRange scored;
  std::vector<FileRun> files;
  bool all_loaded = true;  ///< else one file at a time
  int chunks_at_once = 1;
  std::optional<Model> model;  ///< the original
  std::optional<Evaluator> original;
  std::vector<Chunk> chunks;
  int dialogue_ctx = 0;  ///< tokens that an evaluator of the dialogue holds; 0: no dialogue
  double original_seconds = 0;
};

/// Decides how much is loaded at once: all files and several chunks, one file at a time, one chunk. kSystem,
/// with the sizes, where even that is too much.
Result<void> plan_memory(VerifyRun& run, const GgufFile& original);

/// Evaluates every file on every chunk. kCheck where the original differs from itself, before or after.
Result<void> run_chunks(VerifyRun& run);

/// The original's greedy answers, then each file against them; one list a file. Planned before.
Result<std::vector<std::vector<DialogueResult>>> run_dialogues(VerifyRun& run,
                                                               std::span<const Conversation> conversations);

/// Announces the steps of the chunks.
void expect_passes(VerifyRun& run);

/// Announces the dialogue's, where one is asked for, and finds the context that its answers need; a prompt
/// that cannot be rendered is an error before anything is evaluated.
Result<void> plan_dialogues(VerifyRun& run, std::span<const Conversation> conversations);

/// A token that is generated alone takes as long as about this many of a prompt.
inline constexpr double kCostOfGenerated = 8;

}  // namespace fqlab
