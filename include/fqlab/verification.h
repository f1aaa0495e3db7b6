// What `fqlab verify` measured: really quantized files of one model against the original, on text of one's
// choice, and the first of them against each of the others on the same positions. Filled by study/, explained
// by report/. Intervals are 95 % unless named otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/quantization_plan.h"

namespace fqlab {

/// Times of one file against another; both were measured in the same blocks.
struct FileSpeed {
  SpeedResult load_ms, first_token_ms, prompt_tps, generation_tps;
  Verdict load = Verdict::kInconclusive, prompt = Verdict::kInconclusive, generation = Verdict::kInconclusive;
};

/// A quantized file, whatever the text.
struct VerifiedFile {
  ModelIdentity identity;
  std::string name;                      ///< of the file without folders; unique among the files
  double seconds = 0;                    ///< of its passes
  std::vector<DialogueResult> dialogue;  ///< empty: not measured
  std::optional<DialogueSummary> dialogue_summary;
  std::optional<FileSpeed> speed;        ///< against the original
  std::optional<FileSpeed> first_speed;  ///< the verified file against this one; absent for itself
};

/// One file against the original on one text.
struct FileOnText {
  PerplexityResult perplexity;
  KlResult kl;
  SameTopResult same_top;
  bool logits_identical = false;
  std::optional<double> design_effect;  ///< of the KL divergence
  Verdicts verdicts;                    ///< perplexity, kl, same_top and overall
  std::vector<ChunkResult> chunks;
};

/// How the verified file stands to another one. The KL divergence counts as lower or higher where the
/// interval of the difference excludes 0.
enum class Standing {
  kBetter,            ///< lower, at no more bytes
  kLowerButLarger,    ///< lower, at more bytes
  kNotTold,           ///< the positions cannot tell
  kHigherButSmaller,  ///< higher, at fewer bytes
  kWorse,             ///< higher, at no fewer bytes
};
/// "better", "lower_but_larger", "not_told", "higher_but_smaller", "worse".
std::string_view name(Standing standing);

/// The verified file against another one, on the same positions, both measured against the original.
struct PairOnText {
  size_t file = 0;                      ///< the other one, an index into Verification::files
  Estimate difference;                  ///< mean of KL(verified) - KL(other), nats
  Estimate ratio;                       ///< mean KL(verified) over mean KL(other); 1 where both are 0
  std::optional<double> design_effect;  ///< of the difference
  int chunks_lower = 0;                 ///< chunks on which the verified file has the lower mean KL
  int chunks = 0;
  Standing standing = Standing::kNotTold;
};

struct VerifiedText {
  std::string name;
  CorpusIdentity corpus;
  std::string cluster_kind;  ///< "chunk" or "document"
  int chunks = 0;
  int clusters = 0;
  uint64_t positions = 0;
  double perplexity = 0;  ///< of the original
  std::optional<Interval> perplexity_interval;
  std::optional<bool> planned_on;  ///< shares a document with the plan's text; absent: not known
  std::vector<FileOnText> files;   ///< parallel to Verification::files
  std::vector<PairOnText> against;
  std::vector<std::string> warnings;  ///< message keys: "planned_on", "few_clusters", "fewer_chunks"
};

struct VerificationSettings {
  int n_ctx = 512, n_batch = 256;
  int chunks = 64;  ///< asked for, of each text
  int threads = 2;
  uint64_t seed = 1;
  Margins margins;
};

struct Verification {
  std::string engine_version;
  std::vector<std::string> command;  ///< argv
  std::string created;               ///< ISO 8601, UTC
  ModelIdentity original;
  std::vector<VerifiedFile> files;  ///< the verified one first, then those beside it
  VerificationSettings settings;
  std::vector<VerifiedText> texts;
  std::string plan_path;
  std::optional<QuantizationPlan> plan;  ///< the curve of its figure; absent without --plan
  Environment environment;
  std::vector<Note> notes;            ///< "dialogue", "speed": why they were not measured
  std::vector<std::string> warnings;  ///< message keys: "plan_other_model", "busy_machine", ...
  int passes = 0;                     ///< evaluations of one chunk, checks included
  double original_seconds = 0;
  double total_seconds = 0;
};

}  // namespace fqlab
