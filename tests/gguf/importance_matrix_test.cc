#include "fqlab/importance_matrix.h"

#include <gmock/gmock.h>

#include "testing.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A model of two layers, each with attn_q (3 columns, 2 rows) and experts (2 columns, 4 rows, 3 experts).
class ImportanceMatrices : public ::testing::Test {
 protected:
  ImportanceMatrices() : model_(write_model("model.gguf", 2, 3)) {}

  GgufFile write_model(const std::string& name, int layers, uint64_t columns) {
    const std::vector<float> zeros(64);
    std::vector<NewTensor> tensors;
    const auto add = [&](std::string tensor, std::vector<uint64_t> shape) {
      uint64_t values = 1;
      for (const uint64_t size : shape) values *= size;
      tensors.push_back({std::move(tensor), GgmlType::kF32, std::move(shape),
                         std::as_bytes(std::span(zeros).first(values))});
    };
    add("token_embd.weight", {columns, 5});
    for (int layer = 0; layer < layers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      add(prefix + "attn_norm.weight", {columns});
      add(prefix + "attn_q.weight", {columns, 2});
      add(prefix + "ffn_up_exps.weight", {2, 4, 3});
    }
    const GgufMetadata architecture{"general.architecture", std::string("llama")};
    EXPECT_TRUE(write_new_gguf_file({{architecture}}, tensors, folder_ / name, true));
    return GgufFile::open(folder_ / name).value();
  }

