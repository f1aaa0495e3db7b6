// What `fqlab compare` measured: one original against one variant. Filled by study/, explained by report/.
// Absent values are nullopt and have a Note that says why; intervals are 95 % unless named otherwise.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/judgement.h"
#include "fqlab/kld_table.h"
#include "fqlab/significance.h"
#include "fqlab/stats.h"

namespace fqlab {

/// Why a value of the report does not exist. `key` is its path in report.json, `reason` a message key of the
/// catalogue
/// ("not_measured_yet", "nothing_changed", "one_cluster", ...), so that it can be said in every language.
struct Note {
  std::string key;
  std::string reason;
  std::string detail;  ///< the message of what failed (reason "failed"), in English; else empty
};

/// A measured number with its interval.
struct Estimate {
  double value = 0;
  std::optional<Interval> interval;
};

struct ModelIdentity {
  std::string path;
  std::string sha256;
  std::string architecture;
  uint64_t parameters = 0;
  uint64_t bytes = 0;
  int layers = 0;  ///< transformer blocks; 0: unknown. Lets the report propose other layers
  std::vector<std::string>
      kinds;  ///< of the tensors in layers, sorted; empty: unknown. Lets it propose other kinds
};

struct CorpusIdentity {
  std::string path;
  std::string sha256;
  uint64_t bytes = 0;
  uint64_t documents = 0;  ///< files of the folder; 1 for a single file
};

enum class Arithmetic { kReference, kNative };

/// How reference arithmetic computes GELU (docs/decisions/0010) and attention scores (0015).
enum class Gelu {
  kExact,   ///< in full precision; scores by the engine's fast kernel
  kEngine,  ///< through the engine's table of 16-bit floats; scores by the kernel of the stored file
};

struct ComparisonSettings {
  Arithmetic arithmetic = Arithmetic::kReference;
  std::optional<Gelu> gelu;  ///< absent in native arithmetic, and kExact where the model has none
  int n_ctx = 512;
  int n_batch = 256;
  int chunks = 16;
  uint64_t scored_positions = 0;
  int threads = 2;
  uint64_t seed = 1;
  int replay_from = 0;  ///< the layer that the variant's passes start from; 0: the whole model
  CorpusIdentity corpus;
  Margins margins;
};

struct TensorReport {
  std::string name;
  std::string kind;
  std::optional<int> layer;
  std::string from;       ///< the source's type, "q4_1"
  std::string format;     ///< canonical format spec; for --variant FILE the variant's type
  std::string stored_as;  ///< "f32"
  uint64_t values = 0;
  uint64_t changed = 0;
  std::optional<uint64_t> saturated;  ///< absent where it is not known: ggml's types, and files
  uint64_t flushed_to_zero = 0;
  double relative_mse = 0;
  std::optional<double> snr_db;  ///< absent where nothing changed
  double max_abs_error = 0;
};

/// One control run: V's tensors with another change instead of the recipe, against C.
struct ControlRun {
  std::string kind;    ///< "noise_floor" or "matched"
  std::string change;  ///< "ulp" (one float32 unit in the last place), "2^-23", "2^-18", "2^-13", "matched"
  uint64_t seed = 0;
  double kl_mean = 0;
  double same_top = 0;  ///< fraction
  int chunks = 0;
};

struct PerplexityResult {
  double original = 0;  ///< arm C
  double variant = 0;   ///< arm V
  double difference = 0;
  double log_ratio = 0;  ///< ln(PPL_V / PPL_C), paired
  std::optional<Interval> log_ratio_interval, log_ratio_interval90;
  std::optional<Interval> original_interval, variant_interval;
  double original_seconds = 0, variant_seconds = 0;
  std::optional<double> design_effect{};  ///< of the log ratio
};

/// How the positions' KL divergences are spread, for the figure: counts of quarter decades of nats.
struct KlHistogram {
  double first_log10 =
      -16;  ///< lower edge of counts[0]; smaller values go there too, larger ones into the last
  double decades_per_bin = 0.25;
  std::vector<uint64_t> counts;
  uint64_t zeros = 0;  ///< positions with exactly 0
};

/// Mean KL divergence of the scored positions first..last (in tokens from the chunk's start), for the figure.
struct PositionBin {
  int first = 0, last = 0;
  double kl_mean = 0;  ///< nats
  std::optional<Interval> interval;
};

struct KlResult {
  double mean = 0;  ///< nats
  std::optional<Interval> interval, interval90;
  double median = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0, max = 0;
  std::optional<bool> resolved;  ///< can the effect be told from round-off? absent for an identical pair
  std::optional<Estimate> noise_floor;
  std::vector<ControlRun> controls;
  std::optional<Estimate> matched_control;
  std::optional<KlHistogram> histogram;  ///< for the figure; the report does without
  std::vector<PositionBin> by_position;  ///< for the figure; may be empty
};

struct SameTopResult {
  double fraction = 1;
  std::optional<Interval> interval, interval90;
  std::optional<double> noise_floor;  ///< fraction under the floor's controls
  std::optional<double>
      design_effect{};     ///< absent where all positions agree, none does, or there is one cluster
  double effective_n = 0;  ///< positions that count as independent, never above their number
};

/// One chunk of the paired comparison, for plots and CSV.
struct ChunkResult {
  int chunk = 0;
  int cluster = 0;
  uint64_t positions = 0;
  double nll_original = 0;  ///< mean, nats
  double nll_variant = 0;
  double kl_mean = 0;
  double same_top = 0;   ///< fraction
  std::string corpus{};  ///< its name; empty where there is one
};

/// One prompt answered by both models (filled when dialogue is measured).
struct DialogueResult {
  std::string prompt;
  std::string original;
  std::string variant;
  bool identical = false;
  std::optional<int> first_divergent_token;  ///< index from 0; the printed report counts from 1
  std::optional<double>
      teacher_forced_agreement;     ///< fraction of the original's tokens that the variant would choose too
  bool chat_template = false;       ///< rendered with the model's own template; false: raw prompt
  int conversation = 0;             ///< its turns share a number
  uint64_t tokens = 0;              ///< of the original's answer
  std::optional<double> kl_mean{};  ///< nats a token, both models led along the original's answer
  std::optional<SampledTurn> sampled{};
};

/// The ratio of one block of a speed run, variant / original, or the original against a second load of itself
/// (aa).
struct SpeedBlockRatio {
  bool aa = false;
  double ratio = 1;
};

/// Times of two files as stored, the variant against the original.
struct SpeedResult {
  double original = 0, variant = 0;              ///< medians
  double ratio = 1;                              ///< variant / original, from the blocks' log ratios
  std::optional<Interval> interval, interval90;  ///< of the ratio, by bootstrap over blocks
  std::optional<Interval> aa_interval,
      aa_interval90;                    ///< the same of the original against a second load of itself
  std::vector<SpeedBlockRatio> blocks;  ///< in the order of measurement, outliers included
};

struct Environment {
  std::string cpu;
  std::string isa;
  int threads = 0;  ///< hardware threads
  uint64_t memory_bytes = 0;
  std::string os;
  std::string compiler;
};

struct Verdicts {
  Verdict weights = Verdict::kInconclusive;  ///< kVacuous, kIdentical or kDifferent
  Verdict perplexity = Verdict::kInconclusive;
  Verdict kl = Verdict::kInconclusive;
  Verdict same_top = Verdict::kInconclusive;
  std::optional<Verdict> dialogue, load, prompt, generation;
  Verdict overall = Verdict::kInconclusive;  ///< vacuous > identical > different > inconclusive > equivalent
};

/// The file as stored (O), and C against it, on the first `chunks` chunks.
struct StorageEffect {
  int chunks = 0;
  double perplexity = 0;  ///< of O
  Estimate kl;            ///< nats
  Estimate log_ratio;     ///< ln(PPL_C / PPL_O)
};

struct Comparison {
  std::string fqlab_version;  ///< of the program that measured
  std::string engine_version;
  std::vector<std::string> command;  ///< argv
  std::string created;               ///< ISO 8601, UTC
  ModelIdentity original;
  std::optional<std::string> recipe;          ///< canonical; absent with --variant FILE
  std::optional<ModelIdentity> variant_file;  ///< with --variant FILE
  ComparisonSettings settings;

