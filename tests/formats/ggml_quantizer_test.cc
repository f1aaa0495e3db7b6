// gguf: formats: ggml's own numbers, and refusals instead of aborts.
#include <gmock/gmock.h>

#include <cstdlib>
#include <numeric>

#include "base/random.h"
#include "formats/ggml_names.h"
#include "quantize_for_test.h"
#include "testing.h"

namespace fqlab {
namespace {

using testing::canonical;
using ::testing::HasSubstr;
using testing::quantized;
using testing::spec;

std::vector<float> weights(size_t size) {
  Random random(21);
  std::vector<float> values;
  for (size_t i = 0; i < size; ++i) values.push_back(static_cast<float>(0.05 * random.normal()));
  return values;
}

bool has_engine() {
  std::vector<float> block(32);
  return fake_quantize(spec("gguf:q8_0"), block, block, 32).has_value();
}

TEST(GgmlQuantizer, RoundsQ8BlocksAsItsDefinitionSays) {
  if (!has_engine()) GTEST_SKIP() << "absent: the engine";
  std::vector<float> in(32);
  std::iota(in.begin(), in.end(), -15.5f);
  in[0] = 127;  // the scale is 1
  std::vector<float> out = quantized("q8_0", in);
  EXPECT_EQ(out[0], 127);
  for (size_t i = 1; i < 32; ++i) EXPECT_EQ(out[i], std::round(in[i]));  // ties away from zero
}

TEST(GgmlQuantizer, QuantizesEveryTypeCloselyAndIndependentlyOfThreads) {
  if (!has_engine()) GTEST_SKIP() << "absent: the engine";
  const std::vector<float> in = weights(512 * 8);
  std::vector<float> importance(512);
  for (size_t i = 0; i < importance.size(); ++i) importance[i] = 1.0f + static_cast<float>(i % 7);
  for (const std::string& name : quantizable_ggml_names()) {
    // ggml builds the search tables of these in seconds: make test-long.
    if (std::getenv("FQLAB_LONG") == nullptr &&
        (name.starts_with("iq1") || name.starts_with("iq2") || name.starts_with("iq3")))
      continue;
    QuantizeCounts counts;
    const std::string text = "gguf:" + name;
    const std::vector<float> out = quantized(text, in, 512, &counts, {1, importance});
    double error = 0, power = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      error += std::pow(static_cast<double>(in[i]) - out[i], 2);
      power += std::pow(static_cast<double>(in[i]), 2);
    }
    EXPECT_LT(error / power, 0.8)
        << text;  // ternary types with the scale absmax are the worst: 0.67 here; zeros give 1
    EXPECT_EQ(counts.values, in.size());
    EXPECT_EQ(canonical(quantized(text, in, 512, nullptr, {3, importance})), canonical(out)) << text;
  }
}

TEST(GgmlQuantizer, UsesTheImportance) {
  if (!has_engine()) GTEST_SKIP() << "absent: the engine";
  const std::vector<float> in = weights(256 * 4);
  std::vector<float> importance(256, 0.01f);
  for (size_t i = 0; i < 64; ++i) importance[i] = 100;
  EXPECT_NE(quantized("gguf:iq4_nl", in, 256), quantized("gguf:iq4_nl", in, 256, nullptr, {1, importance}));
}

std::string error_of(const std::string& text, const std::vector<float>& in, size_t columns,
                     std::vector<float> importance = {}) {
  std::vector<float> out(in.size());
  const auto result = fake_quantize(spec(text), in, out, columns, {1, importance});
  return result ? "accepted" : to_string(result.error());
}

TEST(GgmlQuantizer, RefusesWhatGgmlWouldAbortOn) {
  std::vector<float> in = weights(256 * 3);
  EXPECT_THAT(error_of("gguf:q4_k", in, 96),
              HasSubstr("a row of 96 values is no multiple of the block of 256 (gguf:q4_k)"));
  for (const char* type : {"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s"})
    EXPECT_THAT(error_of(std::string("gguf:") + type, in, 256), HasSubstr("needs an imatrix"));
  EXPECT_THAT(error_of("gguf:q4_k", in, 256, {1, 2, 3}),
              HasSubstr("the imatrix has 3 columns and the tensor 256"));
  in[7] = NAN;
  EXPECT_THAT(error_of("gguf:q4_k", in, 256), HasSubstr("finite values only"));
  in[7] = 4e8f;
  EXPECT_THAT(error_of("gguf:q4_k", in, 256), HasSubstr("values of up to 4e+08 are too large"));
  EXPECT_EQ(error_of("gguf:bf16", in, 256), "accepted");
  in[7] = 100;
  EXPECT_THAT(error_of("gguf:q4_k", in, 256, std::vector<float>(256, 1e30f)),
              HasSubstr("values of up to 100 with an importance of up to 1e+30 are too large"));
}

TEST(GgmlQuantizer, SurvivesTheLargestValuesThatItIsGiven) {
  if (!has_engine()) GTEST_SKIP() << "absent: the engine";
  Random random(3);
  for (const std::string& name : quantizable_ggml_names()) {
    if (std::getenv("FQLAB_LONG") == nullptr && (name.starts_with("iq1") || name.starts_with("iq2")))
      continue;
    for (const float largest : {3e8f, 1e4f, 1.0f, 1e-20f})
      for (const float share : {0.0f, 1e-6f, 1.0f}) {  // of what the importance may be
        if (share == 0 && (name.starts_with("iq1") || name.starts_with("iq2"))) continue;
        std::vector<float> in(256 * 8), importance(share == 0 ? 0 : 256);
        for (float& x : in) x = largest * static_cast<float>(2 * random.uniform() - 1);
        const double most = std::min(3e38, 0.99e18 / largest / largest);
        for (float& w : importance) w = static_cast<float>(most * share * random.uniform());
        EXPECT_EQ(error_of("gguf:" + name, in, 256, importance), "accepted")
            << name << " " << largest << " " << share;
      }
  }
}

}  // namespace
}  // namespace fqlab
