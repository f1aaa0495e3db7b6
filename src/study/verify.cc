#include "study/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stopwatch.h"
#include "base/system.h"
#include "study/changes.h"
#include "study/identity.h"
#include "study/speed_run.h"
#include "study/verify_plan.h"
#include "study/verify_run.h"
#include "study/verify_summary.h"

namespace fqlab {
namespace {

namespace fs = std::filesystem;

Result<void> check_settings(const VerifyRequest& request) {
  const auto refuse = [](std::string what, std::string where) {
    return fail(ErrorCode::kUsage, std::move(what), std::move(where));
  };
  if (request.corpora.empty()) return refuse("there is no text to verify on", "--corpus");
  if (Result<void> sound = check_passes(request.n_ctx, request.n_batch, request.chunks, request.threads);
      !sound)
    return sound;
  if (request.speed && request.speed_blocks < 1)
    return refuse("at least one block is needed to measure speed", "--speed-blocks");
  return {};
}

/// The last parts of a path: the file's name and as many folders before it.
fs::path last_parts(const fs::path& path, int folders) {
  fs::path parts = path.filename();
  for (fs::path above = path.parent_path(); folders > 0 && above.has_filename();
       --folders, above = above.parent_path())
    parts = above.filename() / parts;
  return parts;
}

/// File names, with as many folders before them as tell them apart.
std::vector<std::string> distinct_names(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) {
    const auto longest = std::distance(path.begin(), path.end());
    int folders = 0;
    const auto same = [&](const fs::path& other) {
      return &other != &path && last_parts(other, folders) == last_parts(path, folders);
    };
    while (folders < longest && std::ranges::any_of(paths, same)) ++folders;
    names.push_back(last_parts(path, folders).string());
  }
  return names;
}

/// The files, opened and checked to be of one model.
Result<std::vector<FileRun>> open_files(const VerifyRequest& request, const GgufFile& original) {
  std::vector<fs::path> paths = {request.output};
  paths.insert(paths.end(), request.against.begin(), request.against.end());
  const std::vector<std::string> names = distinct_names(paths);
  std::vector<FileRun> files;
  for (size_t i = 0; i < paths.size(); ++i) {
    std::error_code ignored;
    for (size_t k = 0; k < i; ++k)
      if (fs::equivalent(paths[i], paths[k], ignored))
        return fail(ErrorCode::kUsage, "a file is given twice", paths[i].string(), "leave one of them out");
    Result<GgufFile> file = GgufFile::open(paths[i]);
    if (!file) return tl::unexpected(file.error());
    if (Result<void> same = check_same_model(original, *file); !same) return tl::unexpected(same.error());
    files.push_back({.file = std::move(*file), .name = names[i]});
  }
  return files;
}

Result<Verification> describe(const VerifyRequest& request, const GgufFile& original,
                              std::span<const FileRun> files) {
  Verification v;
  v.engine_version = engine_version();
  v.command = request.command;
  v.created = utc_now();
  v.environment = this_environment();
  v.settings = {request.n_ctx,   request.n_batch, request.chunks,
                request.threads, request.seed,    request.margins};
  Result<ModelIdentity> identity = identify(original);
  if (!identity) return tl::unexpected(identity.error());
  v.original = std::move(*identity);
  for (const FileRun& file : files) {
    Result<ModelIdentity> own = identify(file.file);
    if (!own) return tl::unexpected(own.error());
    v.files.push_back({.identity = std::move(*own), .name = file.name});
  }
  v.plan_path = request.plan_path;
  v.plan = request.plan;
  if (request.plan) v.warnings = plan_warnings(*request.plan, v.original, files.front().file);
  return v;
}

/// One entry a text: what it is, and whether the plan has seen it.
void describe_texts(const Corpora& corpora, Verification& v) {
  const std::optional<std::vector<Corpus>> planned = v.plan ? planning_texts(*v.plan) : std::nullopt;
  if (v.plan && !planned) v.warnings.push_back("plan_text_unknown");
  for (size_t k = 0; k < corpora.texts.size(); ++k) {
    const Corpus& corpus = corpora.texts[k];
    VerifiedText& text = v.texts.emplace_back();
    text.name = corpora.names[k];
    text.corpus = corpus.identity;
    text.cluster_kind = corpus.folder ? "document" : "chunk";
    if (planned)
      text.planned_on =
          std::ranges::any_of(*planned, [&](const Corpus& seen) { return share_a_document(seen, corpus); });
    if (text.planned_on.value_or(false)) text.warnings.push_back("planned_on");
  }
}

/// The positions of one text out of those of all.
TextPasses passes_of(const VerifyRun& run, std::span<const int> corpus_of_chunk, int corpus) {
  TextPasses passes;
  passes.per_chunk = static_cast<size_t>(run.scored.count);
  passes.first_target = run.scored.first + 1;
  passes.files.resize(run.files.size());
  passes.same_logits.resize(run.files.size());
  for (size_t c = 0; c < run.chunks.size(); ++c) {
    if (!corpus_of_chunk.empty() && corpus_of_chunk[c] != corpus) continue;
    passes.cluster_of_chunk.push_back(run.chunks[c].cluster);
    for (size_t f = 0; f < run.files.size(); ++f) {
      const auto begin = run.files[f].positions.begin() + static_cast<std::ptrdiff_t>(c * passes.per_chunk);
      passes.files[f].insert(passes.files[f].end(), begin, begin + run.scored.count);
      passes.same_logits[f].push_back(run.files[f].same_as_original[c]);
    }
  }
  return passes;
}

void summarize_texts(const VerifyRun& run, std::span<const int> corpus_of_chunk, Verification& v) {
  std::vector<uint64_t> bytes;
  for (const VerifiedFile& file : v.files) bytes.push_back(file.identity.bytes);
  for (size_t k = 0; k < v.texts.size(); ++k) {
    VerifiedText& text = v.texts[k];
    summarize_text(passes_of(run, corpus_of_chunk, static_cast<int>(k)), v.settings, bytes, text);
    if (text.chunks < v.settings.chunks) text.warnings.push_back("fewer_chunks");
  }
}

Result<void> add_dialogues(VerifyRun& run, std::span<const Conversation> conversations, Verification& v) {
  if (!run.request.dialogue) {
    v.notes.push_back({"dialogue", "switched_off"});
    return {};
  }
  Result<std::vector<std::vector<DialogueResult>>> dialogues = run_dialogues(run, conversations);
  if (!dialogues) return tl::unexpected(dialogues.error());
  const AnswerSettings settings{run.request.predict, 0, 1, run.request.seed, run.request.threads};
  for (size_t f = 0; f < v.files.size(); ++f) {
    v.files[f].dialogue = std::move((*dialogues)[f]);
    v.files[f].dialogue_summary = summarize_dialogue(v.files[f].dialogue, settings);
  }
  return {};
}

FileSpeed judged(const SpeedRun& run, const Margins& margins) {
  FileSpeed speed{run.load_ms, run.first_token_ms, run.prompt_tps, run.generation_tps};
  speed.load = judge_speed(speed.load_ms, margins.speed_log_ratio);
  speed.prompt = judge_speed(speed.prompt_tps, margins.speed_log_ratio);
  speed.generation = judge_speed(speed.generation_tps, margins.speed_log_ratio);
  return speed;
}

SpeedSettings speed_settings(const VerifyRequest& request) {
  SpeedSettings settings;
  settings.threads = request.threads;
  settings.blocks = request.speed_blocks;
  settings.cold_blocks = 0;
  settings.seed = request.seed;
  return settings;
}

/// Of one block, in chunks of n_ctx tokens; the unmeasured loads before the first are counted to the blocks.
double cost_of_block(const VerifyRequest& request, size_t files) {
  const SpeedSettings settings = speed_settings(request);
  const double tokens = settings.prompt_tokens + kCostOfGenerated * settings.generated_tokens,
               loads = 2 * static_cast<double>(files + 2) +
                       static_cast<double>(files + 1) / static_cast<double>(request.speed_blocks);
  return loads * tokens / static_cast<double>(request.n_ctx);
}

Result<void> add_speeds(VerifyRun& run, Verification& v) {
  if (!run.request.speed) {
    v.notes.push_back({"speed", "switched_off"});
    return {};
  }
  run.original.reset();  // their memory and threads are not part of what is timed
  run.model.reset();
  std::vector<fs::path> paths;
  for (const FileRun& file : run.files) paths.push_back(file.file.path());
  const double cost = cost_of_block(run.request, paths.size());
  int told = -1;
  const auto tell = [&](int block, int) {
    if (block > told && block < run.request.speed_blocks)
      run.work.begin(fmt::format("speed, block {} of {}", block + 1, run.request.speed_blocks), cost);
    told = block;
  };
  Result<SpeedTable> speeds = measure_speeds(run.request.model, paths, speed_settings(run.request), tell);
  if (!speeds) {
    Result<Note> failure = note_of_failure(speeds.error());
    if (!failure) return tl::unexpected(failure.error());
    v.notes.push_back(std::move(*failure));
    return {};
  }
  for (size_t f = 0; f < v.files.size(); ++f) {
    v.files[f].speed = judged(speeds->against_original[f], v.settings.margins);
    if (f > 0) v.files[f].first_speed = judged(speeds->first_against[f - 1], v.settings.margins);
  }
  v.warnings.insert(v.warnings.end(), speeds->warnings.begin(), speeds->warnings.end());
  return {};
}

}  // namespace

