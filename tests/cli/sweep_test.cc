// fqlab sweep and fqlab status as people run them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "cli/program.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SweepCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::shared_file("data/stories260k-f32.gguf"));
    std::string text;
    for (int i = 0; i < 40; ++i)
      text += "Once upon a time there were " + std::to_string(i * i) + " little birds. ";
    testing::write_file(folder_ / "text.txt", text);
  }
  testing::Ran sweep(std::vector<std::string> more) {
    std::vector<std::string> all = {"sweep",    testing::shared_file("data/stories260k-f32.gguf").string(),
                                    "--corpus", corpus_.empty() ? (folder_ / "text.txt").string() : corpus_,
                                    "--ctx",    "64",
                                    "--study",  study(),
                                    "--chunks", "2",
                                    "--select", "0-1/attn_q"};
    all.insert(all.end(), more.begin(), more.end());
    return testing::fqlab(all);
  }
  std::string study() const { return study_.empty() ? (folder_ / "a.fqlab").string() : study_; }
  testing::TemporaryFolder folder_;
  std::string corpus_, study_;  // others than the usual ones
};

TEST_F(SweepCommand, MeasuresAndStatusTellsIt) {
  const testing::Ran ran = sweep({"--formats", "int4:g32", "--exhaustive"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, study() + "\n") << "data on stdout, talk on stderr";
  EXPECT_THAT(ran.err, HasSubstr("3 cells, 12 runs"));
  const testing::Ran status = testing::fqlab({"status", study()});
  EXPECT_EQ(status.code, 0);
  EXPECT_THAT(status.out, HasSubstr("cells     3 of 3 measured, 0 failed"));
  EXPECT_THAT(status.out, HasSubstr("state     complete"));
  EXPECT_THAT(sweep({"--formats", "int4:g32", "--exhaustive"}).err, HasSubstr("0 runs"));
}

TEST_F(SweepCommand, CtrlCBeforeTheFirstRunEndsItAtOnceAndSaysHowToGoOn) {
  const std::string text = (folder_ / "pipe.txt").string();
  ASSERT_EQ(mkfifo(text.c_str(), 0600), 0);
  const testing::Ran ran = testing::fqlab(
      {"sweep", testing::shared_file("data/stories260k-f32.gguf").string(), "--formats", "mxfp4", "--corpus",
       text, "--study", study()},
      {}, "/dev/null", [&](pid_t program) {
        const int pipe = open(text.c_str(), O_WRONLY);  // as soon as the program reads its text
        kill(program, SIGINT);
        close(pipe);
      });
  EXPECT_EQ(ran.code, 130) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("interrupted. Nothing measured is lost; go on with:\n  "));
  EXPECT_THAT(ran.err, HasSubstr(" --formats mxfp4 "));
  EXPECT_FALSE(std::filesystem::exists(study()));
}

