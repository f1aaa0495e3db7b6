#include "study/paired_run.h"

#include <fmt/format.h>

#include <cstring>

#include "base/stopwatch.h"

namespace fqlab {
namespace {

std::vector<int32_t> targets_of(const PairedRun& run, const Chunk& chunk) {
  const auto begin = chunk.tokens.begin() + run.first + 1;
  return {begin, begin + run.count};
}

Result<std::span<const float>> logits_of(PairedRun& run, Evaluator& evaluator, const Chunk& chunk,
                                         const std::string& label) {
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
Result<void> check_repeats(PairedRun& run, size_t arm, const OriginalLogits& original, const char* when) {
  Result<std::span<const float>> again =
      logits_of(run, run.arms[arm].evaluator(), run.chunks[0], fmt::format("check {}", when));
  if (!again) return tl::unexpected(again.error());
  const std::vector<int32_t> targets = targets_of(run, run.chunks[0]);
  bool zero = same_bits(original.logits, *again);
  for (const PairedPosition& p :
       compare_positions(original.logits, original.scores, *again, targets, run.request.threads))
    zero = zero && p.kl_nats == 0;
  if (zero) return {};
  return fail(ErrorCode::kCheck, fmt::format("the original differs from itself {}", when),
              run.request.model.string(),
              "the numbers of this run must not be used; try --threads 1 and report the model");
}

Result<void> run_variant(PairedRun& run, VariantRun& variant, size_t c, const OriginalLogits& original) {
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
  Result<std::span<const float>> logits =
      logits_of(run, variant.own ? *variant.own : arm.evaluator(), chunk, variant.label);
  if (!logits) return tl::unexpected(logits.error());
  variant.logits_identical = variant.logits_identical && same_bits(original.logits, *logits);
  append(variant.positions, compared(*logits));
  variant.seconds += stopwatch.seconds();
  if (c < static_cast<size_t>(run.floor_chunks)) {
    for (size_t k = 0; k < variant.controls.size(); ++k) {
      arm.write_control(variant.change, variant.controls[k]);
      Result<std::span<const float>> noise =
          logits_of(run, arm.evaluator(), chunk,
                    fmt::format("{}, control {}", variant.label, variant.controls[k].change));
      if (!noise) return tl::unexpected(noise.error());
      append(variant.control_passes[k].positions, compared(*noise));
    }
  }
  if (arm.can_write(variant.change)) arm.restore(variant.change);
  return {};
}

}  // namespace

Result<void> run_chunks(PairedRun& run) {
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
        append(run.storage[a],
               compare_positions(stored, stored_scores, original.logits, targets, run.request.threads));
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

}  // namespace fqlab
