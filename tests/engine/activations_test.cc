#include "fqlab/activations.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kExperts = 4, kChosen = 2;

/// stories260k (output of its own, float32), its relatives, and 192 tokens.
class Activations : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::shared_file("data/stories260k-f32.gguf"));
    file_.emplace(GgufFile::open(testing::shared_file("data/stories260k-f32.gguf")).value());
    std::string text;
    for (int i = 0; i < 99; ++i) text += "Once upon a time there were " + std::to_string(i * i) + " birds. ";
    tokens_ = Model::load(*file_)->tokenize(text).value();
    ASSERT_GE(tokens_.size(), 1200u);
  }
  std::span<const int32_t> chunk(size_t number, size_t size = 96) const {
    return std::span(tokens_).subspan(number * size, size);
  }
  static Result<std::vector<ActivationSquares>> collect(const GgufFile& file,
                                                        std::vector<std::span<const int32_t>> chunks,
                                                        ActivationOptions options = {96, 2}) {
    return collect_activation_squares(Model::load(file).value(), chunks, options, {});
  }
  static const ActivationSquares* find(const std::vector<ActivationSquares>& all, const std::string& name) {
    const auto found = std::ranges::find(all, name, &ActivationSquares::tensor);
    return found == all.end() ? nullptr : &*found;
  }
  /// The model without some of its tensors and with others.
  GgufFile relative(const std::string& name, const std::function<bool(const TensorInfo&)>& keep,
                    std::vector<NewTensor> tensors = {}, std::vector<GgufMetadata> more = {}) {
    for (const TensorInfo& tensor : file_->tensors())
      if (keep(tensor)) tensors.push_back({tensor.name, tensor.type, tensor.shape, file_->data(tensor)});
    std::vector<GgufMetadata> metadata(file_->metadata().begin(), file_->metadata().end());
    metadata.insert(metadata.end(), more.begin(), more.end());
    const auto written = write_new_gguf_file(metadata, tensors, folder_ / name, false);
    EXPECT_TRUE(written) << to_string(written.error());
    return GgufFile::open(folder_ / name).value();
  }
  /// Every feed-forward part replaced by kExperts copies of it and a router.
  GgufFile with_experts() {
    std::vector<std::vector<std::byte>> data;
    std::vector<NewTensor> experts;
    const auto add = [&](std::string name, std::vector<uint64_t> shape, std::vector<std::byte> values) {
      data.push_back(std::move(values));
      experts.push_back({std::move(name), GgmlType::kF32, std::move(shape), data.back()});
    };
    data.reserve(1000);
    for (const TensorInfo& tensor : file_->tensors()) {
      const TensorName name = parse_tensor_name(tensor.name);
      if (!is_feed_forward(tensor)) continue;
      std::vector<std::byte> copies;
      for (uint32_t i = 0; i < kExperts; ++i)
        copies.insert(copies.end(), file_->data(tensor).begin(), file_->data(tensor).end());
      const std::string prefix = "blk." + std::to_string(*name.layer) + ".";
      add(prefix + name.kind + "_exps.weight", {tensor.shape[0], tensor.shape[1], kExperts}, copies);
      if (name.kind != "ffn_gate") continue;
      std::vector<float> router(tensor.shape[0] * kExperts);
      for (size_t i = 0; i < router.size(); ++i) router[i] = std::sin(static_cast<float>(i * i));
      const auto bytes = std::as_bytes(std::span(router));
      add(prefix + "ffn_gate_inp.weight", {tensor.shape[0], kExperts}, {bytes.begin(), bytes.end()});
    }
    return relative("experts.gguf", [](const TensorInfo& tensor) { return !is_feed_forward(tensor); },
                    std::move(experts),
                    {{"llama.expert_count", kExperts}, {"llama.expert_used_count", kChosen}});
  }
  static bool is_feed_forward(const TensorInfo& tensor) {
    const std::string kind = parse_tensor_name(tensor.name).kind;
    return kind == "ffn_gate" || kind == "ffn_up" || kind == "ffn_down";
  }
  std::optional<GgufFile> file_;
  std::vector<int32_t> tokens_;
  testing::TemporaryFolder folder_;
};

