#include "study/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "base/hash.h"
#include "base/system.h"
#include "study/arms.h"
#include "study/corpus.h"
#include "study/summarize.h"

namespace fqlab {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// One recipe, or the file given as the variant, through all its passes.
struct VariantRun {
  std::string label;
  std::optional<std::string> recipe;
  VariantChange change;
  size_t arm = 0;                        ///< index of its PatchableModel
  std::optional<Evaluator> own;          ///< native --variant FILE: V is the file itself
  std::vector<ControlSpec> controls;
  PairedPass positions;
  std::vector<ControlPass> control_passes;
  double seconds = 0;
  bool logits_identical = true;
};

/// Everything of a comparison that stays the same from chunk to chunk.
struct Run {
  CompareRequest request;
  Arithmetic arithmetic = Arithmetic::kReference;
  std::vector<Chunk> chunks;
  int first = 0, count = 0;              ///< scored positions of a chunk
  std::optional<Evaluator> as_stored;    ///< O; absent where O is C
  std::vector<PatchableModel> arms;
  std::vector<VariantRun> variants;
  std::vector<PairedPass> storage;       ///< one an arm, C against O
  std::vector<double> original_seconds;  ///< one an arm
  int floor_chunks = 0;

  CompareProgress progress;
  int passes_done = 0, passes_total = 0;

