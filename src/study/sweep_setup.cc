#include "study/sweep_setup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/system.h"
#include "fqlab/replay.h"
#include "study/trial_weights.h"

namespace fqlab {
namespace {

Result<void> check_settings(const SweepRequest& request) {
  const auto refuse = [](std::string what, const char* where) {
    return fail(ErrorCode::kUsage, std::move(what), where);
  };
  if (request.n_ctx < 8)
    return refuse(fmt::format("{} tokens are too few for a chunk; 8 are the least", request.n_ctx), "--ctx");
  if (request.goal.chunks < 1) return refuse("at least one chunk is needed", "--chunks");
  if (request.workers < 1) return refuse("at least one worker is needed", "--workers");
  if (request.goal.kind == AllocationGoal::Kind::kMap && !(request.goal.precision > 0))
    return refuse("a precision is above 0", "--precision");
  if (request.goal.kind == AllocationGoal::Kind::kTop && request.goal.top < 1)
    return refuse("at least one group is to be found", "--top");
  std::error_code ignored;
  if (std::filesystem::is_directory(request.study, ignored))
    return refuse("a study is a file, this is a folder", "--study");
  const std::filesystem::path folder = request.study.parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder, ignored))
    return fail(ErrorCode::kSystem, "the folder of the study does not exist", folder.string(),
                "make it, or give another --study FILE");
  return {};
}

/// A line each.
std::string source_lines(std::span<const CorpusSource> corpora) {
  std::string lines;
  for (const CorpusSource& corpus : corpora) lines += (lines.empty() ? "" : "\n") + to_string(corpus);
  return lines;
}

Result<std::vector<StudyProperty>> describe_study(const SweepSetup& setup, const SweepRequest& request) {
  const Result<std::string> model_hash = sha256_of_file(setup.file.path());
  if (!model_hash) return tl::unexpected(model_hash.error());
  const CorpusIdentity corpus = identity_of(setup.corpora);
  const auto number = [](uint64_t value) { return std::to_string(value); };
  const std::string architecture = setup.file.architecture();
  const ScoredRange& scored = setup.scored;
  return std::vector<StudyProperty>{
      {"model_sha256", *model_hash, true},
      {"corpus_sha256", corpus.sha256, true},
      {"tokens_per_chunk", std::to_string(request.n_ctx), true},
      {"scored_positions", fmt::format("{}-{}", scored.first, scored.first + scored.count - 1), true},
      {"arithmetic", "reference", true},
      {"engine", engine_version(), true},
      {"instruction_set", cpu_isa(), true},  // the engine's kernels sum in another order on another one
      {"numerics_version", std::to_string(kNumericsVersion), true},
      {"model", setup.file.path().string()},
      {"architecture", architecture},
      {"parameters", number(setup.file.parameters())},
      {"model_bytes", number(setup.file.file_bytes())},
      {"layers", number(setup.file.metadata_uint(architecture + ".block_count").value_or(0))},
      {"corpus", corpus.path},
      {"corpus_bytes", number(corpus.bytes)},
      {"corpus_documents", number(corpus.documents)},
      {"corpora", source_lines(request.corpora)},
      {"cluster_kind", cluster_kind_of(setup.corpora)},
      {"fqlab_version", FQLAB_VERSION},
  };
}

std::string identity_hash(std::span<const StudyProperty> properties) {
  std::string text;
  for (const StudyProperty& property : properties)
    if (property.identity) text += property.name + "=" + property.value + "\n";
  return sha256(std::as_bytes(std::span(text)));
}

/// Another study is refused before anything slow is done.
Result<void> check_existing_study(const SweepRequest& request, std::span<const StudyProperty> properties) {
  std::error_code ignored;
  if (!std::filesystem::exists(request.study, ignored)) return {};
  return StudyStore::check(request.study, properties);
}

/// What becomes float32: all but tables of integers, which the engine reads as they are.
bool all_weights(const TensorInfo& tensor) { return holds_weights(tensor.type); }

Result<void> check_weights_fit(const SweepSetup& setup) {
  const Result<uint64_t> weights = WeightImage::planned_bytes(setup.file, all_weights);
  if (!weights) return tl::unexpected(weights.error());
  const uint64_t working = ReplayModel::planned_bytes(setup.file, setup.options, setup.scored.count);
  if (*weights + working <= setup.limit_bytes) return {};
  return fail(
      ErrorCode::kSystem,
      fmt::format("a sweep of this model needs more than {} of memory and {} may be used",
                  human_bytes(*weights + working), human_bytes(setup.limit_bytes)),
      fmt::format("weights in float32 {}, one worker {}", human_bytes(*weights), human_bytes(working)),
      "a smaller --ctx needs less; --limit-memory allows more");
}

void weigh_trials(SweepSetup& setup) {
  for (const TrialSpec& trial : setup.plan.trials) {
    int cut = std::max(0, setup.facts.layers - 1);
    for (const TensorChange& change : trial.changes)
      cut = std::min(cut, setup.facts.cut_of_tensor[change.tensor]);
    const double whole = setup.facts.operations.empty() ? 0 : setup.facts.operations[0];
    setup.trial_cut.push_back(cut);
    setup.trial_cost.push_back(whole > 0 ? setup.facts.operations[static_cast<size_t>(cut)] / whole : 1);
    setup.trial_bytes.push_back(trial_bytes(trial, setup.file.tensors()));
  }
}

