// fqlab imatrix as a person types it, on the smallest model.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/hash.h"
#include "cli/program.h"
#include "fqlab/importance_matrix.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::Not;

class ImatrixCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    testing::write_file(folder_ / "stories.txt", text("birds", 40));
  }
  static std::string text(const std::string& noun, int sentences) {
    std::string all;
    for (int i = 0; i < sentences; ++i)
      all += "Once upon a time there were " + std::to_string(i * i) + " little " + noun + ". ";
    return all;
  }
  testing::Ran imatrix(std::vector<std::string> more) {
    std::vector<std::string> all = {"imatrix", model_.string(), "--corpus", corpus_,    "--ctx",
                                    "64",      "--chunks",      chunks_,    "--output", out_.string()};
    all.insert(all.end(), more.begin(), more.end());
    return fqlab(all);
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  std::filesystem::path out_ = folder_ / "out.gguf";
  std::string corpus_ = (folder_ / "stories.txt").string(), chunks_ = "3";
};

TEST_F(ImatrixCommand, WritesAnImatrixThatGoesWithTheModel) {
  const testing::Ran ran = imatrix({});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("[3/3] chunks"));
  EXPECT_THAT(ran.err, HasSubstr("35 matrices, 3 chunks of 64 tokens"));
  const Result<ImportanceMatrix> matrix = ImportanceMatrix::open(out_);
  ASSERT_TRUE(matrix) << to_string(matrix.error());
  EXPECT_EQ(matrix->tensors().size(), 35u);
  EXPECT_EQ(matrix->source().chunks, 3u);
  EXPECT_EQ(matrix->source().tokens_per_chunk, 64u);
  EXPECT_TRUE(matrix->goes_with(GgufFile::open(model_).value()));
  EXPECT_EQ(fqlab({"inspect", model_.string(), "--format", "mxfp4", "--imatrix", out_.string()}).code, 0);
}

TEST_F(ImatrixCommand, RecordsWhereTheFileCameFromButNoFolder) {
  ASSERT_EQ(imatrix({}).code, 0);
  const GgufFile file = GgufFile::open(out_).value();
  EXPECT_EQ(file.metadata_string("fqlab.version"), FQLAB_VERSION);
  EXPECT_EQ(file.metadata_string("fqlab.arithmetic"), "native");
  EXPECT_EQ(file.metadata_string("fqlab.source.sha256"), sha256_of_file(model_).value());
  EXPECT_EQ(file.metadata_string("fqlab.corpus.sha256"), sha256_of_file(corpus_).value());
  EXPECT_THAT(ImportanceMatrix::open(out_)->source().datasets, ElementsAre("stories.txt"));
  EXPECT_THAT(testing::read_file(out_), Not(HasSubstr(folder_.path().string())));
}

TEST_F(ImatrixCommand, GivesTheSameBytesForAnyNumberOfThreads) {
  ASSERT_EQ(imatrix({"--threads", "1"}).code, 0);
  const std::string once = testing::read_file(out_);
  ASSERT_EQ(imatrix({"--threads", "2", "--force"}).code, 0);
  EXPECT_TRUE(once == testing::read_file(out_));
}

TEST_F(ImatrixCommand, OfAFloat32ModelTheArithmeticChangesNothingButItsName) {
  ASSERT_EQ(imatrix({"--process-output"}).code, 0);
  const GgufFile native = GgufFile::open(out_).value();
  EXPECT_NE(native.find_tensor("output.weight.in_sum2"), nullptr);
  ASSERT_EQ(imatrix({"--process-output", "--arithmetic", "reference", "--force"}).code, 0);
  const GgufFile reference = GgufFile::open(out_).value();
  EXPECT_EQ(reference.metadata_string("fqlab.arithmetic"), "reference");
  ASSERT_EQ(native.tensors().size(), reference.tensors().size());
  for (size_t i = 0; i < native.tensors().size(); ++i)
    EXPECT_TRUE(std::ranges::equal(native.data(native.tensors()[i]), reference.data(reference.tensors()[i])));
}