  static std::vector<ActivationSquares> entries() {
    return {{"blk.1.attn_q.weight", {1, 2, 3}, {2}},
            {"blk.1.ffn_up_exps.weight", {1, 2, 3, 4, 5, 6}, {1, 0, 3}},
            {"blk.0.attn_q.weight", {4, 5, 6}, {4}},
            {"blk.0.ffn_up_exps.weight", {1, 2, 3, 4, 5, 6}, {1, 2, 1}}};
  }
  ImportanceMatrix write(std::vector<ActivationSquares> squares) {
    const std::vector<GgufMetadata> more = {{"fqlab.version", std::string("test")}};
    const auto written =
        write_importance_matrix(std::move(squares), {{"text.txt"}, 12, 512}, more, path_, true);
    EXPECT_TRUE(written) << to_string(written.error());
    Result<ImportanceMatrix> opened = ImportanceMatrix::open(path_);
    EXPECT_TRUE(opened) << to_string(opened.error());
    return *opened;
  }
  std::string refused_by(const GgufFile& model, std::vector<ActivationSquares> squares) {
    const Result<void> goes = write(std::move(squares)).goes_with(model);
    if (goes) return "";
    EXPECT_EQ(goes.error().code, ErrorCode::kInput);
    EXPECT_EQ(goes.error().where, path_.string());
    return goes.error().what;
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "imatrix.gguf";
  GgufFile model_;
};

TEST_F(ImportanceMatrices, AreReadBackAsTheyWereWritten) {
  const ImportanceMatrix matrix = write(entries());
  EXPECT_EQ(matrix.path(), path_);
  EXPECT_THAT(matrix.tensors(), ElementsAre("blk.0.attn_q.weight", "blk.0.ffn_up_exps.weight",
                                            "blk.1.attn_q.weight", "blk.1.ffn_up_exps.weight"));
  EXPECT_TRUE(matrix.has("blk.0.attn_q.weight"));
  EXPECT_FALSE(matrix.has("token_embd.weight"));
  EXPECT_THAT(matrix.source().datasets, ElementsAre("text.txt"));
  EXPECT_EQ(matrix.source().chunks, 12u);
  EXPECT_EQ(matrix.source().tokens_per_chunk, 512u);
  EXPECT_THAT(matrix.importance(*model_.find_tensor("blk.1.attn_q.weight")).value(),
              ElementsAre(0.5f, 1.0f, 1.5f));
  EXPECT_THAT(matrix.importance(*model_.find_tensor("token_embd.weight")).value(), ElementsAre());
}

TEST_F(ImportanceMatrices, HaveLlamaCppsMetadataAndShapes) {
  write(entries());
  const GgufFile file = GgufFile::open(path_).value();
  EXPECT_EQ(file.metadata_string("general.type"), "imatrix");
  EXPECT_TRUE(std::holds_alternative<uint32_t>(*file.find_metadata("imatrix.chunk_count")));
  EXPECT_TRUE(std::holds_alternative<uint32_t>(*file.find_metadata("imatrix.chunk_size")));
  EXPECT_EQ(file.metadata_string("fqlab.version"), "test");
  EXPECT_EQ(file.find_tensor("blk.0.attn_q.weight.in_sum2")->shape, std::vector<uint64_t>{3});
  EXPECT_EQ(file.find_tensor("blk.0.attn_q.weight.counts")->shape, std::vector<uint64_t>{1});
  EXPECT_EQ(file.find_tensor("blk.0.ffn_up_exps.weight.in_sum2")->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(file.find_tensor("blk.0.ffn_up_exps.weight.counts")->shape, (std::vector<uint64_t>{1, 3}));
}

TEST_F(ImportanceMatrices, CountEachExpertByItself) {
  EXPECT_THAT(write(entries()).importance(*model_.find_tensor("blk.1.ffn_up_exps.weight")).value(),
              ElementsAre(1, 2, 1, 1, 5.0f / 3, 2))
      << "an expert that saw no token counts every column alike";
}

TEST_F(ImportanceMatrices, MayShareOneCountAmongSeveralMatrices) {
  std::vector<ActivationSquares> squares = entries();
  squares[1].counts = {2};
  const ImportanceMatrix matrix = write(squares);
  EXPECT_THAT(matrix.importance(*model_.find_tensor("blk.1.ffn_up_exps.weight")).value(),
              ElementsAre(0.5f, 1, 1.5f, 2, 2.5f, 3));
  EXPECT_TRUE(matrix.goes_with(model_));
}

TEST_F(ImportanceMatrices, AreOfAllMatricesOfATensorOrOfEach) {
  std::vector<ActivationSquares> squares = entries();
  squares[0].sums = {1, 2, 3, 4, 5, 6};  // attn_q has two rows and is one matrix
  squares[0].counts = {1, 1};
  const ImportanceMatrix matrix = write(squares);
  const auto importance = matrix.importance(*model_.find_tensor("blk.1.attn_q.weight"));
  ASSERT_FALSE(importance);
  EXPECT_EQ(importance.error().code, ErrorCode::kUsage);
  EXPECT_FALSE(matrix.goes_with(model_));
}

TEST_F(ImportanceMatrices, OfTheModelItselfGoWithIt) {
  EXPECT_EQ(refused_by(model_, entries()), "");
  std::vector<ActivationSquares> with_embedding = entries();
  with_embedding.push_back({"token_embd.weight", {1, 2, 3}, {1}});
  EXPECT_EQ(refused_by(model_, with_embedding), "");
}

TEST_F(ImportanceMatrices, OfAnotherModelAreRefusedWithTheReason) {
  std::vector<ActivationSquares> squares = entries();
  squares[0].tensor = "blk.7.attn_q.weight";
  EXPECT_THAT(refused_by(model_, squares), HasSubstr("the model has no tensor blk.7.attn_q.weight"));
  EXPECT_THAT(refused_by(write_model("wide.gguf", 2, 4), entries()),
              HasSubstr("3 numbers for blk.0.attn_q.weight, whose rows have 4 values"));
  EXPECT_THAT(refused_by(write_model("deep.gguf", 3, 3), entries()),
              HasSubstr("it has entries for 2 of 3 layers"));
  EXPECT_THAT(refused_by(model_, {}), HasSubstr("0 of 2 layers"));
}

TEST_F(ImportanceMatrices, NeedACountForTheirSums) {
  const auto written =
      write_importance_matrix({{"blk.0.attn_q.weight", {1, 2, 3}, {1, 1}}}, {}, {}, path_, false);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().what, HasSubstr("3 sums cannot have 2 counts"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ImportanceMatrices, AreNotOpenedFromOtherFiles) {
  const auto opened = ImportanceMatrix::open(folder_ / "model.gguf");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().what, HasSubstr("no imatrix"));
  EXPECT_THAT(opened.error().hint, HasSubstr("fqlab imatrix MODEL"));
  EXPECT_THAT(ImportanceMatrix::open(folder_ / "absent.gguf").error().hint, Not(HasSubstr("llama-imatrix")));
}

}  // namespace
}  // namespace fqlab
