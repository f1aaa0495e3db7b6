#include "fqlab/replay.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/bits.h"
#include "testing.h"

namespace fqlab {
namespace {

bool long_run() { return std::getenv("FQLAB_LONG") != nullptr; }

std::vector<float> copy(Result<std::span<const float>> logits) {
  return {logits.value().begin(), logits.value().end()};
}

/// A model in float32, a chunk of its text, and the whole model's logits of the positions `first` to the last
/// but one.
struct Scene {
  Scene(const std::filesystem::path& path, int n_ctx, int first_scored, int threads = 2,
        bool exact_gelu = true)
      : file(GgufFile::open(path).value()),
        image(WeightImage::create(file, expand_all).value()),
        options{n_ctx, 512, threads, exact_gelu, /*replay=*/false, /*fast_attention=*/true},
        replay(ReplayModel::create(file, image, options).value()),
        first(first_scored),
        count(n_ctx - 1 - first) {
    const Model model = Model::load(image).value();
    std::string text;
    while (tokens.size() < static_cast<size_t>(n_ctx)) {
      for (int i = 0; i < 99; ++i)
        text += "Line " + std::to_string(i * i) + ": the fox jumps over dog " + std::to_string(7 * i) + ".\n";
      tokens = model.tokenize(text).value();
    }
    tokens.resize(static_cast<size_t>(n_ctx));
    streams.resize(tokens.size() * static_cast<size_t>(replay.layers() * replay.embedding_size()));
    original = copy(replay.capture(tokens, first, count, streams));
  }

  std::span<const float> stream(int layer) const {
    const size_t one = tokens.size() * static_cast<size_t>(replay.embedding_size());
    return std::span(streams).subspan(static_cast<size_t>(layer) * one, one);
  }
  std::vector<float> from(int layer) {
    return copy(replay.logits_from(layer, tokens, stream(layer), first, count));
  }
  /// The logits of a plain evaluation of the image as it is now.
  std::vector<float> whole() {
    const Model model = Model::load(image).value();
    Evaluator evaluator = Evaluator::create(model, options).value();
    return copy(evaluator.logits(tokens, first, count));
  }
  /// Other values for a tensor: every one moved by a thousandth part and a bit.
  std::vector<float> changed(const std::string& tensor) {
    const std::span<const float> values = image.floats(tensor);
    std::vector<float> moved(values.begin(), values.end());
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += (i % 3 == 0 ? 0.01f : -0.005f) * moved[i];
    return moved;
  }

  GgufFile file;
  WeightImage image;
  EvaluatorOptions options;
  ReplayModel replay;
  int first, count;
  std::vector<int32_t> tokens;
  std::vector<float> streams, original;
};

/// A few cuts, or with FQLAB_LONG all of them.
std::vector<int> cuts_of(const Scene& scene, std::initializer_list<int> sample) {
  if (!long_run()) return sample;
  std::vector<int> all;
  for (int layer = 0; layer < scene.replay.layers(); ++layer) all.push_back(layer);
  return all;
}

void expect_the_original_at_every_cut(Scene& scene, std::initializer_list<int> sample) {
  EXPECT_TRUE(same_bits(scene.original, scene.whole())) << "capture against a plain evaluation";
  for (const int cut : cuts_of(scene, sample)) {
    EXPECT_EQ(scene.replay.best_cut(cut), cut);
    if (long_run()) {
      EXPECT_EQ(scene.replay.cut_problem(cut, scene.tokens, scene.streams).value(), std::nullopt) << cut;
    }
    EXPECT_TRUE(same_bits(scene.original, scene.from(cut))) << "cut at " << cut;
  }
}

TEST(Replay, OfSmolLm2GivesTheWholeModelsBitsAtEveryCut) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  Scene scene(testing::smollm2_file(), 512, 256);
  expect_the_original_at_every_cut(scene, {0, 1, 15, 29});
}

TEST(Replay, OfGemma3GivesTheWholeModelsBitsAtEveryCut) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  Scene scene(testing::gemma_file(), 512, 500);
  expect_the_original_at_every_cut(scene, {1, 6, 17});
}

TEST(Replay, OfGemma3GivesTheWholeModelsBitsBeyondItsSlidingWindow) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  Scene scene(testing::gemma_file(), 1024, 1000, 2,
              /*exact_gelu=*/false);  // window 512; two calls of the engine a chunk
  expect_the_original_at_every_cut(scene, {5, 17});
}

/// SmolLM2 at 64 tokens: enough for what does not depend on the length.
class ReplayOfSmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::smollm2_file());
    scene_.emplace(testing::smollm2_file(), 64, 32);
  }
  std::optional<Scene> scene_;
};

