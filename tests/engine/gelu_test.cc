#include "engine/gelu.h"

#include <ggml.h>
#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "engine/bits.h"
#include "formats/targets.h"
#include "fqlab/engine.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Each;

/// The definition, with far more digits than the kernel has.
long double slow_gelu(long double x, bool quick) {
  const long double pi = 3.14159265358979323846264338327950288L;
  const long double s = quick ? 1.702L * x : 2 * std::sqrt(2 / pi) * (x + 0.044715L * x * x * x);
  return x / (1 + std::exp(-s));
}

/// Distance in units in the last place of the float that is nearest to the expected value.
double units_off(float found, long double expected) {
  const auto nearest = static_cast<float>(expected);
  const float step = std::nextafter(std::fabs(nearest), INFINITY) - std::fabs(nearest);
  return static_cast<double>(std::fabs(found - expected) / step);
}

std::vector<float> all_half_floats() {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 1u << 16; ++bits) {
    const float x = ggml_fp16_to_fp32(static_cast<ggml_fp16_t>(bits));
    if (std::isfinite(x)) values.push_back(x);
  }
  return values;
}

/// Builds nodes of the engine's kind, with memory of their own.
class GeluNode : public ::testing::Test {
 protected:
  ggml_tensor* tensor(int64_t columns, int64_t rows) {
    return ggml_new_tensor_2d(context_, GGML_TYPE_F32, columns, rows);
  }
  static std::span<float> values(ggml_tensor* tensor) {
    return {static_cast<float*>(tensor->data), static_cast<size_t>(ggml_nelements(tensor))};
  }
  ggml_tensor* filled(const std::vector<float>& with, int64_t rows = 1) {
    ggml_tensor* made = tensor(static_cast<int64_t>(with.size()) / rows, rows);
    std::ranges::copy(with, values(made).begin());
    return made;
  }
  std::vector<float> computed(ggml_tensor* node) {
    EXPECT_TRUE(is_table_gelu(*node));
    compute_gelu(*node);
    return {values(node).begin(), values(node).end()};
  }
  ggml_context* context_ = ggml_init({16u << 20, nullptr, false});
  ~GeluNode() override { ggml_free(context_); }
};

TEST_F(GeluNode, EveryHalfFloatIsRoundedOnceOnEveryTarget) {
  const std::vector<float> x = all_half_floats();
  ggml_tensor *tanh = ggml_gelu(context_, filled(x)), *quick = ggml_gelu_quick(context_, filled(x));
  testing::on_every_target([&] {
    const std::vector<float> by_tanh = computed(tanh), by_quick = computed(quick);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      // Half a unit from the rounding, and what double precision leaves of it: relative 2e-14, times 2^24.
      worst = std::max({worst, units_off(by_tanh[i], slow_gelu(x[i], false)),
                        units_off(by_quick[i], slow_gelu(x[i], true))});
    }
    EXPECT_LE(worst, 0.5 + 1e-6);
  });
}

TEST_F(GeluNode, FarFromZeroItIsTheIdentityOrZero) {
  const std::vector<float> y = computed(ggml_gelu(context_, filled({30, 1e20f, -30, -1e20f, 0, -0.0f})));
  EXPECT_EQ(y, (std::vector<float>{30, 1e20f, 0, 0, 0, 0}));
  testing::on_every_target([&] {
    // Highway's stand-in for machines without vectors, which nobody runs, makes infinities finite.
    if (kernels::target_name() == std::string_view("SCALAR")) return;
    for (ggml_tensor* node : {ggml_gelu(context_, filled({INFINITY, -INFINITY, NAN, 3e38f, -3e38f})),
                              ggml_gelu_quick(context_, filled({INFINITY, -INFINITY, NAN, 3e38f, -3e38f}))}) {
      const std::vector<float> far = computed(node);
      EXPECT_TRUE(std::isnan(far[2]));
      EXPECT_EQ((std::vector<float>{far[0], far[1], far[3], far[4]}),
                (std::vector<float>{INFINITY, 0, 3e38f, 0}));
    }
  });
}

