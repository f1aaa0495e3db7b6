#include "study/paired_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/stopwatch.h"
#include "study/measured.h"

namespace fqlab {
namespace {

using GroupLogits = Result<std::vector<std::span<const float>>>;

void tell_of(PairedRun& run, ChunkGroup group, const std::string& label) {
  for (size_t c = group.begin; c < group.end; ++c) run.tell(label);
}

GroupLogits logits_of(PairedRun& run, Evaluator& evaluator, ChunkGroup group, const std::string& label) {
  tell_of(run, group, label);
  return group_logits(evaluator, run.chunks, group, run.scored);
}

GroupLogits logits_from(PairedRun& run, size_t arm, int cut, ChunkGroup group, bool wipe = false) {
  return run.arms[arm].evaluator().logits_from(cut, group_tokens(run.chunks, group), run.scored.first,
                                               run.scored.count, wipe);
}

/// The logits of the arm as its weights are now, changed as the variant changes them.
GroupLogits changed_logits(PairedRun& run, const VariantRun& variant, ChunkGroup group,
                           const std::string& label) {
  if (variant.cut == 0) return logits_of(run, run.arms[variant.arm].evaluator(), group, label);
  tell_of(run, group, label);
  return logits_from(run, variant.arm, variant.cut, group);
}

Result<void> check_repeats(PairedRun& run, size_t arm, const OriginalLogits& original, const char* when) {
  GroupLogits again = logits_of(run, run.arms[arm].evaluator(), {0, 1}, fmt::format("check {}", when));
  if (!again) return tl::unexpected(again.error());
  return check_repeat(original, again->front(), run.request.threads, when, run.request.model.string());
}

/// Variants whose cut does not give the original's bits, caches wiped, are evaluated as whole models.
Result<void> check_cuts(PairedRun& run, size_t arm, const OriginalLogits& original) {
  for (const int cut : cuts_of(run, arm)) {
    run.tell(fmt::format("check of layer {} on", cut));
    GroupLogits replayed = logits_from(run, arm, cut, {0, 1}, /*wipe=*/true);
    const bool no_such_cut = !replayed && replayed.error().code == ErrorCode::kUsage;
    if (!replayed && !no_such_cut) return tl::unexpected(replayed.error());
    if (replayed && same_bits(original.logits, replayed->front())) continue;
    for (VariantRun& variant : run.variants)
      if (variant.arm == arm && variant.cut == cut) variant.cut = 0;
  }
  return {};
}

Result<void> run_controls(PairedRun& run, VariantRun& variant, ChunkGroup group,
                          std::span<const OriginalLogits> originals) {
  PatchableModel& arm = run.arms[variant.arm];
  for (size_t k = 0; k < variant.controls.size(); ++k) {
    arm.write_control(variant.change, variant.controls[k]);
    GroupLogits noise = changed_logits(
        run, variant, group, fmt::format("{}, control {}", variant.label, variant.controls[k].change));
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
    GroupLogits logits = variant.own ? logits_of(run, *variant.own, evaluated, variant.label)
                                     : changed_logits(run, variant, evaluated, variant.label);
    if (!logits) return tl::unexpected(logits.error());
    for (size_t i = 0; i < evaluated.size(); ++i) {
      variant.logits_identical = variant.logits_identical && same_bits(originals[i].logits, (*logits)[i]);
      append(variant.positions, originals[i].compare((*logits)[i], run.request.threads));
      const auto chunk = std::span(variant.positions).last(static_cast<size_t>(run.scored.count));
      if (Result<void> finite = check_finite(chunk, run.request.model.string(), variant.label); !finite)
        return finite;
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

/// What the chunks of a group are compared with: C's logits. What enters the arm's cuts is kept.
Result<std::vector<OriginalLogits>> run_original(PairedRun& run, size_t arm, ChunkGroup group) {
  const Stopwatch stopwatch;
  tell_of(run, group, "original");
  GroupLogits logits = run.arms[arm].evaluator().logits_keeping(
      group_tokens(run.chunks, group), run.scored.first, run.scored.count, cuts_of(run, arm));
  if (!logits) return tl::unexpected(logits.error());
  std::vector<OriginalLogits> originals;
  for (size_t i = 0; i < group.size(); ++i)
    originals.push_back(
        keep_original(run.chunks[group.begin + i], (*logits)[i], run.scored, run.request.threads));
  run.original_seconds[arm] += stopwatch.seconds();
  return originals;
}

Result<void> run_group(PairedRun& run, ChunkGroup group, std::vector<OriginalLogits>& first_chunk) {
  std::vector<std::span<const float>> stored;
  const ChunkGroup also_stored{group.begin, std::min(group.end, static_cast<size_t>(run.stored_chunks))};
  if (run.as_stored && also_stored.begin < also_stored.end) {
    GroupLogits logits = logits_of(run, *run.as_stored, also_stored, "original as stored");
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
      if (Result<void> checked = check_cuts(run, a, originals->front()); !checked) return checked;
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

std::vector<int> cuts_of(const PairedRun& run, size_t arm) {
  std::set<int> cuts;
  for (const VariantRun& variant : run.variants)
    if (variant.arm == arm && variant.cut > 0) cuts.insert(variant.cut);
  return {cuts.begin(), cuts.end()};
}

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