TEST_F(SweepCommand, ADryRunSaysWhatItTakesAndWritesNothing) {
  const testing::Ran ran = sweep({"--formats", "int4:g32,mxfp4", "--exhaustive", "--dry-run"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("trials    9 (6 cells of the map, and noise floors), up to 2 chunks each"));
  EXPECT_THAT(ran.out, HasSubstr("runs      18 of a trial on a chunk; 0 are in the study already"));
  EXPECT_THAT(ran.out, HasSubstr("tokens    1,152"));
  EXPECT_THAT(ran.out, HasSubstr("memory "));
  EXPECT_EQ(testing::files_in(folder_.path()), 1u);
}

TEST_F(SweepCommand, TheModelMayFollowTheText) {
  const testing::Ran ran = testing::fqlab(
      {"sweep", "--dry-run", "--ctx", "64", "--study", study(), "--formats", "int4:g32", "--corpus",
       (folder_ / "text.txt").string(), testing::shared_file("data/stories260k-f32.gguf").string()});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(SweepCommand, BadInputIsOneMessageAndLeavesNothing) {
  const struct {
    std::vector<std::string> arguments;
    const char* said;
    int code;
  } cases[] = {
      {{}, "--formats is required", 2},
      {{"--formats", "int99"}, "int99", 2},
      {{"--formats", "int4:g32", "--mode", "alone"}, "there is no 'alone'", 2},
      {{"--formats", "int4:g32", "--group", "layers"}, "there is no 'layers'", 2},
      {{"--formats", "int4:g32", "--exhaustive", "--top", "3"}, "exclude each other", 2},
      {{"--formats", "int4:g32", "--precision", "much"}, "'much' is no share", 2},
      {{"--formats", "int4:g32", "--limit-time", "soon"}, "'soon' is no time", 2},
      {{"--formats", "int4:g32", "--limit-memory", "1MB"}, "may be used", 1},
      {{"--formats", "int4:g32", "--chunk", "3"}, "unknown option --chunk", 2},
  };
  for (const auto& one : cases) {
    const testing::Ran ran = sweep(one.arguments);
    EXPECT_EQ(ran.code, one.code) << one.said;
    EXPECT_THAT(ran.err, HasSubstr(one.said));
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    EXPECT_EQ(testing::files_in(folder_.path()), 1u) << one.said;
  }
}

TEST_F(SweepCommand, AMissingTextIsOneMessage) {
  corpus_ = "no-such-text";
  const testing::Ran ran = sweep({"--formats", "int4:g32"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("cannot read the file"));
  EXPECT_EQ(testing::files_in(folder_.path()), 1u);
}

TEST_F(SweepCommand, TheTextAsAStudyIsRefusedAndKept) {
  const std::string text = testing::read_file(folder_ / "text.txt");
  study_ = (folder_ / "text.txt").string();
  const testing::Ran ran = sweep({"--formats", "int4:g32"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("not a study"));
  EXPECT_EQ(testing::read_file(folder_ / "text.txt"), text);
}

TEST_F(SweepCommand, StatusOfNoStudyIsAnError) {
  EXPECT_EQ(testing::fqlab({"status", study()}).code, 1);
  const testing::Ran ran = testing::fqlab({"status", (folder_ / "text.txt").string()});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("not a study"));
}

TEST_F(SweepCommand, WhatWasNotMeasuredIsPredictedOnRequestAndSaidSo) {
  ASSERT_EQ(sweep({"--formats", "int4:g32,mxfp4,fp8_e4m3", "--exhaustive"}).code, 0);
  const testing::Ran shown = testing::fqlab({"show", study(), "--predict", "fp6_e3m2"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.err,
              HasSubstr("fp6_e3m2: 2 cells predicted from weight errors. Predicted in the same way, "
                        "6 measured cells of other formats are off by a factor of "));
  EXPECT_THAT(shown.out, HasSubstr("fp6_e3m2"));
  const std::string out = (folder_ / "page").string();
  ASSERT_EQ(testing::fqlab({"report", study(), "--predict", "fp6_e3m2", "--out", out}).code, 0);
  EXPECT_THAT(testing::read_file(out + "/cells.csv"), HasSubstr("fp6_e3m2"));
  EXPECT_THAT(testing::read_file(out + "/map.md"), HasSubstr("≈"));

  const testing::Ran lonely = testing::fqlab({"show", study(), "--imatrix", "some.gguf"});
  EXPECT_EQ(lonely.code, 2);
  EXPECT_THAT(lonely.err, HasSubstr("requires --predict"));
  const std::string other = (folder_ / "other.gguf").string();
  ASSERT_EQ(testing::fqlab({"quantize", testing::shared_file("data/stories260k-f32.gguf").string(),
                            "--recipe", "*=bf16", "-o", other})
                .code,
            0);
  const testing::Ran wrong = testing::fqlab({"show", study(), "--predict", "fp6_e3m2", "--model", other});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("this is not the model that was measured"));
  EXPECT_THAT(testing::fqlab({"show", study(), "--predict", "fp99"}).err, HasSubstr("fp99"));
}

}  // namespace
}  // namespace fqlab