TEST_F(ReplayOfSmolLm2, AReplacedTensorGivesThePatchedModelsBitsAtEveryUsefulCut) {
  Scene& s = *scene_;
  for (const std::string tensor : {"blk.0.attn_norm.weight", "blk.7.attn_k.weight", "blk.15.ffn_down.weight",
                                   "blk.29.attn_output.weight", "output_norm.weight", "token_embd.weight"}) {
    const std::vector<float> values = s.changed(tensor);
    const std::span<float> patched = s.image.floats(tensor);
    const std::vector<float> kept(patched.begin(), patched.end());
    std::ranges::copy(values, patched.begin());
    const std::vector<float> expected = s.whole();
    std::ranges::copy(kept, patched.begin());
    EXPECT_FALSE(same_bits(expected, s.original)) << tensor;

    ASSERT_TRUE(s.replay.replace(tensor, values));
    const int last = s.replay.best_cut(s.replay.first_affected_layer(tensor));
    for (const int cut : {0, last / 2, last})
      EXPECT_TRUE(same_bits(expected, s.from(cut))) << tensor << " " << cut;
    s.replay.restore();
    EXPECT_TRUE(same_bits(s.original, s.from(last))) << tensor;
  }
}

TEST_F(ReplayOfSmolLm2, ReplacingNeverWritesToTheImageAndRestoringGivesTheOriginalsBits) {
  Scene& s = *scene_;
  const std::string tensor = "blk.3.ffn_up.weight";
  const std::span<const float> values = s.image.floats(tensor);
  const std::vector<float> before(values.begin(), values.end());
  const std::vector<float> a = s.changed(tensor), b(before.size(), 0.f);
  ASSERT_TRUE(s.replay.replace(tensor, a));
  ASSERT_TRUE(s.replay.replace(tensor, b));
  EXPECT_FALSE(same_bits(s.original, s.from(3)));
  EXPECT_TRUE(same_bits(before, values));
  s.replay.restore();
  EXPECT_TRUE(same_bits(s.original, s.from(3)));
  EXPECT_TRUE(same_bits(s.original, s.from(0)));
}

TEST_F(ReplayOfSmolLm2, TwoModelsShareOneImageAndAreReplacedIndependently) {
  Scene& s = *scene_;
  ReplayModel other = ReplayModel::create(s.file, s.image, s.options).value();
  const std::vector<float> values = s.changed("blk.3.ffn_up.weight");
  ASSERT_TRUE(other.replace("blk.3.ffn_up.weight", values));
  EXPECT_TRUE(same_bits(s.original, s.from(3)));
  EXPECT_FALSE(same_bits(s.original, copy(other.logits_from(3, s.tokens, s.stream(3), s.first, s.count))));
}

TEST_F(ReplayOfSmolLm2, OneThreadGivesTheBitsOfTwo) {
  Scene one(testing::smollm2_file(), 64, 32, 1);
  EXPECT_TRUE(same_bits(scene_->original, one.original));
  EXPECT_TRUE(same_bits(scene_->streams, one.streams));
  EXPECT_TRUE(same_bits(scene_->from(11), one.from(11)));
}

TEST_F(ReplayOfSmolLm2, AStreamThatIsNotTheOriginalsIsNoticed) {
  Scene& s = *scene_;
  const size_t at = static_cast<size_t>(s.stream(11).data() - s.streams.data());
  s.streams[at] += 0.001f;
  EXPECT_THAT(s.replay.cut_problem(11, s.tokens, s.streams).value().value_or(""),
              ::testing::HasSubstr("differ"));
  EXPECT_EQ(s.replay.cut_problem(12, s.tokens, s.streams).value(), std::nullopt);
}

TEST_F(ReplayOfSmolLm2, KnowsWhichLayerATensorChangesFirst) {
  const ReplayModel& replay = scene_->replay;
  EXPECT_EQ(replay.layers(), 30);
  for (const TensorInfo& tensor : scene_->file.tensors())
    if (const std::optional<int> layer = parse_tensor_name(tensor.name).layer) {
      EXPECT_EQ(replay.first_affected_layer(tensor.name), *layer) << tensor.name;
    }
  EXPECT_EQ(replay.first_affected_layer("token_embd.weight"), 0);  // tied: the input use comes first
  EXPECT_EQ(replay.first_affected_layer("output_norm.weight"), 30);
  EXPECT_EQ(replay.best_cut(30), 29);
}

