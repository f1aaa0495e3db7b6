#include "recipe/equalization.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/random.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kWidth = 64, kHead = 32, kHidden = 96;

/// A model of one layer with two heads that share a value head, and an imatrix of it.
class Equalization : public ::testing::Test {
 protected:
  Equalization() {
    add("token_embd.weight", {kWidth, 10});
    add("blk.0.attn_norm.weight", {kWidth});
    add("blk.0.attn_q.weight", {kWidth, kWidth});
    add("blk.0.attn_k.weight", {kWidth, kHead});
    add("blk.0.attn_v.weight", {kWidth, kHead});
    add("blk.0.attn_v.bias", {kHead});
    add("blk.0.attn_output.weight", {kWidth, kWidth});
    add("blk.0.ffn_norm.weight", {kWidth});
    add("blk.0.ffn_gate.weight", {kWidth, kHidden});
    add("blk.0.ffn_up.weight", {kWidth, kHidden});
    add("blk.0.ffn_down.weight", {kHidden, kWidth});
    add("output_norm.weight", {kWidth});
    for (const char* reader :
         {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
      const std::string name = "blk.0." + std::string(reader) + ".weight";
      squares_[name] = std::vector<float>(shapes_[name][0], 4.0f);
    }
  }

  void add(const std::string& name, std::vector<uint64_t> shape) {
    uint64_t values = 1;
    for (const uint64_t size : shape) values *= size;
    std::vector<float>& all = values_[name];
    for (uint64_t i = 0; i < values; ++i) all.push_back(static_cast<float>(random_.normal()));
    shapes_[name] = std::move(shape);
  }

  GgufFile model() {
    std::vector<NewTensor> tensors;
    for (const auto& [name, values] : values_) {
      const bool matrix = shapes_[name].size() > 1;
      const auto bytes = std::as_bytes(std::span(values));
      tensors.push_back({name, matrix ? type_ : GgmlType::kF32, shapes_[name],
                         matrix && type_ == GgmlType::kF16 ? bytes.first(bytes.size() / 2) : bytes});
    }
    EXPECT_TRUE(write_new_gguf_file(
        {{{"general.architecture", std::string("llama")}, {"llama.attention.head_count", uint32_t{2}}}},
        tensors, folder_ / "model.gguf", true));
    return GgufFile::open(folder_ / "model.gguf").value();
  }

  ImportanceMatrix imatrix() {
    std::vector<ActivationSquares> entries;
    for (const auto& [name, sums] : squares_) entries.push_back({name, sums, {1}});
    EXPECT_TRUE(write_importance_matrix(entries, {{"text"}, 1, 512}, {}, folder_ / "imatrix.gguf", true));
    return ImportanceMatrix::open(folder_ / "imatrix.gguf").value();
  }

  std::vector<SharedInput> equalized(int threads = 2) {
    const GgufFile file = model();
    std::vector<SharedInput> inputs = find_shared_inputs(file);
    const Result<void> done = equalize(file, imatrix(), inputs, threads, [](size_t, size_t) {});
    EXPECT_TRUE(done) << to_string(done.error());
    return inputs;
  }

  static const SharedInput& of(const std::vector<SharedInput>& inputs, const std::string& kind) {
    return *std::ranges::find(inputs, kind, &SharedInput::kind);
  }

  testing::TemporaryFolder folder_;
  GgmlType type_ = GgmlType::kF32;  // of the matrices; as f16 their values are any
  Random random_{7};
  std::map<std::string, std::vector<float>> values_, squares_;
  std::map<std::string, std::vector<uint64_t>> shapes_;
};

TEST_F(Equalization, FindsWhatReadsWhat) {
  const std::vector<SharedInput> inputs = find_shared_inputs(model());
  ASSERT_EQ(inputs.size(), 4u);
  EXPECT_THAT(of(inputs, "attn_norm").readers,
              ElementsAre("blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"));
  EXPECT_EQ(of(inputs, "attn_norm").source, "blk.0.attn_norm.weight");
  EXPECT_THAT(of(inputs, "ffn_norm").readers, ElementsAre("blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"));
  EXPECT_THAT(of(inputs, "ffn_up").readers, ElementsAre("blk.0.ffn_down.weight"));
  EXPECT_EQ(of(inputs, "ffn_up").source, "blk.0.ffn_up.weight");
  const SharedInput& values = of(inputs, "attn_v");
  EXPECT_THAT(values.readers, ElementsAre("blk.0.attn_output.weight"));
  EXPECT_EQ(values.source_of[5], 5u);
  EXPECT_EQ(values.source_of[kHead + 5], 5u) << "the second head reads the value head of the first";
}

TEST_F(Equalization, WithoutAGateTheHiddenLayerIsNotScaled) {
  values_.erase("blk.0.ffn_gate.weight");
  squares_.erase("blk.0.ffn_gate.weight");
  const std::vector<SharedInput> inputs = find_shared_inputs(model());
  EXPECT_EQ(std::ranges::find(inputs, "ffn_up", &SharedInput::kind), inputs.end());
}

TEST_F(Equalization, AnOutputMatrixOfItsOwnReadsTheLastNorm) {
  add("output.weight", {kWidth, 10});
  const std::vector<SharedInput> inputs = find_shared_inputs(model());
  EXPECT_THAT(of(inputs, "output_norm").readers, ElementsAre("output.weight"));
}

TEST_F(Equalization, EveryFactorIsUndoneWhereItsInputComesFrom) {
  const GgufFile file = model();
  std::vector<SharedInput> inputs = find_shared_inputs(file);
  for (SharedInput& input : inputs)
    for (size_t c = 0; c < input.exponents.size(); ++c)
      input.exponents[c] = static_cast<int>(input.source_of[c] % 5) - 2;
  const auto scale = [&](const std::string& name) { return scale_of(*file.find_tensor(name), inputs); };
  for (const SharedInput& input : inputs) {
    const std::vector<int> source = scale(input.source).rows;
    for (const std::string& reader : input.readers) {
      const std::vector<int> columns = scale(reader).columns;
      ASSERT_EQ(columns.size(), input.source_of.size());
      for (size_t c = 0; c < columns.size(); ++c) ASSERT_EQ(columns[c] + source[input.source_of[c]], 0);
    }
  }
  EXPECT_EQ(scale("blk.0.attn_v.bias").rows, scale("blk.0.attn_v.weight").rows);
  EXPECT_THAT(scale("token_embd.weight").columns, IsEmpty());
  EXPECT_THAT(scale("output_norm.weight").rows, IsEmpty());
}

TEST_F(Equalization, ScalesColumnsAndRowsAndBackToTheSameBits) {
  const TensorScale scale{{1, 0}, {0, -1, 3}};
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  apply_scale(scale, values);
  EXPECT_THAT(values, ElementsAre(2, 2, 3, 2, 80, 48));
  apply_scale(scale, values, -1);
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(Equalization, AColumnWhoseInputStandsOutIsScaledUp) {
  for (const char* reader : {"attn_q", "attn_k", "attn_v"})
    squares_["blk.0." + std::string(reader) + ".weight"][3] = 4.0f * 1024;  // 32 times the others
  const std::vector<SharedInput> inputs = equalized();
  const std::vector<int>& exponents = of(inputs, "attn_norm").exponents;
  const int others = *std::max_element(exponents.begin() + 4, exponents.begin() + 32);
  // Half of the way, 2^2.5, where weights and activations had as many bits; less here, where weights have
  // fewer.
  EXPECT_GE(exponents[3] - others, 1);
  EXPECT_LE(exponents[3] - others, 3);
}

TEST_F(Equalization, QuantizedProductsLoseLess) {
  for (const char* reader : {"attn_q", "attn_k", "attn_v"})
    for (size_t c = 0; c < kWidth; c += 16)
      squares_["blk.0." + std::string(reader) + ".weight"][c] = 4.0f * 1024;
  const std::vector<int> exponents = of(equalized(), "attn_norm").exponents;
  const std::vector<float>& weights = values_["blk.0.attn_q.weight"];
  const std::vector<float>& squares = squares_["blk.0.attn_q.weight"];

  // 5 bits a weight, 8 an activation, in blocks of 32, by the definition: nothing of the code under test.
  const auto rounded = [](std::vector<float> row, float steps) {
    for (size_t b = 0; b < row.size(); b += 32) {
      float most = 0;
      for (size_t j = b; j < b + 32; ++j) most = std::max(most, std::fabs(row[j]));
      for (size_t j = b; j < b + 32; ++j)
        row[j] = most == 0 ? 0 : std::nearbyint(row[j] * steps / most) * most / steps;
    }
    return row;
  };
  const auto error = [&](bool scaled) {
    Random random(3);
    double sum = 0;
    for (int token = 0; token < 50; ++token) {
      std::vector<float> input(kWidth);
      for (size_t c = 0; c < kWidth; ++c)
        input[c] = std::ldexp(static_cast<float>(random.normal()) * std::sqrt(squares[c]),
                              scaled ? -exponents[c] : 0);
      const std::vector<float> coarse_input = rounded(input, 127);
      for (uint64_t r = 0; r < kWidth; ++r) {
        std::vector<float> row(weights.begin() + static_cast<ptrdiff_t>(r * kWidth),
                               weights.begin() + static_cast<ptrdiff_t>((r + 1) * kWidth));
        for (size_t c = 0; c < kWidth; ++c) row[c] = std::ldexp(row[c], scaled ? exponents[c] : 0);
        const std::vector<float> coarse = rounded(row, 15);
        double exact = 0, found = 0;
        for (size_t c = 0; c < kWidth; ++c) {
          exact += static_cast<double>(row[c]) * input[c];
          found += static_cast<double>(coarse[c]) * coarse_input[c];
        }
        sum += (found - exact) * (found - exact);
      }
    }
    return sum;
  };
  EXPECT_LT(error(true), 0.6 * error(false));
}

TEST_F(Equalization, HeadsThatShareAValueHeadMoveTogether) {
  squares_["blk.0.attn_output.weight"][5] = 4.0f * 1024;
  const std::vector<SharedInput> inputs = equalized();
  const std::vector<int>& exponents = of(inputs, "attn_v").exponents;
  EXPECT_GE(exponents[5], 1);
  for (size_t c = 0; c < kHead; ++c) EXPECT_EQ(exponents[c], exponents[kHead + c]);
}

TEST_F(Equalization, DoesNotDependOnThreads) {
  for (auto& [name, squares] : squares_)
    for (float& square : squares) square = static_cast<float>(std::exp(3 * random_.normal()));
  squares_["blk.0.attn_k.weight"] = squares_["blk.0.attn_v.weight"] = squares_["blk.0.attn_q.weight"];
  const std::vector<SharedInput> one = equalized(1), three = equalized(3);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].exponents, three[i].exponents);
  EXPECT_THAT(one[0].exponents, ::testing::Not(Each(0)));
}