TEST_F(ImatrixCommand, TakesOneChunkOfEveryDocumentOfAFolder) {
  for (const char* folder : {"documents", "a", "b"}) std::filesystem::create_directory(folder_ / folder);
  for (const auto& [name, word] : {std::pair("a", "birds"), std::pair("b", "trees")})
    for (const char* folder : {"documents", name})
      testing::write_file(folder_ / folder / (std::string(name) + ".txt"), text(word, 40));
  corpus_ = (folder_ / "documents").string();
  chunks_ = "2";
  ASSERT_EQ(imatrix({}).code, 0);
  const GgufFile both = GgufFile::open(out_).value();
  std::vector<float> sum(64);
  chunks_ = "1";
  for (const char* folder : {"a", "b"}) {
    corpus_ = (folder_ / folder).string();
    ASSERT_EQ(imatrix({"--force"}).code, 0);
    const GgufFile one = GgufFile::open(out_).value();
    const std::vector<float> sums = one.read_floats(*one.find_tensor("blk.0.attn_q.weight.in_sum2")).value();
    for (size_t j = 0; j < 64; ++j) sum[j] += sums[j];
  }
  const std::vector<float> found = both.read_floats(*both.find_tensor("blk.0.attn_q.weight.in_sum2")).value();
  // The order of summation differs: at most 128 roundings of 2^-24.
  for (size_t j = 0; j < 64; ++j) EXPECT_NEAR(found[j], sum[j], 128 * sum[j] * 0x1p-24f) << j;
}

TEST_F(ImatrixCommand, SaysWhenTheTextHasFewerChunks) {
  chunks_ = "1000";
  const testing::Ran ran = imatrix({});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("warning: the text has only"));
}

TEST_F(ImatrixCommand, ReplacesAFileOnlyWhenAskedTo) {
  testing::write_file(out_, "precious");
  const testing::Ran refused = imatrix({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("pass --force"));
  EXPECT_EQ(testing::read_file(out_), "precious");
  EXPECT_EQ(imatrix({"--force"}).code, 0);
  EXPECT_TRUE(ImportanceMatrix::open(out_));
}

TEST_F(ImatrixCommand, BadInputIsOneMessageAndLeavesNothing) {
  const struct {
    std::vector<std::string> arguments;
    const char* said;
    int code;
  } cases[] = {
      {{"--ctx", "8"}, "--ctx", 2},
      {{"--ctx", "4000"}, "too short for one chunk", 1},
      {{"--corpus", "no-such-text"}, "cannot read the file", 1},
      {{"--arithmetic", "exact"}, "--arithmetic", 2},
      {{"--output", (folder_ / "none" / "out.gguf").string()}, "create the folder first", 1},
      {{"--process-outputs"}, "did you mean --process-output", 2},
  };
  for (const auto& one : cases) {
    std::vector<std::string> all = {"imatrix", model_.string()};
    all.insert(all.end(), one.arguments.begin(), one.arguments.end());
    const auto given = [&](const char* option) { return std::ranges::count(one.arguments, option) > 0; };
    if (!given("--corpus")) all.insert(all.end(), {"--corpus", corpus_});
    if (!given("--output")) all.insert(all.end(), {"--output", out_.string()});
    const testing::Ran ran = fqlab(all);
    EXPECT_EQ(ran.code, one.code) << one.said;
    EXPECT_THAT(ran.err, HasSubstr(one.said));
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    EXPECT_EQ(testing::files_in(folder_.path()), 1u) << one.said;
  }
}

TEST_F(ImatrixCommand, TheModelIsNeverReplaced) {
  const std::filesystem::path copy = folder_ / "copy.gguf";
  std::filesystem::copy_file(model_, copy);
  const std::string before = testing::read_file(copy);
  const testing::Ran ran =
      fqlab({"imatrix", copy.string(), "--corpus", corpus_, "-o", copy.string(), "--force"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("the output is the model"));
  EXPECT_TRUE(before == testing::read_file(copy));
}

}  // namespace
}  // namespace fqlab
