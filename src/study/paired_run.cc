#include "study/paired_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stopwatch.h"
#include "study/measured.h"

namespace fqlab {
namespace {

std::vector<int32_t> targets_of(const PairedRun& run, const Chunk& chunk) {
  const auto begin = chunk.tokens.begin() + run.first + 1;
  return {begin, begin + run.count};
}

/// Chunks begin .. end - 1, evaluated at once.
struct ChunkGroup {
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};

Result<std::vector<std::span<const float>>> logits_of(PairedRun& run, Evaluator& evaluator, ChunkGroup group,
                                                      const std::string& label) {
  std::vector<std::span<const int32_t>> tokens;
  for (size_t c = group.begin; c < group.end; ++c) {
    run.tell(label);
    tokens.emplace_back(run.chunks[c].tokens);
  }
  return evaluator.logits(tokens, run.first, run.count);
}

void append(PairedPass& pass, std::vector<PairedPosition>&& positions) {
  pass.insert(pass.end(), positions.begin(), positions.end());
}

/// C's logits of a chunk, kept while V and the controls overwrite the evaluator's.
struct OriginalLogits {
  std::vector<int32_t> targets;
  std::vector<float> logits;
  std::vector<PositionScore> scores;

  std::vector<PairedPosition> compare(std::span<const float> other, int threads) const {
    return compare_positions(logits, scores, other, targets, threads);
  }
};

/// The check that always runs: C evaluated again, by itself, gives the same bits and a divergence of exactly
/// 0.
Result<void> check_repeats(PairedRun& run, size_t arm, const OriginalLogits& original, const char* when) {
  Result<std::vector<std::span<const float>>> again =
      logits_of(run, run.arms[arm].evaluator(), {0, 1}, fmt::format("check {}", when));
  if (!again) return tl::unexpected(again.error());
  if (repeats_exactly(original.logits, again->front(), original.compare(again->front(), run.request.threads)))
    return {};
  return fail(ErrorCode::kCheck, fmt::format("the original differs from itself {}", when),
              run.request.model.string(),
              "the numbers of this run must not be used; try --threads 1 and report the model");
}

Result<void> run_controls(PairedRun& run, VariantRun& variant, ChunkGroup group,
                          std::span<const OriginalLogits> originals) {
  PatchableModel& arm = run.arms[variant.arm];
  for (size_t k = 0; k < variant.controls.size(); ++k) {
    arm.write_control(variant.change, variant.controls[k]);
    Result<std::vector<std::span<const float>>> noise =
        logits_of(run, arm.evaluator(), group,
                  fmt::format("{}, control {}", variant.label, variant.controls[k].change));
    if (!noise) return tl::unexpected(noise.error());
    for (size_t i = 0; i < group.size(); ++i)
      append(variant.control_passes[k].positions, originals[i].compare((*noise)[i], run.request.threads));
  }
  return {};
}

Result<void> run_variant(PairedRun& run, VariantRun& variant, ChunkGroup group,
                         std::span<const OriginalLogits> originals) {
  PatchableModel& arm = run.arms[variant.arm];
  // Where no weight differs the logits cannot: one chunk is evaluated as proof, the others are known.
  const bool differs = variant.change.values_changed() > 0 || variant.own;
  const ChunkGroup evaluated{group.begin, differs ? group.end : group.begin == 0 ? 1 : group.begin};
  const Stopwatch stopwatch;
  if (evaluated.size() > 0) {
    if (!variant.own) arm.write_variant(variant.change);
    Result<std::vector<std::span<const float>>> logits =
        logits_of(run, variant.own ? *variant.own : arm.evaluator(), evaluated, variant.label);
    if (!logits) return tl::unexpected(logits.error());
    for (size_t i = 0; i < evaluated.size(); ++i) {
      variant.logits_identical = variant.logits_identical && same_bits(originals[i].logits, (*logits)[i]);
      append(variant.positions, originals[i].compare((*logits)[i], run.request.threads));
    }
    variant.seconds += stopwatch.seconds();
  }
  for (size_t i = evaluated.size(); i < group.size(); ++i)
    append(variant.positions, originals[i].compare(originals[i].logits, run.request.threads));
  const ChunkGroup floor{group.begin, std::min(group.end, static_cast<size_t>(run.floor_chunks))};
  if (floor.begin < floor.end)
    if (Result<void> done = run_controls(run, variant, floor, originals); !done) return done;
  if (evaluated.size() > 0 && arm.can_write(variant.change)) arm.restore(variant.change);
  return {};
}

/// What the chunks of a group are compared with: C's logits.
Result<std::vector<OriginalLogits>> run_original(PairedRun& run, size_t arm, ChunkGroup group) {
  const Stopwatch stopwatch;
  Result<std::vector<std::span<const float>>> logits =
      logits_of(run, run.arms[arm].evaluator(), group, "original");
  if (!logits) return tl::unexpected(logits.error());
  std::vector<OriginalLogits> originals(group.size());
  for (size_t i = 0; i < group.size(); ++i) {
    OriginalLogits& original = originals[i];
    original.targets = targets_of(run, run.chunks[group.begin + i]);
    original.logits.assign((*logits)[i].begin(), (*logits)[i].end());
    original.scores = score_positions(original.logits, original.targets, run.request.threads);
  }
  run.original_seconds[arm] += stopwatch.seconds();
  return originals;
}

Result<void> run_group(PairedRun& run, ChunkGroup group, std::vector<OriginalLogits>& first_chunk) {
  std::vector<std::span<const float>> stored;
  const ChunkGroup also_stored{group.begin, std::min(group.end, static_cast<size_t>(run.stored_chunks))};
  if (run.as_stored && also_stored.begin < also_stored.end) {
    Result<std::vector<std::span<const float>>> logits =
        logits_of(run, *run.as_stored, also_stored, "original as stored");
    if (!logits) return tl::unexpected(logits.error());
    stored = std::move(*logits);
  }
  for (size_t a = 0; a < run.arms.size(); ++a) {
    Result<std::vector<OriginalLogits>> originals = run_original(run, a, group);
    if (!originals) return tl::unexpected(originals.error());
    for (size_t i = 0; i < stored.size(); ++i) {
      const OriginalLogits& original = (*originals)[i];
      const std::vector<PositionScore> scores =
          score_positions(stored[i], original.targets, run.request.threads);
      append(run.storage[a],
             compare_positions(stored[i], scores, original.logits, original.targets, run.request.threads));
    }
    if (group.begin == 0) {
      if (Result<void> same = check_repeats(run, a, originals->front(), "before the work"); !same)
        return same;
    }
    for (VariantRun& variant : run.variants) {
      if (variant.arm != a) continue;
      if (Result<void> done = run_variant(run, variant, group, *originals); !done) return done;
    }
    if (group.begin == 0) first_chunk[a] = std::move(originals->front());
  }
  return {};
}

}  // namespace

Result<void> run_chunks(PairedRun& run) {
  std::vector<OriginalLogits> first_chunk(run.arms.size());
  const size_t step = static_cast<size_t>(run.chunks_at_once);
  for (size_t begin = 0; begin < run.chunks.size(); begin += step) {
    const ChunkGroup group{begin, std::min(begin + step, run.chunks.size())};
    if (Result<void> done = run_group(run, group, first_chunk); !done) return done;
  }
  for (size_t a = 0; a < run.arms.size(); ++a)
    if (Result<void> same = check_repeats(run, a, first_chunk[a], "after the work"); !same) return same;
  return {};
}

}  // namespace fqlab