TEST_F(Equalization, InputsThatAreAlwaysZeroAreBounded) {
  for (float& square : squares_["blk.0.ffn_down.weight"]) square = 0;
  squares_["blk.0.ffn_down.weight"][1] = 1;
  const std::vector<SharedInput> inputs = equalized();
  const std::vector<int>& exponents = of(inputs, "ffn_up").exponents;
  EXPECT_GT(exponents[1], exponents[2]);
  EXPECT_THAT(std::vector<int>(exponents.begin() + 64, exponents.end()), Each(0))
      << "a block without any input";
}

TEST_F(Equalization, AnInputWithoutAnEntryKeepsItsScale) {
  squares_.erase("blk.0.ffn_down.weight");
  EXPECT_THAT(of(equalized(), "ffn_up").exponents, Each(0));
}

TEST_F(Equalization, AnImatrixOfAnotherShapeIsRefused) {
  squares_["blk.0.ffn_down.weight"].resize(32);
  const GgufFile file = model();
  std::vector<SharedInput> inputs = find_shared_inputs(file);
  const Result<void> done = equalize(file, imatrix(), inputs, 1, [](size_t, size_t) {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kUsage);
}

TEST_F(Equalization, AVectorThatReadsTheNormIsScaledValueByValue) {
  add("blk.0.ffn_gate_inp_shexp.weight", {kWidth});
  const GgufFile file = model();
  std::vector<SharedInput> inputs = find_shared_inputs(file);
  SharedInput& norm = *std::ranges::find(inputs, "ffn_norm", &SharedInput::kind);
  norm.exponents[2] = 3;
  const TensorScale scale = scale_of(*file.find_tensor("blk.0.ffn_gate_inp_shexp.weight"), inputs);
  std::vector<float> values(kWidth, 1.0f);
  apply_scale(scale, values);
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[2], 8.0f);
}