Result<Verification> verify(const VerifyRequest& request, const VerifyProgress& progress) {
  const Stopwatch stopwatch;
  if (Result<void> sound = check_settings(request); !sound) return tl::unexpected(sound.error());
  Result<GgufFile> original = GgufFile::open(request.model);
  if (!original) return tl::unexpected(original.error());
  Result<std::vector<FileRun>> files = open_files(request, *original);
  if (!files) return tl::unexpected(files.error());
  Result<Corpora> corpora = read_corpora(request.corpora);
  if (!corpora) return tl::unexpected(corpora.error());
  Result<std::vector<Conversation>> conversations = conversations_of(request.prompts);
  if (!conversations) return tl::unexpected(conversations.error());

  VerifyRun run{.request = request, .work = WorkShare(progress)};
  run.options = {request.n_ctx, request.n_batch, request.threads};
  run.scored = second_half(request.n_ctx);
  run.files = std::move(*files);
  if (Result<void> fits = plan_memory(run, *original); !fits) return tl::unexpected(fits.error());
  Result<Verification> v = describe(request, *original, run.files);
  if (!v) return v;
  describe_texts(*corpora, *v);

  Result<Model> model = Model::load(*original);
  if (!model) return tl::unexpected(model.error());
  Result<Evaluator> evaluator = Evaluator::create(*model, run.options);
  if (!evaluator) return tl::unexpected(evaluator.error());
  run.model = std::move(*model);
  run.original = std::move(*evaluator);
  if (request.n_ctx > run.model->trained_context()) v->warnings.push_back("beyond_trained_context");
  Result<CutText> cut = cut_corpora(*corpora, *run.model, request.n_ctx, request.chunks);
  if (!cut) return tl::unexpected(cut.error());
  run.chunks = std::move(cut->chunks);

  expect_passes(run);
  if (Result<void> planned = plan_dialogues(run, *conversations); !planned)
    return tl::unexpected(planned.error());
  if (request.speed) run.work.expect(request.speed_blocks, cost_of_block(request, run.files.size()));
  if (Result<void> done = run_chunks(run); !done) return tl::unexpected(done.error());
  v->passes = run.work.steps_done();
  v->original_seconds = run.original_seconds;
  for (size_t f = 0; f < run.files.size(); ++f) {
    run.files[f].evaluator.reset();
    v->files[f].seconds = run.files[f].seconds;
  }
  summarize_texts(run, cut->corpus_of_chunk, *v);
  if (Result<void> done = add_dialogues(run, *conversations, *v); !done) return tl::unexpected(done.error());
  if (Result<void> done = add_speeds(run, *v); !done) return tl::unexpected(done.error());
  v->total_seconds = stopwatch.seconds();
  return v;
}

}  // namespace fqlab
