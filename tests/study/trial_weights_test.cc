#include "study/trial_weights.h"

#include <gtest/gtest.h>

namespace fqlab {
namespace {

constexpr uint64_t kValues = 64 * 32, kFloats = 4 * kValues;
constexpr uint64_t kQ4 = kValues / 32 * 18, kQ8 = kValues / 32 * 34;  // bytes of ggml's blocks

std::vector<TensorInfo> two_tensors() {
  return {{"blk.0.ffn_up.weight", GgmlType::kF32, {64, 32}, 0, kFloats},
          {"blk.1.ffn_up.weight", GgmlType::kF32, {64, 32}, 0, kFloats}};
}

TrialSpec trial(TrialSpec::Kind kind, const std::vector<std::pair<size_t, const char*>>& changes) {
  TrialSpec trial;
  trial.kind = kind;
  for (const auto& [tensor, format] : changes)
    trial.changes.push_back({tensor, FormatSpec::parse(format).value()});
  return trial;
}

TEST(TrialBytes, FakeQuantizedTensorsAreFloatsAndTheOriginalOfTheOneBeingMade) {
  const auto both = trial(TrialSpec::Kind::kRecipe, {{0, "int4:g32"}, {1, "int4:g32"}});
  EXPECT_EQ(trial_bytes(both, two_tensors()), 2 * kFloats + kFloats);
}

TEST(TrialBytes, RealTensorsAreBlocksAndTheFloatsOfTheOneBeingMade) {
  const auto both = trial(TrialSpec::Kind::kReal, {{0, "gguf:q4_0"}, {1, "gguf:q8_0"}});
  EXPECT_EQ(trial_bytes(both, two_tensors()), kQ4 + kQ8 + 2 * kFloats);
}

TEST(KeptBytes, CountsEveryRealTypeOfATensorOnceAndNoFakeQuantization) {
  const std::vector<TrialSpec> trials = {trial(TrialSpec::Kind::kReal, {{0, "gguf:q4_0"}}),
                                         trial(TrialSpec::Kind::kReal, {{0, "gguf:q8_0"}}),
                                         trial(TrialSpec::Kind::kReal, {{0, "gguf:q4_0"}, {1, "gguf:q4_0"}}),
                                         trial(TrialSpec::Kind::kRecipe, {{0, "int4:g32"}})};
  EXPECT_EQ(kept_bytes(trials, two_tensors()), 2 * kQ4 + kQ8);
}

TEST(KeptBytes, IsNoMoreThanAMakerKeeps) {
  std::vector<TensorInfo> tensors = two_tensors();
  tensors[0].shape = {uint64_t{1} << 16, uint64_t{1} << 14};
  const std::vector<TrialSpec> trials = {trial(TrialSpec::Kind::kReal, {{0, "gguf:q4_0"}})};
  EXPECT_EQ(kept_bytes(trials, tensors), 0u) << "one of 604 MB is not kept";
  tensors[0].shape = {uint64_t{1} << 14, uint64_t{1} << 14};  // 151 MB in q4_0, 168 in q4_1
  EXPECT_EQ(kept_bytes(std::vector<TrialSpec>{trial(TrialSpec::Kind::kReal, {{0, "gguf:q4_0"}}),
                                              trial(TrialSpec::Kind::kReal, {{0, "gguf:q4_1"}})},
                       tensors),
            TrialWeightMaker::kMostKeptBytes);
}

}  // namespace
}  // namespace fqlab