TEST_F(ReplayOfSmolLm2, ACutSparesTheShareOfTheLayersBeforeIt) {
  Scene& s = *scene_;
  const double whole = s.replay.operations(0, 64, 32, 31).value(),
               half = s.replay.operations(15, 64, 32, 31).value(),
               layer = whole - s.replay.operations(1, 64, 32, 31).value();
  EXPECT_DOUBLE_EQ(whole - half, 15 * layer);
  EXPECT_GT(layer, 2.0 * 63 * 3.5e6);  // 3.5 million weights, 63 positions evaluated
}

TEST_F(ReplayOfSmolLm2, RefusesWhatItCannotReplace) {
  ReplayModel& replay = scene_->replay;
  const std::vector<float> three(3);
  EXPECT_EQ(replay.replace("no.such.tensor", three).error().code, ErrorCode::kUsage);
  EXPECT_EQ(replay.replace("blk.0.ffn_norm.weight", three).error().code, ErrorCode::kUsage);
  const WeightImage stored =
      WeightImage::create(scene_->file, [](const TensorInfo&) { return false; }).value();
  ReplayModel quantized = ReplayModel::create(scene_->file, stored, scene_->options).value();
  const std::vector<float> enough(1536 * 576);
  EXPECT_EQ(quantized.replace("blk.0.ffn_down.weight", enough).error().code, ErrorCode::kUsage);
}

TEST_F(ReplayOfSmolLm2, RefusesCutsAndStreamsThatDoNotFit) {
  Scene& s = *scene_;
  EXPECT_EQ(s.replay.logits_from(30, s.tokens, s.stream(1), s.first, s.count).error().code,
            ErrorCode::kUsage);
  EXPECT_EQ(s.replay.logits_from(-1, s.tokens, s.stream(1), s.first, s.count).error().code,
            ErrorCode::kUsage);
  EXPECT_EQ(s.replay.logits_from(3, s.tokens, s.stream(1).first(100), s.first, s.count).error().code,
            ErrorCode::kUsage);
  std::vector<float> short_streams(100);
  EXPECT_EQ(s.replay.capture(s.tokens, s.first, s.count, short_streams).error().code, ErrorCode::kUsage);
}

/// An evaluator on the scene's image, two chunks, and what a plain evaluator says about them.
class EvaluatorThatReplays : public ReplayOfSmolLm2 {
 protected:
  void SetUp() override {
    ReplayOfSmolLm2::SetUp();
    if (!scene_) return;
    other_.assign(scene_->tokens.rbegin(), scene_->tokens.rend());
    chunks_ = {scene_->tokens, other_};
    model_.emplace(Model::load(scene_->image).value());
    EvaluatorOptions options = scene_->options;
    options.replay = true;
    evaluator_.emplace(Evaluator::create(*model_, options).value());
  }
  std::vector<std::vector<float>> plain() {
    Evaluator evaluator = Evaluator::create(*model_, scene_->options).value();
    return copies(evaluator.logits(chunks_, scene_->first, scene_->count));
  }
  std::vector<std::vector<float>> from(int cut, size_t chunks, bool wipe = false) {
    return copies(
        evaluator_->logits_from(cut, std::span(chunks_).first(chunks), scene_->first, scene_->count, wipe));
  }
  void keep(std::vector<int> cuts) {
    EXPECT_EQ(copies(evaluator_->logits_keeping(chunks_, scene_->first, scene_->count, cuts)), plain());
  }
  static std::vector<std::vector<float>> copies(const Result<std::vector<std::span<const float>>>& logits) {
    std::vector<std::vector<float>> all;
    for (const std::span<const float> chunk : logits.value()) all.emplace_back(chunk.begin(), chunk.end());
    return all;
  }

  std::vector<int32_t> other_;
  std::vector<std::span<const int32_t>> chunks_;
  std::optional<Model> model_;
  std::optional<Evaluator> evaluator_;
};

TEST_F(EvaluatorThatReplays, GivesTheBitsOfAChangedModelFromWhatTheOriginalBroughtThere) {
  keep({7, 15});
  const std::vector<std::vector<float>> original = plain();
  EXPECT_EQ(from(7, 2, /*wipe=*/true), original);
  EXPECT_EQ(from(15, 1, /*wipe=*/true)[0], original[0]);

  const std::string tensor = "blk.15.ffn_down.weight";
  const std::vector<float> values = scene_->changed(tensor);
  std::ranges::copy(values, scene_->image.floats(tensor).begin());
  const std::vector<std::vector<float>> changed = plain();
  EXPECT_NE(changed[0], original[0]);
  EXPECT_EQ(from(15, 2), changed);
  EXPECT_EQ(from(7, 2), changed);
  EXPECT_EQ(from(15, 1)[0], changed[0]);
  EXPECT_EQ(copies(evaluator_->logits(chunks_, scene_->first, scene_->count)), changed)
      << "the whole model again";

  ASSERT_TRUE(evaluator_->logits_from(15, chunks_, scene_->first, scene_->count));
  Evaluator plain_one = Evaluator::create(*model_, scene_->options).value();
  const std::span<const int32_t> prompt = std::span(scene_->tokens).first(20);
  EXPECT_EQ(evaluator_->generate(prompt, 8).value(), plain_one.generate(prompt, 8).value());
}

