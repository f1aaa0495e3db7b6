// Real quantization. That its bytes are those of stock llama-quantize: tests/oracles/check_build.py.
#include "fqlab/quantizer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "engine/imatrix_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string name_of(GgmlType type) { return std::string(ggml_type_info(type)->name); }
GgmlType type(std::string_view name) { return ggml_type_info(name)->type; }

std::map<std::string, std::string> by_name(const std::vector<TensorType>& types) {
  std::map<std::string, std::string> out;
  for (const TensorType& each : types) out[each.name] = name_of(each.type);
  return out;
}

TEST(NeedsImatrix, IsLlamaQuantizesRule) {
  const auto needs = [](const char* tensor, const char* type) {
    return needs_imatrix(tensor, ggml_type_info(std::string_view(type))->type);
  };
  EXPECT_TRUE(needs("blk.0.ffn_down.weight", "iq3_xxs"));
  EXPECT_FALSE(needs("token_embd.weight", "iq3_xxs"));
  EXPECT_TRUE(needs("token_embd.weight", "iq2_xxs"));
  EXPECT_FALSE(needs("blk.0.ffn_down.weight", "q4_K"));
}

TEST(StockMixes, AreLlamaQuantizesNames) {
  EXPECT_THAT(stock_mixes(), Contains("Q4_K_M"));
  EXPECT_THAT(stock_mixes(), ::testing::Not(Contains("F16")));
  EXPECT_EQ(stock_mixes().back(), "Q8_0");
}

TEST(StockMix, GivesSmolLm2TheTypesThatItsRowsCanHave) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  const GgufFile file = GgufFile::open(testing::smollm2_file()).value();
  const auto types = stock_mix(file, "q4_k_m", false).value();
  EXPECT_EQ(types.size(), 211u) << "30 layers of 7 matrices, and the tied embedding; no norms";
  auto mix = by_name(types);
  EXPECT_EQ(mix["token_embd.weight"], "q8_0") << "rows of 576 values: q6_K falls back";
  EXPECT_EQ(mix["blk.0.attn_q.weight"], "q5_0");
  EXPECT_EQ(mix["blk.0.attn_v.weight"], "q8_0");
  EXPECT_EQ(mix["blk.0.ffn_down.weight"], "q6_K") << "rows of 1536 values";
  EXPECT_EQ(mix["blk.4.ffn_down.weight"], "q4_K");
  EXPECT_EQ(by_name(stock_mix(file, "Q4_K", false).value()), mix);
}

TEST(StockMix, KnowsWhatAnImatrixChanges) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  const GgufFile file = GgufFile::open(testing::smollm2_file()).value();
  EXPECT_EQ(by_name(stock_mix(file, "Q4_0", false).value())["blk.0.ffn_down.weight"], "q4_0");
  EXPECT_EQ(by_name(stock_mix(file, "Q4_0", true).value())["blk.0.ffn_down.weight"], "q4_1");
}

/// A llama of 5 layers, 64 wide, all F32, output untied; the rows of ffn_down have 172 values.
class QuantizerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    file_.emplace(GgufFile::open(model_).value());
    request_.output = folder_ / "out.gguf";
    const std::vector<std::string> some = {"q4_0", "q8_0", "iq4_nl", "f16", "q5_1", "bf16", "f32"};
    size_t next = 0;
    const auto quantizable = stock_mix(*file_, "Q8_0", false).value();
    for (const TensorType& each : quantizable)
      request_.types.push_back(
          {each.name, each.type == GgmlType::kF16 ? GgmlType::kF16 : type(some[next++ % some.size()])});
  }
  Result<GgufLayout> write() { return write_quantized(*file_, request_, {}); }
  Error refused() {
    const auto written = write();
    EXPECT_FALSE(written);
    EXPECT_FALSE(std::filesystem::exists(request_.output));
    return written ? Error{} : written.error();
  }
  GgmlType& planned(const std::string& name) {
    return std::ranges::find(request_.types, name, &TensorType::name)->type;
  }
  uint64_t predicted() {
    GgufRewrite rewrite;
    rewrite.set_metadata = quantization_metadata(*file_, request_.imatrix).value();
    rewrite.set_metadata.insert(rewrite.set_metadata.end(), request_.metadata.begin(),
                                request_.metadata.end());
    for (const TensorType& each : request_.types) rewrite.replacements.push_back({each.name, each.type, {}});
    return plan_rewrite(*file_, rewrite).value().file_bytes;
  }
  const std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  testing::TemporaryFolder folder_;
  std::optional<GgufFile> file_;
  QuantizeRequest request_;
};

TEST_F(QuantizerTest, EveryStockMixFitsTheModelsRows) {
  for (const std::string& mix : stock_mixes()) {
    const auto types = stock_mix(*file_, mix, false);
    if (mix == "Q1_0") {  // blocks of 128, and llama.cpp has nothing to put in their place
      EXPECT_THAT(types.error().what, HasSubstr("no tensor type fallback is defined for type q1_0"));
      continue;
    }
    ASSERT_TRUE(types) << mix << to_string(types.error());
    EXPECT_EQ(types->size(), 37u) << "5 layers of 7 matrices, token_embd and output";
    for (const TensorType& each : *types)
      EXPECT_EQ(file_->find_tensor(each.name)->columns() % ggml_type_info(each.type)->block_elements, 0u)
          << mix << " " << each.name;
  }
}

