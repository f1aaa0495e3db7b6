#include "study/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/atomic_file.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "base/temporary_folder.h"
#include "study/dialogue_run.h"
#include "study/identity.h"
#include "study/paired_run.h"
#include "study/speed_run.h"
#include "study/views.h"

namespace fqlab {
namespace {

/// The variants of a request, fake-quantized; nothing is loaded yet.
Result<std::vector<VariantRun>> make_variants(const CompareRequest& request, const GgufFile& file,
                                              const std::optional<GgufFile>& variant_file) {
  std::vector<VariantRun> variants;
  for (const Recipe& recipe : request.recipes) {
    Result<VariantChange> change = change_by_recipe(file, recipe, request.threads);
    if (!change) return tl::unexpected(change.error());
    variants.emplace_back();
    variants.back().label = recipe.print();
    variants.back().recipe = recipe.print();
    variants.back().change = std::move(*change);
  }
  if (variant_file) {
    Result<VariantChange> change = change_by_file(file, *variant_file);
    if (!change) return tl::unexpected(change.error());
    variants.emplace_back();
    variants.back().label = request.variant->filename().string();
    variants.back().change = std::move(*change);
  }
  return variants;
}

/// Which tensors each variant's arm expands; equal sets share an arm.
std::vector<ExpandedTensors> plan_arms(const GgufFile& file, const CompareRequest& request,
                                       Arithmetic arithmetic, std::vector<VariantRun>& variants) {
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

/// Takes the first that fits: several chunks at once, one chunk, native arithmetic where none was asked for.
Result<std::vector<ExpandedTensors>> plan_within_memory(const GgufFile& file, PairedRun& run,
                                                        const EvaluatorOptions& options, bool& fell_back) {
  uint64_t changed_values = 0;
  for (const VariantRun& variant : run.variants) changed_values += variant.change.values_total();
  std::vector<Arithmetic> choices = {run.request.arithmetic.value_or(Arithmetic::kReference)};
  if (!run.request.arithmetic) choices.push_back(Arithmetic::kNative);
  Result<void> fits;
  for (const Arithmetic arithmetic : choices) {
    run.arithmetic = arithmetic;
    std::vector<ExpandedTensors> arms = plan_arms(file, run.request, arithmetic, run.variants);
    for (const int at_once : {std::min({options.threads, kMostChunksAtOnce, run.request.chunks}), 1}) {
      run.chunks_at_once = at_once;
      fits = check_memory(file, arms, changed_values, options, at_once);
      if (fits) return arms;
    }
    fell_back = true;
  }
  return tl::unexpected(fits.error());
}

/// The layer to replay a variant's passes from, where they spare more than the check of the cut costs.
int worthwhile_cut(const PairedRun& run, const VariantRun& variant, int passes) {
  std::vector<std::string> tensors;
  for (const ChangedTensor& tensor : variant.change.tensors) tensors.push_back(tensor.source.name);
  const PatchableModel& arm = run.arms[variant.arm];
  const int cut = arm.evaluator().replay_cut(tensors), layers = arm.model().layers();
  return passes * cut > layers - cut ? cut : 0;
}

void plan_passes(PairedRun& run) {
  const int chunks = static_cast<int>(run.chunks.size());
  run.floor_chunks = std::min(chunks, std::max(4, chunks / 4));
  run.stored_chunks = std::min(chunks, run.request.stored_chunks.value_or(run.floor_chunks));
  run.passes_total =
      (chunks + 2) * static_cast<int>(run.arms.size()) + (run.as_stored ? run.stored_chunks : 0);
  if (run.request.dialogue) run.passes_total += static_cast<int>(run.arms.size() + run.variants.size());
  if (run.request.speed && run.variants.size() == 1 && run.variants[0].change.values_changed() > 0)
    run.passes_total += run.request.speed_blocks + 1;
  for (VariantRun& variant : run.variants) {
    const bool changed = variant.change.values_changed() > 0;
    if (changed && run.arms[variant.arm].can_write(variant.change))
      variant.controls = controls_for(run.arithmetic, run.request.seed);
    for (const ControlSpec& control : variant.controls)
      variant.control_passes.push_back({control.kind, control.change, control.seed, {}});
    const int passes =
        (changed || variant.own ? chunks : 1) + run.floor_chunks * static_cast<int>(variant.controls.size());
    if (changed && !variant.own) variant.cut = worthwhile_cut(run, variant, passes);
    run.passes_total += passes;
  }
  for (size_t a = 0; a < run.arms.size(); ++a) run.passes_total += static_cast<int>(cuts_of(run, a).size());
}

Result<void> load_arms(PairedRun& run, const GgufFile& file, std::span<const ExpandedTensors> expanded,
                       const std::optional<GgufFile>& variant_file, const EvaluatorOptions& options) {
  EvaluatorOptions of_arms = options;
  const bool reference = run.arithmetic == Arithmetic::kReference;
  of_arms.exact_gelu = reference && run.request.gelu == Gelu::kExact;
  of_arms.fast_attention = of_arms.exact_gelu;
  if (reference && run.request.gelu == Gelu::kEngine) run.gelu = Gelu::kEngine;
  of_arms.replay = true;
  for (const ExpandedTensors& tensors : expanded) {
    Result<PatchableModel> arm = PatchableModel::create(file, tensors, of_arms);
    if (!arm) return tl::unexpected(arm.error());
    if (arm->evaluator().computes_gelu()) run.gelu = Gelu::kExact;
    run.arms.push_back(std::move(*arm));
  }
  run.original_is_as_stored = expanded.size() == 1 && expanded.front().empty() && run.gelu != Gelu::kExact;
  if (!run.original_is_as_stored && run.request.stored_chunks != 0) {
    Result<Model> model = Model::load(file);
    if (!model) return tl::unexpected(model.error());
    Result<Evaluator> evaluator = Evaluator::create(*model, options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    run.as_stored = std::move(*evaluator);
  }
  if (variant_file && run.arithmetic == Arithmetic::kNative) {
    Result<Model> model = Model::load(*variant_file);
    if (!model) return tl::unexpected(model.error());
    Result<Evaluator> evaluator = Evaluator::create(*model, options);
    if (!evaluator) return tl::unexpected(evaluator.error());
    run.variants.back().own_model = std::move(*model);
    run.variants.back().own = std::move(*evaluator);
  }
  run.storage.resize(run.arms.size());
  run.original_seconds.resize(run.arms.size());
  return {};
}

/// Times the original's file against the variant's: the file given, or one made from the recipe (kept where
/// asked).
Result<SpeedRun> time_files(PairedRun& run, const GgufFile& file,
                            const std::optional<GgufFile>& variant_file) {
  run.arms.clear();  // their memory and threads are not part of what is timed
  run.as_stored.reset();
  run.variants.front().own.reset();
  run.variants.front().own_model.reset();

  std::filesystem::path path = run.request.variant.value_or(std::filesystem::path());
  std::optional<TemporaryFolder> temporary;
  if (path.empty()) {
    if (run.request.keep_variant) {
      path = *run.request.keep_variant;
    } else {
      Result<TemporaryFolder> made = TemporaryFolder::create("fqlab-speed");
      if (!made) return tl::unexpected(made.error());
      temporary.emplace(std::move(*made));
      path = temporary->path() / "variant.gguf";
    }
    if (Result<void> written =
            write_variant_file(file, run.variants.front().change, path, /*overwrite=*/false);
        !written)
      return tl::unexpected(written.error());
  }
  file.forget_pages();  // else the system keeps them, and no load is cold
  if (variant_file) variant_file->forget_pages();
  SpeedSettings settings;
  settings.threads = run.request.threads;
  settings.blocks = run.request.speed_blocks;
  settings.seed = run.request.seed;
  return measure_speed(run.request.model, path, settings, [&](int, int) { run.tell("speed of both files"); });
}

/// The speed, or the note that says why there is none. What fails here must not take with it what is measured
/// already, unless it makes that doubtful.
struct SpeedOutcome {
  std::optional<SpeedRun> run;
  Note note;
};

Result<SpeedOutcome> run_speed(PairedRun& run, const GgufFile& file,
                               const std::optional<GgufFile>& variant_file) {
  const auto absent = [](const char* reason) { return SpeedOutcome{std::nullopt, {"speed", reason, {}}}; };
  if (!run.request.speed) return absent("switched_off");
  if (run.variants.size() > 1) return absent("several_recipes");
  if (run.variants.front().change.values_changed() == 0) return absent("same_file");
  Result<SpeedRun> speed = time_files(run, file, variant_file);
  if (speed) return SpeedOutcome{std::move(*speed), {}};
  Result<Note> failure = note_of_failure(speed.error());
  if (!failure) return tl::unexpected(failure.error());
  return SpeedOutcome{std::nullopt, std::move(*failure)};
}

void add_dialogue(Comparison& c, std::vector<DialogueResult>&& dialogue, const AnswerSettings& settings) {
  c.dialogue = std::move(dialogue);
  c.dialogue_summary = summarize_dialogue(c.dialogue, settings);
  if (c.dialogue.empty()) {
    c.notes.push_back({"dialogue", "switched_off"});
    return;
  }
  const bool identical =
      std::all_of(c.dialogue.begin(), c.dialogue.end(), [](const DialogueResult& d) { return d.identical; });
  c.verdicts.dialogue = identical ? Verdict::kIdentical : Verdict::kDifferent;
}

void add_speed(Comparison& c, const SpeedOutcome& outcome) {
  const std::optional<SpeedRun>& speed = outcome.run;
  if (!speed) {
    c.notes.push_back(outcome.note);
    return;
  }
  c.load_ms = speed->load_ms;
  c.first_token_ms = speed->first_token_ms;
  c.cold_load_ms = speed->cold_load_ms;
  if (!c.cold_load_ms) c.notes.push_back({"speed.cold_load_ms", "page_cache"});
  c.prompt_tps = speed->prompt_tps;
  c.generation_tps = speed->generation_tps;
  const double margin = c.settings.margins.speed_log_ratio;
  c.verdicts.load = judge_speed(speed->load_ms, margin);
  c.verdicts.prompt = judge_speed(speed->prompt_tps, margin);
  c.verdicts.generation = judge_speed(speed->generation_tps, margin);
  c.warnings.insert(c.warnings.end(), speed->warnings.begin(), speed->warnings.end());
}

/// What the positions are about: which chunk belongs where, and what each target is.
struct TextView {
  std::vector<int> clusters;
  std::vector<TokenClass> classes;
  int first_target = 0;
};

TextView view_text(const PairedRun& run, const TokenText& text) {
  TextView view;
  for (const Chunk& chunk : run.chunks) view.clusters.push_back(chunk.cluster);
  view.first_target = run.scored.first + 1;
  view.classes =
      classes_of_targets(run.chunks, view.first_target, static_cast<size_t>(run.scored.count), text);
  return view;
}

void list_worst(PairedRun& run, const TextView& view, const CutText& cut, const TokenText& text) {
  for (VariantRun& variant : run.variants) {
    variant.worst =
        worst_positions(variant.positions, run.chunks, view.first_target,
                        static_cast<size_t>(run.scored.count), text, static_cast<size_t>(run.request.worst));
    for (WorstPosition& position : variant.worst)
      if (!cut.corpora.empty())
        position.corpus =
            cut.corpora[static_cast<size_t>(cut.corpus_of_chunk[static_cast<size_t>(position.chunk)])].name;
  }
}

Comparison describe(const PairedRun& run, const VariantRun& variant, const TextView& view,
                    const CutText& cut) {
  Comparison c;
  c.fqlab_version = FQLAB_VERSION;
  c.engine_version = engine_version();
  c.command = run.request.command;
  c.created = utc_now();
  c.recipe = variant.recipe;
  c.settings.arithmetic = run.arithmetic;
  c.settings.gelu = run.gelu;
  c.settings.n_ctx = run.request.n_ctx;
  c.settings.n_batch = run.request.n_batch;
  c.settings.chunks = static_cast<int>(run.chunks.size());
  c.settings.scored_positions = run.chunks.size() * static_cast<size_t>(run.scored.count);
  c.settings.threads = run.request.threads;
  c.settings.seed = run.request.seed;
  c.settings.replay_from = variant.cut;
  c.settings.margins = run.request.margins;
  c.values_total = variant.change.values_total();
  c.values_changed = variant.change.values_changed();
  c.vacuous = variant.recipe && c.values_changed == 0;
  c.logits_identical = variant.logits_identical;
  c.tensors = variant.change.reports;
  c.perplexity.original_seconds = run.original_seconds[variant.arm];
  c.perplexity.variant_seconds = variant.seconds;
  c.environment = this_environment();
  c.settings.corpus = cut.identity;
  c.cluster_kind = cut.cluster_kind;
  c.corpora = cut.corpora;
  c.worst = variant.worst;
  const ComparisonPasses passes{{view.clusters, cut.corpus_of_chunk, static_cast<size_t>(run.scored.count)},
                                &variant.positions,
                                variant.control_passes,
                                run.storage[variant.arm],
                                run.original_is_as_stored,
                                view.first_target,
                                view.classes};
  summarize(passes, c);
  return c;
}

Result<void> check_settings(const CompareRequest& request) {
  const auto refuse = [](std::string what, std::string where) {
    return fail(ErrorCode::kUsage, std::move(what), std::move(where));
  };
  if (request.corpora.empty()) return refuse("there is no text to compare on", "--corpus");
  if (request.recipes.empty() == !request.variant)
    return refuse("give either --recipe (once or more often) or --variant", "--recipe, --variant");
  if (Result<void> sound = check_passes(request.n_ctx, request.n_batch, request.chunks, request.threads);
      !sound)
    return sound;
  if (request.stored_chunks.value_or(0) < 0)
    return refuse("the number of chunks for the file as stored is at least 0", "--stored-chunks");
  if (request.worst < 0) return refuse("the number of positions to list is at least 0", "--worst");
  if (request.samples < 0) return refuse("the number of drawn answers is at least 0", "--samples");
  if (!(request.temperature > 0)) return refuse("a temperature is above 0", "--temperature");
  if (request.speed && request.speed_blocks < 1)
    return refuse("at least one block is needed to measure speed", "--speed-blocks");
  if (request.keep_variant) {
    if (!request.speed || request.variant || request.recipes.size() != 1)
      return refuse(
          "a variant's file is only made for the speed measurement of one recipe; `fqlab quantize` makes one",
          "--keep-variant");
    if (Result<void> possible = check_output(*request.keep_variant, Existing::kRefuse); !possible) {
      Error error = possible.error();  // no option replaces this file
      if (error.code == ErrorCode::kUsage) error.hint = "choose another name, or remove it";
      return tl::unexpected(std::move(error));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Comparison>> compare(const CompareRequest& request, const CompareProgress& progress) {
  const Stopwatch stopwatch;
  if (Result<void> sound = check_settings(request); !sound) return tl::unexpected(sound.error());
  Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  std::optional<GgufFile> variant_file;
  if (request.variant) {
    Result<GgufFile> opened = GgufFile::open(*request.variant);
    if (!opened) return tl::unexpected(opened.error());
    variant_file = std::move(*opened);
  }
  Result<Corpora> corpora = read_corpora(request.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  Result<std::vector<Conversation>> conversations = conversations_of(request.prompts);
  if (!conversations) return tl::unexpected(conversations.error());

  PairedRun run;
  run.request = request;
  run.progress = progress;
  run.scored = second_half(request.n_ctx);
  Result<std::vector<VariantRun>> variants = make_variants(request, *file, variant_file);
  if (!variants) return tl::unexpected(variants.error());
  run.variants = std::move(*variants);

  const EvaluatorOptions options{request.n_ctx, request.n_batch, request.threads};
  bool fell_back = false;
  Result<std::vector<ExpandedTensors>> expanded = plan_within_memory(*file, run, options, fell_back);
  if (!expanded) return tl::unexpected(expanded.error());
  if (Result<void> loaded = load_arms(run, *file, *expanded, variant_file, options); !loaded)
    return tl::unexpected(loaded.error());
  Result<CutText> cut = cut_corpora(*corpora, run.arms[0].model(), request.n_ctx, request.chunks);
  if (!cut) return tl::unexpected(cut.error());
  run.chunks = std::move(cut->chunks);
  if (Result<void> planned = plan_dialogues(run, *conversations); !planned)
    return tl::unexpected(planned.error());
  plan_passes(run);
  if (Result<void> done = run_chunks(run); !done) return tl::unexpected(done.error());
  const TokenText text = [&](int32_t token) { return run.arms[0].model().token_text(token); };
  const TextView view = view_text(run, text);
  list_worst(run, view, *cut, text);
  const int passes = run.passes_done, trained_context = run.arms[0].model().trained_context();
  Result<std::vector<std::vector<DialogueResult>>> dialogues = run_dialogues(run, *conversations);
  if (!dialogues) return tl::unexpected(dialogues.error());
  Result<SpeedOutcome> speed = run_speed(run, *file, variant_file);
  if (!speed) return tl::unexpected(speed.error());

  Result<ModelIdentity> original = identify(*file);
  if (!original) return tl::unexpected(original.error());
  std::optional<ModelIdentity> variant_identity;
  if (variant_file) {
    Result<ModelIdentity> identity = identify(*variant_file);
    if (!identity) return tl::unexpected(identity.error());
    variant_identity = std::move(*identity);
  }
  std::vector<Comparison> comparisons;
  for (size_t v = 0; v < run.variants.size(); ++v) {
    Comparison c = describe(run, run.variants[v], view, *cut);
    add_dialogue(c, std::move((*dialogues)[v]), answer_settings(request));
    add_speed(c, *speed);
    c.original = *original;
    c.variant_file = variant_identity;
    if (fell_back)
      c.warnings.push_back("native_memory");
    else if (run.arithmetic == Arithmetic::kNative && run.variants[v].recipe)
      c.warnings.push_back("native_arithmetic");
    if (cut->fewer) c.warnings.push_back("fewer_chunks");
    if (request.n_ctx > trained_context) c.warnings.push_back("beyond_trained_context");
    c.passes = passes;
    c.total_seconds = stopwatch.seconds();
    comparisons.push_back(std::move(c));
  }
  return comparisons;
}

}  // namespace fqlab
