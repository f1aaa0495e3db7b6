// fqlab generate as a person types it, on the smallest model.
#include <gmock/gmock.h>

#include "base/utf8.h"
#include "cli/program.h"
#include "fqlab/engine.h"
#include "study/corpus.h"

namespace fqlab {
namespace {

namespace fs = std::filesystem;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class GenerateCommand : public ::testing::Test {
 protected:
  void SetUp() override { FQLAB_REQUIRE_FILE(model_); }
  testing::Ran generate(const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"generate",    model_.string(), "-o",       (folder_ / name).string(),
                                    "--documents", documents_,      "--tokens", "80"};
    all.insert(all.end(), more.begin(), more.end());
    return fqlab(all);
  }
  std::vector<std::string> texts(const std::string& name) {
    return read_corpus(folder_ / name).value().texts;
  }
  testing::TemporaryFolder folder_;
  std::string documents_ = "5";
  fs::path model_ = testing::shared_file("data/stories260k-f32.gguf");
};

TEST_F(GenerateCommand, WritesDocumentsThatEachFillAChunk) {
  const testing::Ran ran = generate("own");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("[5/5] documents"));
  EXPECT_THAT(ran.err, HasSubstr("5 documents of at least 80 tokens"));
  const Corpus corpus = read_corpus(folder_ / "own").value();
  const Model model = Model::load(GgufFile::open(model_).value()).value();
  EXPECT_THAT(cut_chunks(corpus, model, 80, 5).value(), SizeIs(5));
  for (const std::string& text : corpus.texts) {
    EXPECT_EQ(with_broken_bytes_spelled(text), text);
    EXPECT_EQ(std::ranges::count(corpus.texts, text), 1) << "two documents are the same";
  }
}

TEST_F(GenerateCommand, TheTextsDependOnTheSeedAndNotOnTheThreads) {
  ASSERT_EQ(generate("one", {"--threads", "1"}).code, 0);
  ASSERT_EQ(generate("three", {"--threads", "3"}).code, 0);
  ASSERT_EQ(generate("other", {"--seed", "2"}).code, 0);
  documents_ = "2";
  ASSERT_EQ(generate("few").code, 0);
  EXPECT_EQ(texts("one"), texts("three"));
  EXPECT_NE(texts("one"), texts("other"));
  EXPECT_EQ(texts("few")[1], texts("one")[1]) << "more documents keep those that fewer had";
}

TEST_F(GenerateCommand, BadInputGetsOneMessageAndLeavesNothing) {
  fs::create_directory(folder_ / "there");
  testing::write_file(folder_ / "there/a.txt", "mine");
  const auto refused = [&](const testing::Ran& ran, int code, const char* words) {
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(words));
  };
  refused(generate("there"), 2, "is there already");
  refused(generate("no/such/place"), 1, "does not exist");
  refused(generate("a", {"--temperature", "0"}), 2, "--temperature");
  refused(generate("a", {"--threads", "0"}), 2, "--threads");
  refused(fqlab({"generate", (folder_ / "there/a.txt").string(), "-o", (folder_ / "a").string()}), 1, "GGUF");
  EXPECT_EQ(texts("there"), std::vector<std::string>{"mine"});
  EXPECT_FALSE(fs::exists(folder_ / "a"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace fqlab