TEST_F(Equalization, ExpertsOfALayerAreScaledTogether) {
  values_.erase("blk.0.ffn_gate.weight");
  values_.erase("blk.0.ffn_up.weight");
  squares_.erase("blk.0.ffn_gate.weight");
  squares_.erase("blk.0.ffn_up.weight");
  add("blk.0.ffn_gate_exps.weight", {kWidth, kHidden, 2});
  add("blk.0.ffn_gate_inp.weight", {kWidth, 2});
  squares_["blk.0.ffn_gate_exps.weight"] = std::vector<float>(2 * kWidth, 4.0f);
  squares_["blk.0.ffn_gate_inp.weight"] = std::vector<float>(kWidth, 4.0f);
  squares_["blk.0.ffn_gate_inp.weight"][7] = 4096;  // which sees every token
  const std::vector<SharedInput> inputs = equalized();
  EXPECT_GE(of(inputs, "ffn_norm").exponents[7], 1);
  const GgufFile file = GgufFile::open(folder_ / "model.gguf").value();
  const TensorScale scale = scale_of(*file.find_tensor("blk.0.ffn_gate_exps.weight"), inputs);
  std::vector<float> values(2 * kWidth * kHidden, 1.0f);
  apply_scale(scale, values);
  EXPECT_EQ(values[7], values[kWidth * kHidden + 7]);
  EXPECT_EQ(std::log2(values[7]), static_cast<float>(of(inputs, "ffn_norm").exponents[7]));
}

