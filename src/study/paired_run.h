// The paired passes of a comparison: over chunks outside, over arms inside; the logits of as many chunks are
// held as are evaluated at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "study/arms.h"
#include "study/chunk_passes.h"
#include "study/compare.h"
#include "study/corpus.h"
#include "study/summarize.h"

namespace fqlab {

/// One recipe, or the file given as the variant, through all its passes.
struct VariantRun {
  std::string label;
  std::optional<std::string> recipe;
  VariantChange change;
  size_t arm = 0;                  ///< index of its PatchableModel
  int cut = 0;                     ///< layer its passes and controls are replayed from; 0: the whole model
  std::optional<Model> own_model;  ///< native --variant FILE: V is the file itself
  std::optional<Evaluator> own;    ///< of own_model
  std::vector<ControlSpec> controls;
  PairedPass positions;
  std::vector<ControlPass> control_passes;
  std::vector<WorstPosition> worst;
  double seconds = 0;
  bool logits_identical = true;
};

/// Everything of a comparison that stays the same from chunk to chunk.
struct PairedRun {
  CompareRequest request;
  Arithmetic arithmetic = Arithmetic::kReference;
  std::optional<Gelu> gelu;  ///< as in ComparisonSettings
  std::vector<Chunk> chunks;
  ScoredRange scored;                  ///< of each chunk
  bool original_is_as_stored = false;  ///< O is C
  std::optional<Evaluator> as_stored;  ///< O; absent where it is C or not asked for
  std::vector<PatchableModel> arms;
  std::vector<VariantRun> variants;
  std::vector<PairedPass> storage;       ///< one an arm, C against O
  std::vector<double> original_seconds;  ///< one an arm
  int floor_chunks = 0;                  ///< the first of them are for the controls
  int stored_chunks = 0;                 ///< the first of them are for O
  int chunks_at_once = 1;                ///< each by its share of the threads
  int dialogue_ctx = 0;                  ///< tokens that an evaluator of the dialogue holds; 0: no dialogue

  CompareProgress progress;
  int passes_done = 0, passes_total = 0;

  void tell(const std::string& now) {
    if (progress) progress(passes_done, passes_total, now);
    ++passes_done;
  }
};

/// The layers that variants of an arm are replayed from, each once.
std::vector<int> cuts_of(const PairedRun& run, size_t arm);

/// Evaluates every pass and fills variants, storage and times. kCheck where an always-on check fails: C
/// evaluated again, before and after the work, must give the same bits and a divergence of exactly 0. A cut
/// at which C does not give its own bits is not used.
Result<void> run_chunks(PairedRun& run);

}  // namespace fqlab