TEST_F(EvaluatorThatReplays, KnowsTheCutForSeveralTensors) {
  EXPECT_EQ(evaluator_->replay_cut(std::vector<std::string>{"blk.15.attn_q.weight"}), 15);
  EXPECT_EQ(evaluator_->replay_cut(std::vector<std::string>{"blk.15.attn_q.weight", "blk.7.ffn_up.weight"}),
            7);
  EXPECT_EQ(evaluator_->replay_cut(std::vector<std::string>{"output_norm.weight"}), 29);
  EXPECT_EQ(evaluator_->replay_cut(std::vector<std::string>{"blk.15.attn_q.weight", "token_embd.weight"}), 0);
}

TEST_F(EvaluatorThatReplays, RefusesWhatWasNotKept) {
  const auto refusal = [&](int cut, std::vector<std::span<const int32_t>> chunks, int first) {
    return evaluator_->logits_from(cut, chunks, first, scene_->count).error().code;
  };
  const int first = scene_->first;
  EXPECT_EQ(refusal(15, chunks_, first), ErrorCode::kUsage) << "nothing yet";
  keep({15, 30});
  EXPECT_EQ(refusal(7, chunks_, first), ErrorCode::kUsage) << "another layer";
  EXPECT_EQ(refusal(30, chunks_, first), ErrorCode::kUsage) << "no layer";
  EXPECT_EQ(refusal(15, {chunks_[1]}, first), ErrorCode::kUsage) << "another chunk in the first place";
  EXPECT_EQ(refusal(15, chunks_, first + 1), ErrorCode::kUsage) << "a position that was not evaluated";
  keep({});
  EXPECT_EQ(refusal(15, chunks_, first), ErrorCode::kUsage) << "kept once, not any more";

  Evaluator plain = Evaluator::create(*model_, scene_->options).value();
  EXPECT_EQ(plain.replay_cut(std::vector<std::string>{"blk.15.attn_q.weight"}), 0);
  EXPECT_EQ(plain.logits_keeping(chunks_, first, scene_->count, std::vector<int>{15}).error().code,
            ErrorCode::kUsage);
}

TEST(FastAttention, DiffersFromTheEnginesOwnByRoundOffOnly) {
  for (const std::filesystem::path& path : {testing::smollm2_file(), testing::gemma_file()}) {
    FQLAB_REQUIRE_FILE(path);
    Scene scene(path, 128, 64);
    scene.options.fast_attention = false;
    const std::vector<float> plain = scene.whole();
    EXPECT_NE(plain, scene.original) << path << ": nothing was laid out";

    for (float& weight : scene.image.floats("blk.0.ffn_norm.weight")) weight = std::nextafter(weight, 1e9f);
    const double one_unit = largest_difference(plain, scene.whole());
    // Two orders of summing some 64 products differ by 8 units in the last place at random, in every layer.
    const double bound = one_unit * 8 * std::sqrt(scene.replay.layers());
    EXPECT_LT(largest_difference(plain, scene.original), bound) << path;
  }
}

TEST(FastAttention, DoesNotDependOnBatchesThreadsOrWhatWasEvaluatedBefore) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  Scene scene(testing::smollm2_file(), 96, 48);
  const Model model = Model::load(scene.image).value();
  Evaluator evaluator = Evaluator::create(model, {96, 32, 1, false, false, /*fast_attention=*/true}).value();
  const std::span<const int32_t> tokens = scene.tokens, fewer = tokens.first(60);
  EXPECT_EQ(copy(evaluator.logits(tokens, scene.first, scene.count)), scene.original);
  const std::vector<float> of_fewer = copy(evaluator.logits(fewer, 30, 29));
  EXPECT_EQ(copy(evaluator.logits(tokens, scene.first, scene.count)), scene.original);
  EXPECT_EQ(copy(evaluator.logits(fewer, 30, 29)), of_fewer);
  Evaluator plain = Evaluator::create(model, {96, 96, 2}).value();
  EXPECT_EQ(evaluator.generate(fewer, 8).value(), plain.generate(fewer, 8).value())
      << "answers are the engine's own";
}

}  // namespace
}  // namespace fqlab