TEST_F(Activations, OfTheFirstLayerAreTheNormedEmbeddings) {
  const auto squares = collect(*file_, {chunk(0)}).value();
  const std::vector<float> embedding = file_->read_floats(*file_->find_tensor("token_embd.weight")).value();
  const std::vector<float> norm = file_->read_floats(*file_->find_tensor("blk.0.attn_norm.weight")).value();
  const float epsilon = std::get<float>(*file_->find_metadata("llama.attention.layer_norm_rms_epsilon"));
  const size_t width = norm.size();
  std::vector<double> expected(width);
  for (const int32_t token : chunk(0)) {
    const std::span<const float> x = std::span(embedding).subspan(static_cast<size_t>(token) * width, width);
    double mean_square = epsilon;
    for (const float value : x)
      mean_square += static_cast<double>(value) * value / static_cast<double>(width);
    for (size_t j = 0; j < width; ++j) expected[j] += std::pow(x[j] * norm[j], 2) / mean_square;
  }
  const ActivationSquares* found = find(squares, "blk.0.attn_q.weight");
  ASSERT_NE(found, nullptr);
  ASSERT_EQ(found->sums.size(), width);
  // Each of 96 additions, and what they add, is off by a few roundings of 2^-24.
  for (size_t j = 0; j < width; ++j) EXPECT_NEAR(found->sums[j], expected[j], 2e-5 * expected[j]) << j;
}

TEST_F(Activations, AreCollectedOfEveryMatrixOfTheLayersAndCountEveryToken) {
  const auto squares = collect(*file_, {chunk(0), chunk(1)}).value();
  size_t matrices = 0;
  for (const TensorInfo& tensor : file_->tensors()) {
    const ActivationSquares* found = find(squares, tensor.name);
    const bool wanted = tensor.is_matrix() && parse_tensor_name(tensor.name).layer;
    EXPECT_EQ(found != nullptr, wanted) << tensor.name;
    if (!wanted || found == nullptr) continue;
    ++matrices;
    EXPECT_EQ(found->counts, std::vector<uint64_t>{192}) << tensor.name << ": the last layer's too";
    EXPECT_EQ(found->sums.size(), tensor.columns());
  }
  EXPECT_EQ(squares.size(), matrices);
  EXPECT_TRUE(std::ranges::is_sorted(squares, {}, &ActivationSquares::tensor));
  EXPECT_EQ(find(squares, "blk.3.attn_q.weight")->sums, find(squares, "blk.3.attn_v.weight")->sums)
      << "one input";
}

TEST_F(Activations, OfSeveralChunksAddUp) {
  const auto first = collect(*file_, {chunk(0)}).value(), second = collect(*file_, {chunk(1)}).value();
  const auto both = collect(*file_, {chunk(0), chunk(1)}).value();
  ASSERT_EQ(both.size(), first.size());
  for (size_t i = 0; i < both.size(); ++i)
    for (size_t j = 0; j < both[i].sums.size(); ++j) {
      const float sum = first[i].sums[j] + second[i].sums[j];
      // The order of summation differs: at most 192 roundings of 2^-24.
      EXPECT_NEAR(both[i].sums[j], sum, 192 * sum * 0x1p-24f) << both[i].tensor;
    }
}

TEST_F(Activations, DoNotDependOnThreads) {
  const auto two = collect(*file_, {chunk(0)}, {96, 2}).value(),
             one = collect(*file_, {chunk(0)}, {96, 1}).value();
  for (size_t i = 0; i < two.size(); ++i) EXPECT_EQ(two[i].sums, one[i].sums) << two[i].tensor;
}

TEST_F(Activations, CountEveryTokenOfAChunkThatTakesSeveralCalls) {
  const auto squares = collect(*file_, {chunk(0, 520)}, {520, 2}).value();
  for (const ActivationSquares& each : squares) EXPECT_EQ(each.counts, std::vector<uint64_t>{520});
}

TEST_F(Activations, OfTheOutputAreCollectedWhenAskedFor) {
  ActivationOptions options{96, 2};
  EXPECT_EQ(find(collect(*file_, {chunk(0)}, options).value(), "output.weight"), nullptr);
  options.output = true;
  const auto squares = collect(*file_, {chunk(0)}, options).value();
  ASSERT_NE(find(squares, "output.weight"), nullptr);
  EXPECT_EQ(find(squares, "output.weight")->counts, std::vector<uint64_t>{96});
  EXPECT_EQ(find(squares, "token_embd.weight"), nullptr);
}