  void tell(const std::string& now) {
    if (progress) progress(passes_done, passes_total, now);
    ++passes_done;
  }
};

std::vector<int32_t> targets_of(const Run& run, const Chunk& chunk) {
  const auto begin = chunk.tokens.begin() + run.first + 1;
  return {begin, begin + run.count};
}

Result<std::span<const float>> logits_of(Run& run, Evaluator& evaluator, const Chunk& chunk, const std::string& label) {
  run.tell(label);
  return evaluator.logits(chunk.tokens, run.first, run.count);
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

void append(PairedPass& pass, std::vector<PairedPosition>&& positions) {
  pass.insert(pass.end(), positions.begin(), positions.end());
}

/// C's logits of a chunk, kept while V and the controls overwrite the evaluator's.
struct OriginalLogits {
  std::vector<float> logits;
  std::vector<PositionScore> scores;
};

/// The check that always runs: C evaluated again gives the same bits and a divergence of exactly 0.
Result<void> check_repeats(Run& run, size_t arm, const OriginalLogits& original, const char* when) {
  Result<std::span<const float>> again = logits_of(run, run.arms[arm].evaluator(), run.chunks[0], fmt::format("check {}", when));
  if (!again) return tl::unexpected(again.error());
  const std::vector<int32_t> targets = targets_of(run, run.chunks[0]);
  bool zero = same_bits(original.logits, *again);
  for (const PairedPosition& p : compare_positions(original.logits, original.scores, *again, targets, run.request.threads))
    zero = zero && p.kl_nats == 0;
  if (zero) return {};
  return fail(ErrorCode::kCheck, fmt::format("the original differs from itself {}", when), run.request.model.string(),
              "the numbers of this run must not be used; try --threads 1 and report the model");
}

Result<void> run_variant(Run& run, VariantRun& variant, size_t c, const OriginalLogits& original) {
  PatchableModel& arm = run.arms[variant.arm];
  const Chunk& chunk = run.chunks[c];
  const std::vector<int32_t> targets = targets_of(run, chunk);
  const auto compared = [&](std::span<const float> logits) {
    return compare_positions(original.logits, original.scores, logits, targets, run.request.threads);
  };
  // Where no weight differs the logits cannot: one chunk is evaluated as proof, the others are known.
  const bool evaluate = variant.change.values_changed() > 0 || variant.own || c == 0;
  if (!evaluate) {
    append(variant.positions, compared(original.logits));
    return {};
  }
  const Stopwatch stopwatch;
  if (!variant.own) arm.write_variant(variant.change);
  Result<std::span<const float>> logits = logits_of(run, variant.own ? *variant.own : arm.evaluator(), chunk, variant.label);
  if (!logits) return tl::unexpected(logits.error());
  variant.logits_identical = variant.logits_identical && same_bits(original.logits, *logits);
  append(variant.positions, compared(*logits));
  variant.seconds += stopwatch.seconds();
  if (c < static_cast<size_t>(run.floor_chunks)) {
    for (size_t k = 0; k < variant.controls.size(); ++k) {
      arm.write_control(variant.change, variant.controls[k]);
      Result<std::span<const float>> noise =
          logits_of(run, arm.evaluator(), chunk, fmt::format("{}, control {}", variant.label, variant.controls[k].change));
      if (!noise) return tl::unexpected(noise.error());
      append(variant.control_passes[k].positions, compared(*noise));
    }
  }
  if (arm.can_write(variant.change)) arm.restore(variant.change);
  return {};
}

Result<void> run_chunks(Run& run) {
  std::vector<OriginalLogits> first_chunk(run.arms.size());
  for (size_t c = 0; c < run.chunks.size(); ++c) {
    const Chunk& chunk = run.chunks[c];
    const std::vector<int32_t> targets = targets_of(run, chunk);
    std::span<const float> stored;
    std::vector<PositionScore> stored_scores;
    if (run.as_stored) {
      Result<std::span<const float>> logits = logits_of(run, *run.as_stored, chunk, "original as stored");
      if (!logits) return tl::unexpected(logits.error());
      stored = *logits;
      stored_scores = score_positions(stored, targets, run.request.threads);
    }
    for (size_t a = 0; a < run.arms.size(); ++a) {
      const Stopwatch stopwatch;
      Result<std::span<const float>> logits = logits_of(run, run.arms[a].evaluator(), chunk, "original");
      if (!logits) return tl::unexpected(logits.error());
      OriginalLogits original;
      original.logits.assign(logits->begin(), logits->end());
      original.scores = score_positions(original.logits, targets, run.request.threads);
      run.original_seconds[a] += stopwatch.seconds();
      if (run.as_stored)
        append(run.storage[a], compare_positions(stored, stored_scores, original.logits, targets, run.request.threads));
      if (c == 0) {
        if (Result<void> same = check_repeats(run, a, original, "before the work"); !same) return same;
      }
      for (VariantRun& variant : run.variants) {
        if (variant.arm != a) continue;
        if (Result<void> done = run_variant(run, variant, c, original); !done) return done;
      }
      if (c == 0) first_chunk[a] = std::move(original);
    }
  }
  for (size_t a = 0; a < run.arms.size(); ++a)
    if (Result<void> same = check_repeats(run, a, first_chunk[a], "after the work"); !same) return same;
  return {};
}

/// The variants of a request, fake-quantized; nothing is loaded yet.
Result<std::vector<VariantRun>> make_variants(const CompareRequest& request, const GgufFile& file) {
  std::vector<VariantRun> variants;
  for (const Recipe& recipe : request.recipes) {
    Result<VariantChange> change = change_by_recipe(file, recipe, request.threads);
    if (!change) return tl::unexpected(change.error());
    variants.emplace_back();
    variants.back().label = recipe.print();
    variants.back().recipe = recipe.print();
    variants.back().change = std::move(*change);
  }
  if (request.variant) {
    Result<GgufFile> other = GgufFile::open(*request.variant);
    if (!other) return tl::unexpected(other.error());
    Result<VariantChange> change = change_by_file(file, *other);
    if (!change) return tl::unexpected(change.error());
    variants.emplace_back();
    variants.back().label = request.variant->filename().string();
    variants.back().change = std::move(*change);
  }
  return variants;
}

/// Which tensors each variant's arm expands; equal sets share an arm.
std::vector<ExpandedTensors> plan_arms(const GgufFile& file, const CompareRequest& request, Arithmetic arithmetic,
                                       std::vector<VariantRun>& variants) {
  std::vector<ExpandedTensors> arms;
  for (VariantRun& variant : variants) {
    std::vector<std::string> changed;
    if (!request.variant)  // a native --variant FILE runs as it is stored, against the original as stored
      for (const ChangedTensor& tensor : variant.change.tensors) changed.push_back(tensor.source.name);
    ExpandedTensors expanded = tensors_to_expand(file, arithmetic, changed);
    const auto found = std::find(arms.begin(), arms.end(), expanded);
    variant.arm = static_cast<size_t>(found - arms.begin());
    if (found == arms.end()) arms.push_back(std::move(expanded));
  }
  return arms;
}

Result<std::vector<ExpandedTensors>> plan_within_memory(const GgufFile& file, Run& run, const EvaluatorOptions& options,
                                                        bool& fell_back) {
  uint64_t changed_values = 0;
  for (const VariantRun& variant : run.variants) changed_values += variant.change.values_total();
  run.arithmetic = run.request.arithmetic.value_or(Arithmetic::kReference);
  std::vector<ExpandedTensors> arms = plan_arms(file, run.request, run.arithmetic, run.variants);
  Result<void> fits = check_memory(file, arms, changed_values, options);
  if (!fits && !run.request.arithmetic) {
    run.arithmetic = Arithmetic::kNative;
    arms = plan_arms(file, run.request, run.arithmetic, run.variants);
    fits = check_memory(file, arms, changed_values, options);
    fell_back = true;
  }
  if (!fits) return tl::unexpected(fits.error());
  return arms;
}

void plan_controls(Run& run) {
  const int chunks = static_cast<int>(run.chunks.size());
  run.floor_chunks = std::min(chunks, std::max(4, chunks / 4));
  run.passes_total = (chunks + 2) * static_cast<int>(run.arms.size()) + (run.as_stored ? chunks : 0);
  for (VariantRun& variant : run.variants) {
    const bool changed = variant.change.values_changed() > 0;
    if (changed && run.arms[variant.arm].can_write(variant.change))
      variant.controls = controls_for(run.arithmetic, run.request.seed);
    for (const ControlSpec& control : variant.controls) variant.control_passes.push_back({control.kind, control.change, control.seed, {}});
    run.passes_total += (changed || variant.own ? chunks : 1) + run.floor_chunks * static_cast<int>(variant.controls.size());
  }
}

Result<void> load_arms(Run& run, const GgufFile& file, std::span<const ExpandedTensors> expanded, const EvaluatorOptions& options) {
  bool stored_is_an_arm = false;
  for (const ExpandedTensors& tensors : expanded) {
    Result<PatchableModel> arm = PatchableModel::create(file, tensors, options);
    if (!arm) return tl::unexpected(arm.error());
    run.arms.push_back(std::move(*arm));
    stored_is_an_arm = stored_is_an_arm || (tensors.empty() && expanded.size() == 1);
  }
  if (!stored_is_an_arm) {
    Result<Model> model = Model::load(file);
    if (!model) return tl::unexpected(model.error());
    Result<Evaluator> evaluator = Evaluator::create(*model, options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    run.as_stored = std::move(*evaluator);
  }
  if (run.request.variant && run.arithmetic == Arithmetic::kNative) {
    Result<GgufFile> other = GgufFile::open(*run.request.variant);
    if (!other) return tl::unexpected(other.error());
    Result<Model> model = Model::load(*other);
    if (!model) return tl::unexpected(model.error());
    Result<Evaluator> evaluator = Evaluator::create(*model, options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    run.variants.back().own = std::move(*evaluator);
  }
  run.storage.resize(run.arms.size());
  run.original_seconds.resize(run.arms.size());
  return {};
}

Result<ModelIdentity> identify(const GgufFile& file) {
  Result<std::string> hash = sha256_of_file(file.path());
  if (!hash) return tl::unexpected(hash.error());
  ModelIdentity identity{.path = file.path().string(), .sha256 = *hash, .architecture = file.architecture(), .bytes = file.file_bytes()};
  identity.layers = static_cast<int>(file.metadata_uint(file.architecture() + ".block_count").value_or(0));
  for (const TensorInfo& tensor : file.tensors()) identity.parameters += tensor.values();
  return identity;
}

Environment environment() {
  return {cpu_name(), cpu_isa(), hardware_threads(), memory_total_bytes(), operating_system(), compiler()};
}

Comparison describe(const Run& run, const VariantRun& variant, const std::vector<int>& clusters) {
  Comparison c;
  c.engine_version = engine_version();
  c.command = run.request.command;
  c.created = utc_now();
  c.recipe = variant.recipe;
  c.settings.arithmetic = run.arithmetic;
  c.settings.n_ctx = run.request.n_ctx;
  c.settings.n_batch = run.request.n_batch;
  c.settings.chunks = static_cast<int>(run.chunks.size());
  c.settings.scored_positions = run.chunks.size() * static_cast<size_t>(run.count);
  c.settings.threads = run.request.threads;
  c.settings.seed = run.request.seed;
  c.settings.margins = run.request.margins;
  c.values_total = variant.change.values_total();
  c.values_changed = variant.change.values_changed();
  c.vacuous = variant.recipe && c.values_changed == 0;
  c.logits_identical = variant.logits_identical;
  c.tensors = variant.change.reports;
  c.perplexity.original_seconds = run.original_seconds[variant.arm];
  c.perplexity.variant_seconds = variant.seconds;
  c.environment = environment();
  const ComparisonPasses passes{clusters, static_cast<size_t>(run.count), &variant.positions, variant.control_passes,
                                run.as_stored ? &run.storage[variant.arm] : nullptr};
  summarize(passes, c);
  return c;
}

Result<void> check_settings(const CompareRequest& request) {
  const auto refuse = [](std::string what, std::string where) { return fail(ErrorCode::kUsage, std::move(what), std::move(where)); };
  if (request.recipes.empty() == !request.variant)
    return refuse("give either --recipe (once or more often) or --variant", "--recipe, --variant");
  if (request.n_ctx < 8) return refuse(fmt::format("{} tokens are too few for a chunk; 8 are the least", request.n_ctx), "--ctx");
  if (request.n_batch < 1) return refuse("a batch needs at least one token", "--batch");
  if (request.chunks < 1) return refuse("at least one chunk is needed", "--chunks");
  if (request.threads < 1) return refuse("at least one thread is needed", "--threads");
  return {};
}

}  // namespace

Result<std::vector<Comparison>> compare(const CompareRequest& request, const CompareProgress& progress) {
  const Stopwatch stopwatch;
  if (Result<void> sound = check_settings(request); !sound) return tl::unexpected(sound.error());
  Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  Result<Corpus> corpus = read_corpus(request.corpus);
  if (!corpus) return tl::unexpected(corpus.error());

  Run run;
  run.request = request;
  run.progress = progress;
  run.first = request.n_ctx / 2;  // llama-perplexity's rule: the second half, but the last position
  run.count = request.n_ctx - 1 - run.first;
  Result<std::vector<VariantRun>> variants = make_variants(request, *file);
  if (!variants) return tl::unexpected(variants.error());
  run.variants = std::move(*variants);

  const EvaluatorOptions options{request.n_ctx, request.n_batch, request.threads};
  bool fell_back = false;
  Result<std::vector<ExpandedTensors>> expanded = plan_within_memory(*file, run, options, fell_back);
  if (!expanded) return tl::unexpected(expanded.error());
  if (Result<void> loaded = load_arms(run, *file, *expanded, options); !loaded) return tl::unexpected(loaded.error());
  Result<std::vector<Chunk>> chunks = cut_chunks(*corpus, run.arms[0].model(), request.n_ctx, request.chunks);
  if (!chunks) return tl::unexpected(chunks.error());
  run.chunks = std::move(*chunks);
  plan_controls(run);
  if (Result<void> done = run_chunks(run); !done) return tl::unexpected(done.error());

  Result<ModelIdentity> original = identify(*file);
  if (!original) return tl::unexpected(original.error());
  std::optional<ModelIdentity> variant_file;
  if (request.variant) {
    Result<GgufFile> other = GgufFile::open(*request.variant);
    if (!other) return tl::unexpected(other.error());
    Result<ModelIdentity> identity = identify(*other);
    if (!identity) return tl::unexpected(identity.error());
    variant_file = std::move(*identity);
  }
  std::vector<int> clusters;
  for (const Chunk& chunk : run.chunks) clusters.push_back(chunk.cluster);
  std::vector<Comparison> comparisons;
  for (const VariantRun& variant : run.variants) {
    Comparison c = describe(run, variant, clusters);
    c.original = *original;
    c.variant_file = variant_file;
    c.settings.corpus = corpus->identity;
    c.cluster_kind = corpus->folder ? "document" : "chunk";
    if (fell_back) c.warnings.push_back("native_memory");
    if (static_cast<int>(run.chunks.size()) < request.chunks) c.warnings.push_back("fewer_chunks");
    if (request.n_ctx > run.arms[0].model().trained_context()) c.warnings.push_back("beyond_trained_context");
    c.passes = run.passes_done;
    c.total_seconds = stopwatch.seconds();
    comparisons.push_back(std::move(c));
  }
  return comparisons;
}

}  // namespace fqlab