TEST_F(GeluNode, AGateMultipliesWhereverItStands) {
  const std::vector<float> x = {-2, -1, 0.5f, 1, 2, 3, -3, 0.25f, 4}, gate = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<float> x_first, gate_first;  // three rows of three
  for (size_t row = 0; row < 9; row += 3) {
    for (const auto* part : {&x, &gate})
      x_first.insert(x_first.end(), part->begin() + row, part->begin() + row + 3);
    for (const auto* part : {&gate, &x})
      gate_first.insert(gate_first.end(), part->begin() + row, part->begin() + row + 3);
  }
  const std::vector<float> apart = computed(ggml_geglu_split(context_, filled(x, 3), filled(gate, 3)));
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_LE(units_off(apart[i], slow_gelu(x[i], false) * gate[i]), 0.5 + 1e-6) << i;
  EXPECT_EQ(computed(ggml_geglu(context_, filled(x_first, 3))), apart);
  EXPECT_EQ(computed(ggml_geglu_swapped(context_, filled(gate_first, 3))), apart);
}

TEST_F(GeluNode, ItMayOverwriteItsSource) {
  const std::vector<float> x = all_half_floats();
  const std::vector<float> apart = computed(ggml_gelu(context_, filled(x)));
  EXPECT_EQ(computed(ggml_gelu_inplace(context_, filled(x))), apart);
}

TEST_F(GeluNode, OthersAreLeftToTheEngine) {
  ggml_tensor* x = filled({1, 2, 3, 4});
  EXPECT_FALSE(is_table_gelu(*ggml_gelu_erf(context_, x)));
  EXPECT_FALSE(is_table_gelu(*ggml_silu(context_, x)));
  EXPECT_FALSE(is_table_gelu(*ggml_swiglu(context_, x)));
  EXPECT_FALSE(is_table_gelu(*ggml_add(context_, x, x)));
}

/// A model in float32 and 96 of its tokens.
struct Evaluated {
  explicit Evaluated(const std::filesystem::path& path)
      : file(GgufFile::open(path).value()),
        image(WeightImage::create(file, [](const TensorInfo&) { return true; }).value()),
        model(Model::load(image).value()) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += "Line " + std::to_string(i * i) + ": the fox jumps over the dog.\n";
    tokens = model.tokenize(text).value();
    tokens.resize(96);
  }
  std::vector<float> logits(const EvaluatorOptions& options) {
    Evaluator evaluator = Evaluator::create(model, options).value();
    computes_gelu = evaluator.computes_gelu();
    const std::span<const float> found = evaluator.logits(tokens, 48, 40).value();
    return {found.begin(), found.end()};
  }
  /// The largest change of a logit when a norm's weights move by one unit in the last place.
  double noise(const EvaluatorOptions& options) {
    const std::vector<float> before = logits(options);
    const std::span<float> weights = image.floats("blk.0.ffn_norm.weight");
    const std::vector<float> kept(weights.begin(), weights.end());
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = std::nextafter(weights[i], i % 3 == 0 ? INFINITY : -INFINITY);
    const std::vector<float> after = logits(options);
    std::ranges::copy(kept, weights.begin());
    return largest_difference(before, after);
  }
  GgufFile file;
  WeightImage image;
  Model model;
  std::vector<int32_t> tokens;
  bool computes_gelu = false;
};

TEST(ExactGelu, AModelWithoutGeluIsEvaluatedAsEver) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  Evaluated smollm2(testing::smollm2_file());
  const std::vector<float> plain = smollm2.logits({96, 96, 2});
  EXPECT_EQ(smollm2.logits({96, 96, 2, /*exact_gelu=*/true}), plain);
  EXPECT_FALSE(smollm2.computes_gelu);
}

TEST(ExactGelu, OfGemma3DoesNotDependOnBatchesOrThreads) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  Evaluated gemma(testing::gemma_file());
  const std::vector<float> exact = gemma.logits({96, 96, 2, /*exact_gelu=*/true});
  EXPECT_TRUE(gemma.computes_gelu);
  EXPECT_NE(gemma.logits({96, 96, 2}), exact);
  EXPECT_FALSE(gemma.computes_gelu);
  EXPECT_EQ(gemma.logits({96, 32, 1, /*exact_gelu=*/true}), exact);
}

TEST(ExactGelu, WithoutTheTableRoundOffInGemma3IsHundredsOfTimesSmaller) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  Evaluated gemma(testing::gemma_file());
  const double exact = gemma.noise({96, 96, 2, /*exact_gelu=*/true});
  EXPECT_GT(exact, 0);
  EXPECT_LT(exact, gemma.noise({96, 96, 2}) / 100);
}

}  // namespace
}  // namespace fqlab