TEST_F(Activations, OfATiedEmbeddingAreThoseOfTheOutputItStandsFor) {
  const GgufFile tied =
      relative("tied.gguf", [](const TensorInfo& tensor) { return tensor.name != "output.weight"; });
  ActivationOptions options{96, 2};
  options.output = true;
  const auto untied = collect(*file_, {chunk(0)}, options).value();
  options.output = false;
  const auto squares = collect(tied, {chunk(0)}, options).value();
  ASSERT_NE(find(squares, "token_embd.weight"), nullptr);
  EXPECT_EQ(find(squares, "token_embd.weight")->sums, find(untied, "output.weight")->sums)
      << "what enters the output does not depend on it";
  EXPECT_EQ(find(squares, "token_embd.weight")->counts, std::vector<uint64_t>{96});
  options.tied_embedding = false;
  EXPECT_EQ(find(collect(tied, {chunk(0)}, options).value(), "token_embd.weight"), nullptr);
}

TEST_F(Activations, OfExpertsAreToldApart) {
  const auto squares = collect(with_experts(), {chunk(0)}).value();
  for (const int layer : {0, 4}) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const ActivationSquares *router = find(squares, prefix + "ffn_gate_inp.weight"),
                            *gate = find(squares, prefix + "ffn_gate_exps.weight"),
                            *down = find(squares, prefix + "ffn_down_exps.weight");
    ASSERT_TRUE(router != nullptr && gate != nullptr && down != nullptr);
    const size_t width = router->sums.size();
    EXPECT_EQ(gate->counts.size(), kExperts);
    EXPECT_EQ(gate->counts, down->counts);
    EXPECT_EQ(std::accumulate(gate->counts.begin(), gate->counts.end(), uint64_t{0}), 96u * kChosen);
    EXPECT_LT(*std::ranges::min_element(gate->counts), *std::ranges::max_element(gate->counts));
    ASSERT_EQ(gate->sums.size(), kExperts * width);
    for (size_t j = 0; j < width; ++j) {
      float of_all = 0;
      for (size_t expert = 0; expert < kExperts; ++expert) of_all += gate->sums[expert * width + j];
      // Every token enters the router once and kChosen experts; at most 200 roundings.
      EXPECT_NEAR(of_all, kChosen * router->sums[j], 200 * of_all * 0x1p-24f) << layer << " " << j;
    }
  }
}

TEST_F(Activations, ThatAreNotFiniteAreRefusedByName) {
  const std::vector<float> nan(64, std::numeric_limits<float>::quiet_NaN());
  const GgufFile broken =
      relative("nan.gguf", [](const TensorInfo& tensor) { return tensor.name != "blk.2.ffn_norm.weight"; },
               {{"blk.2.ffn_norm.weight", GgmlType::kF32, {64}, std::as_bytes(std::span(nan))}});
  const auto squares = collect(broken, {chunk(0)});
  ASSERT_FALSE(squares);
  EXPECT_EQ(squares.error().code, ErrorCode::kEngine);
  EXPECT_THAT(squares.error().what, HasSubstr("not finite"));
  EXPECT_THAT(squares.error().where, HasSubstr("blk.2.ffn_"));
}

TEST_F(Activations, NeedSixteenTokensAChunk) {
  EXPECT_EQ(collect(*file_, {chunk(0, 15)}).error().code, ErrorCode::kUsage);
  EXPECT_TRUE(collect(*file_, {chunk(0, 16)}));
}

TEST_F(Activations, TellHowFarTheyAre) {
  std::vector<std::pair<size_t, size_t>> told;
  const std::vector<std::span<const int32_t>> chunks = {chunk(0), chunk(1)};
  ASSERT_TRUE(collect_activation_squares(Model::load(*file_).value(), chunks, {96, 2},
                                         [&](size_t done, size_t all) { told.emplace_back(done, all); }));
  EXPECT_EQ(told, (std::vector<std::pair<size_t, size_t>>{{1, 2}, {2, 2}}));
}

}  // namespace
}  // namespace fqlab