/// The captured original goes to the disk before a worker is given up.
Result<void> share_memory_out(SweepSetup& setup, const SweepRequest& request) {
  const uint64_t weights = setup.image->bytes(),
                 worker = ReplayModel::planned_bytes(setup.file, setup.options, setup.scored.count) +
                          kept_bytes(setup.plan.trials, setup.file.tensors()),
                 captured = CapturedChunks::planned_bytes(setup.facts, request.n_ctx, setup.scored,
                                                          setup.facts.chunks.size()),
                 largest = std::ranges::max(setup.trial_bytes);
  const auto fixed = [&](int workers, bool on_disk) {
    return weights + static_cast<uint64_t>(workers) * worker + (on_disk ? 0 : captured);
  };
  setup.workers = request.workers;
  setup.on_disk = fixed(setup.workers, false) + largest > setup.limit_bytes;
  while (setup.workers > 1 && fixed(setup.workers, setup.on_disk) + largest > setup.limit_bytes)
    --setup.workers;
  setup.fixed_bytes = fixed(setup.workers, setup.on_disk);
  if (setup.fixed_bytes + largest > setup.limit_bytes)
    return fail(
        ErrorCode::kSystem,
        fmt::format("the sweep needs {} of memory and {} may be used",
                    human_bytes(setup.fixed_bytes + largest), human_bytes(setup.limit_bytes)),
        fmt::format("weights in float32 {}, one worker {}, making the changed values of the largest trial {}",
                    human_bytes(weights), human_bytes(worker), human_bytes(largest)),
        "select fewer tensors or a smaller --ctx; --limit-memory allows more");
  if (setup.on_disk)
    setup.warnings.push_back(
        fmt::format("the captured original ({}) goes to a temporary file beside the study: memory is short",
                    human_bytes(captured)));
  if (setup.workers < request.workers)
    setup.warnings.push_back(
        fmt::format("memory suffices for {} of {} workers", setup.workers, request.workers));
  return {};
}

}  // namespace

ScoredRange scored_range(int n_ctx, ScoredPart part) {
  constexpr int kFirstOfAll = 32;  // fewer tokens of context say little about a model
  if (part == ScoredPart::kSecondHalf) return second_half(n_ctx);
  const int first = std::min(kFirstOfAll, n_ctx / 2);
  return {first, n_ctx - 1 - first};
}

std::vector<int> SweepSetup::clusters() const {
  std::vector<int> clusters;
  for (const Chunk& chunk : facts.chunks) clusters.push_back(chunk.cluster);
  return clusters;
}

Result<SweepSetup> set_up_sweep(const SweepRequest& request, bool timed) {
  if (Result<void> sound = check_settings(request); !sound) return tl::unexpected(sound.error());
  Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  SweepSetup setup{std::move(*file)};
  setup.scored = scored_range(request.n_ctx, request.scored);
  // A plan is about files as they will run, GELU table included; its trials have keys of their own kind.
  const bool reference = request.selection.real.empty();
  setup.options = {request.n_ctx, std::min(request.n_ctx, 512), /*threads=*/1};
  setup.options.exact_gelu = setup.options.fast_attention = reference;
  setup.limit_bytes = request.limit_bytes.value_or(memory_available_bytes());
  Result<Corpora> corpora = read_corpora(request.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  setup.corpora = std::move(*corpora);
  Result<std::vector<StudyProperty>> properties = describe_study(setup, request);
  if (!properties) return tl::unexpected(properties.error());
  setup.properties = std::move(*properties);
  setup.identity = identity_hash(setup.properties);
  Result<SweepPlan> plan = plan_sweep(setup.file, request.selection, setup.identity);
  if (!plan) return tl::unexpected(plan.error());
  setup.plan = std::move(*plan);
  setup.warnings = setup.plan.warnings;
  if (Result<void> same = check_existing_study(request, setup.properties); !same)
    return tl::unexpected(same.error());

  if (Result<void> fits = check_weights_fit(setup); !fits) return tl::unexpected(fits.error());
  Result<WeightImage> image = WeightImage::create(setup.file, all_weights);
  if (!image) return tl::unexpected(image.error());
  setup.image = std::make_unique<WeightImage>(std::move(*image));
  Result<SweepFacts> facts = find_facts(setup.file, *setup.image, setup.corpora, setup.options, setup.scored,
                                        request.goal.chunks, timed);
  if (!facts) return tl::unexpected(facts.error());
  setup.facts = std::move(*facts);
  setup.goal = request.goal;
  setup.goal.chunks = static_cast<int>(setup.facts.chunks.size());
  if (setup.goal.chunks < request.goal.chunks)
    setup.warnings.push_back(
        fmt::format("the text gives {} chunks, {} were asked for", setup.goal.chunks, request.goal.chunks));
  if (request.n_ctx > setup.facts.trained_context)
    setup.warnings.push_back(fmt::format("the model was trained on {} tokens of context, {} are used",
                                         setup.facts.trained_context, request.n_ctx));
  weigh_trials(setup);
  if (Result<void> shared = share_memory_out(setup, request); !shared) return tl::unexpected(shared.error());
  return setup;
}

SweepSchedule make_schedule(const SweepSetup& setup) {
  return {setup.plan, setup.goal, setup.trial_cost, setup.clusters()};
}

}  // namespace fqlab