TEST_F(QuantizerTest, AnUnknownMixIsRefusedWithTheNearest) {
  EXPECT_THAT(stock_mix(*file_, "Q4_KM", false).error().hint, HasSubstr("did you mean Q4_K"));
  EXPECT_EQ(stock_mix(*file_, "F16", false).error().code, ErrorCode::kUsage);
}

TEST_F(QuantizerTest, TheFileHasTheTypesTheRestOfTheSourceAndThePredictedSize) {
  request_.metadata = {{"fqlab.plan", std::string("105MB")}};
  const auto layout = write();
  ASSERT_TRUE(layout) << to_string(layout.error());
  const GgufFile made = GgufFile::open(request_.output).value();
  const auto wanted = by_name(request_.types);
  ASSERT_EQ(made.tensors().size(), file_->tensors().size());
  for (size_t i = 0; i < made.tensors().size(); ++i) {
    const TensorInfo &old = file_->tensors()[i], &now = made.tensors()[i];
    EXPECT_EQ(now.name, old.name);
    EXPECT_EQ(name_of(now.type), wanted.contains(now.name) ? wanted.at(now.name) : name_of(old.type));
    if (now.type != old.type) continue;
    EXPECT_TRUE(std::ranges::equal(file_->data(old), made.data(now))) << now.name;
  }
  EXPECT_EQ(made.file_bytes(), predicted());
  EXPECT_EQ(layout->file_bytes, predicted());
  EXPECT_EQ(made.metadata_string("fqlab.plan"), "105MB");
  EXPECT_EQ(made.metadata_uint("general.quantization_version"), 2u);
  EXPECT_EQ(made.find_metadata("quantize.imatrix.file"), nullptr);
  EXPECT_EQ(testing::files_in(folder_.path()), 1u) << "no temporary file stays";
}

TEST_F(QuantizerTest, TheFileTypeIsThatOfMostValues) {
  for (const TensorType& each : request_.types)
    if (each.type != GgmlType::kF16) planned(each.name) = type("q5_1");
  ASSERT_TRUE(write());
  EXPECT_EQ(GgufFile::open(request_.output)->metadata_uint("general.file_type"), 9u) << "Q5_1";
  request_.overwrite = true;
  for (TensorType& each : request_.types) each.type = GgmlType::kF16;
  ASSERT_TRUE(write());
  EXPECT_EQ(GgufFile::open(request_.output)->metadata_uint("general.file_type"), 1u) << "F16";
}

TEST_F(QuantizerTest, ThreadsDoNotChangeTheFile) {
  request_.threads = 1;
  ASSERT_TRUE(write());
  const std::string one = testing::read_file(request_.output);
  request_.threads = 3;
  request_.overwrite = true;
  ASSERT_TRUE(write());
  EXPECT_EQ(testing::read_file(request_.output), one);
}

TEST_F(QuantizerTest, ProgressGoesFromNothingToAll) {
  std::vector<size_t> seen;
  size_t bytes = 0;
  for (const TensorInfo& tensor : file_->tensors()) bytes += tensor.bytes;
  ASSERT_TRUE(write_quantized(*file_, request_, [&](size_t done, size_t all) {
    EXPECT_EQ(all, bytes);
    seen.push_back(done);
  }));
  ASSERT_EQ(seen.size(), file_->tensors().size() + 1);
  EXPECT_EQ(seen.front(), 0u);
  EXPECT_EQ(seen.back(), bytes);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_F(QuantizerTest, AnImatrixChangesItsTensorsAndIsNamedWithoutItsFolder) {
  planned("blk.1.attn_q.weight") = planned("blk.1.attn_k.weight") = type("q4_0");
  ASSERT_TRUE(write());
  const GgufFile plain = GgufFile::open(request_.output).value();
  request_.imatrix = folder_ / "some.imatrix";
  testing::write_imatrix(request_.imatrix, testing::in_layers(5, "attn_q", 64), folder_.path() / "text.txt");
  request_.overwrite = true;
  ASSERT_TRUE(write());
  const GgufFile weighed = GgufFile::open(request_.output).value();
  const auto same = [&](const char* name) {
    return std::ranges::equal(plain.data(*plain.find_tensor(name)), weighed.data(*weighed.find_tensor(name)));
  };
  EXPECT_FALSE(same("blk.1.attn_q.weight"));
  EXPECT_TRUE(same("blk.1.attn_k.weight"));
  EXPECT_EQ(weighed.metadata_string("quantize.imatrix.file"), "some.imatrix");
  EXPECT_EQ(weighed.metadata_string("quantize.imatrix.dataset"), "text.txt");
  EXPECT_EQ(weighed.metadata_uint("quantize.imatrix.entries_count"), 5u);
  EXPECT_EQ(weighed.metadata_uint("quantize.imatrix.chunks_count"), 3u);
  EXPECT_EQ(weighed.file_bytes(), predicted());
  EXPECT_EQ(testing::read_file(request_.output).find(folder_.path().string()), std::string::npos);
}

TEST_F(QuantizerTest, AnImatrixOfAnotherModelIsRefused) {
  request_.imatrix = folder_ / "imatrix.gguf";
  for (const auto& entries : {testing::in_layers(5, "attn_q", 32), testing::in_layers(6, "attn_q", 64),
                              testing::in_layers(4, "attn_q", 64)}) {
    testing::write_imatrix(request_.imatrix, entries, "t");
    EXPECT_EQ(refused().code, ErrorCode::kInput);
    EXPECT_THAT(refused().what, HasSubstr("another model"));
  }
  EXPECT_EQ(quantization_metadata(*file_, request_.imatrix).error().code, ErrorCode::kInput);
}

/// SmolLM2 with one matrix as F32, whose rows of 1536 values fit blocks of 256.
class OneWideMatrix : public QuantizerTest {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::smollm2_file());
    const GgufFile smol = GgufFile::open(testing::smollm2_file()).value();
    const auto fill = [&](std::span<std::byte> out) -> Result<void> {
      const auto values = smol.read_floats(*smol.find_tensor(name_)).value();
      std::ranges::copy(std::as_bytes(std::span(values)), out.begin());
      return {};
    };
    GgufRewrite rewrite;
    rewrite.replacements = {{name_, GgmlType::kF32, fill}};
    ASSERT_TRUE(write_gguf_file(smol, rewrite, folder_ / "wide.gguf", false));
    file_.emplace(GgufFile::open(folder_ / "wide.gguf").value());
    request_.output = folder_ / "out.gguf";
    for (const TensorInfo& tensor : file_->tensors())
      if (tensor.is_matrix()) request_.types.push_back({tensor.name, tensor.type});
  }
  const std::string name_ = "blk.0.ffn_down.weight";
};