  uint64_t values_total = 0;  ///< of the tensors named by the recipe (or that differ)
  uint64_t values_changed = 0;
  bool vacuous = false;           ///< a recipe changed 0 values
  bool logits_identical = false;  ///< every logit of C and V bitwise equal
  std::vector<TensorReport> tensors;

  std::optional<StorageEffect> storage;  ///< absent where it was switched off
  PerplexityResult perplexity;
  KlResult kl;
  SameTopResult same_top;
  std::string cluster_kind;  ///< "chunk" or "document"
  int clusters = 0;
  std::optional<double> design_effect;  ///< of the KL divergence
  std::vector<ChunkResult> chunks;
  Power power;                                  ///< for the verdicts that are inconclusive
  McNemar right_wrong;                          ///< the target as top token, original against variant
  KldTable kld_table;                           ///< as llama-perplexity counts it: all positions pooled
  std::vector<TokenClassResult> token_classes;  ///< those that occur; empty: not measured
  std::vector<WorstPosition> worst;             ///< largest KL divergence first, none with 0
  std::vector<CorpusResult> corpora;  ///< empty where there is one; the numbers above are then macro-averaged
  std::vector<DialogueResult> dialogue;  ///< empty: not measured
  std::optional<DialogueSummary> dialogue_summary;
  std::optional<SpeedResult> load_ms, first_token_ms, cold_load_ms, prompt_tps, generation_tps;
  Verdicts verdicts;
  Environment environment;
  std::vector<Note> notes;
  std::vector<std::string> warnings;  ///< message keys: "few_clusters", "native_memory", ...
  int passes = 0;  ///< evaluations of one chunk, controls and checks included, all comparisons of the run
  double total_seconds = 0;  ///< of the run, set-up included
};

}  // namespace fqlab