TEST_F(Equalization, NoF16ValueIsMadeSmaller) {
  for (auto& [name, squares] : squares_)
    for (float& square : squares) square = static_cast<float>(std::exp(3 * random_.normal()));
  std::vector<SharedInput> inputs = equalized();
  const std::vector<int> before = of(inputs, "attn_norm").exponents;
  const GgufFile wide = model();
  std::vector<SharedInput> same = inputs;
  avoid_underflow(wide, same);
  EXPECT_EQ(of(same, "attn_norm").exponents, before) << "float32 needs no lift";
  type_ = GgmlType::kF16;
  const GgufFile half = model();
  avoid_underflow(half, inputs);
  const std::vector<int>& after = of(inputs, "attn_norm").exponents;
  for (size_t c = 1; c < before.size(); ++c) EXPECT_EQ(after[c] - after[0], before[c] - before[0]);
  for (const TensorInfo& tensor : half.tensors()) {
    if (!tensor.is_matrix()) continue;
    const TensorScale scale = scale_of(tensor, inputs);
    const int columns = scale.columns.empty() ? 0 : *std::ranges::min_element(scale.columns);
    const int rows = scale.rows.empty() ? 0 : *std::ranges::min_element(scale.rows);
    EXPECT_GE(columns + rows, 0) << tensor.name;
  }
}

}  // namespace
}  // namespace fqlab