TEST_F(OneWideMatrix, ATypeThatNeedsAnImatrixIsRefusedBeforeItAborts) {
  for (const char* name : {"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs"}) {
    planned(name_) = type(name);
    EXPECT_THAT(refused().what, HasSubstr("needs an imatrix with an entry for this tensor")) << name;
  }
  request_.imatrix = folder_ / "imatrix.gguf";
  testing::write_imatrix(request_.imatrix, testing::in_layers(30, "ffn_down", 1536), "t");
  EXPECT_TRUE(write());
  EXPECT_EQ(name_of(GgufFile::open(request_.output)->find_tensor(name_)->type), "iq3_xxs");
}

TEST_F(OneWideMatrix, WhatIsQuantizedAlreadyStaysOrIsRefused) {
  planned("blk.1.ffn_down.weight") = type("q4_0");
  EXPECT_THAT(refused().what, HasSubstr("the tensor is quantized already (q4_1)"));
}

TEST_F(QuantizerTest, WhatCannotBeMadeIsNamed) {
  planned("blk.0.attn_q.weight") = type("q4_K");
  EXPECT_THAT(refused().what, HasSubstr("a row of 64 values is no multiple of q4_K's block of 256"));
  planned("blk.0.attn_q.weight") = type("i8");
  EXPECT_THAT(refused().what, HasSubstr("llama.cpp cannot quantize to i8"));
  planned("blk.0.attn_q.weight") = type("q8_0");
  const TensorType last = request_.types.back();
  request_.types.pop_back();
  EXPECT_EQ(refused().where, last.name);
  request_.types.back().name = "blk.0.none.weight";
  EXPECT_THAT(refused().what, HasSubstr("blk.0.none.weight"));
  request_.types.back().name = "blk.0.ffn_norm.weight";
  request_.types.back().type = type("q8_0");
  EXPECT_THAT(refused().what, HasSubstr("does not quantize"));
  EXPECT_EQ(testing::files_in(folder_.path()), 0u);
}

TEST_F(QuantizerTest, AnExistingFileIsKeptUnlessItMayBeReplacedAndTheSourceAlways) {
  testing::write_file(request_.output, "precious");
  EXPECT_THAT(write().error().what, HasSubstr("exists already"));
  EXPECT_EQ(testing::read_file(request_.output), "precious");
  std::filesystem::copy_file(model_, folder_ / "source.gguf");
  const GgufFile source = GgufFile::open(folder_ / "source.gguf").value();
  request_.output = folder_ / "source.gguf";
  request_.overwrite = true;
  EXPECT_THAT(write_quantized(source, request_, {}).error().what, HasSubstr("the output is the model"));
  EXPECT_TRUE(GgufFile::open(request_.output));
}

TEST_F(QuantizerTest, WhatIsNoModelIsRefusedWithTheEnginesReason) {
  testing::write_file(folder_ / "small.gguf", testing::small_file().text());
  const GgufFile small = GgufFile::open(folder_ / "small.gguf").value();
  const auto types = stock_mix(small, "Q4_0", false);
  ASSERT_FALSE(types);
  EXPECT_EQ(types.error().code, ErrorCode::kEngine);
  EXPECT_THAT(types.error().what, HasSubstr("the engine said"));
}

}  // namespace
}  // namespace fqlab
