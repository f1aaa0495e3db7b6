// fqlab plan as people run it.
#include <gmock/gmock.h>

#include <algorithm>

#include "cli/program.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;

class PlanCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::shared_file("data/stories260k-f32.gguf"));
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += "Once upon a time there were " + std::to_string(i * i) + " little birds. ";
    testing::write_file(folder_ / "text.txt", text);
  }
  testing::Ran plan(std::vector<std::string> more) {
    std::vector<std::string> all = {"plan",
                                    testing::shared_file("data/stories260k-f32.gguf").string(),
                                    "--corpus",
                                    (folder_ / "text.txt").string(),
                                    "--ctx",
                                    "64",
                                    "--chunks",
                                    "2",
                                    "--candidate-chunks",
                                    "4",
                                    "--study",
                                    (folder_ / "a.fqlab").string(),
                                    "-o",
                                    (folder_ / "a.plan").string()};
    if (std::ranges::find(more, "--types") == more.end()) more.insert(more.end(), {"--types", "q4_0,q8_0"});
    all.insert(all.end(), more.begin(), more.end());
    return testing::fqlab(all);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(PlanCommand, WritesAPlanAndTheTypesForLlamaQuantize) {
  const testing::Ran ran = plan({"--budget", "8bpw", "--export", "tensor-types", "--frontier"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("stock Q"));
  EXPECT_THAT(ran.out, HasSubstr("predicted KL, nats"));
  EXPECT_THAT(ran.out, HasSubstr("a further megabyte would buy"));
  EXPECT_THAT(testing::read_file(folder_ / "a.plan"), HasSubstr("blk.0.attn_q.weight"));
  EXPECT_THAT(testing::read_file(folder_ / "a.plan.tensor-types.txt"), HasSubstr("blk"));
  const testing::Ran again = plan({"--budget", "8bpw"});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("exists"));
  EXPECT_THAT(plan({"--budget", "8bpw", "--force"}).err, HasSubstr("0 runs"));

  const testing::Ran shown = testing::fqlab({"show", (folder_ / "a.fqlab").string(), "--predict", "mxfp4"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.err, HasSubstr("mxfp4: nothing can be predicted")) << "from real types";
}

TEST_F(PlanCommand, RefusesWhatCannotBeMeantAndWritesNothing) {
  const struct {
    std::vector<std::string> arguments;
    const char* message;
  } cases[] = {
      {{"--budget", "1bpw"}, "the smallest has"},
      {{"--budget", "many"}, "no size of a file"},
      {{"--budget", "like:Q9_K"}, "Q9_K"},
      {{"--budget", "8bpw", "--types", "q9_9"}, "no type that ggml can quantize to"},
      {{"--budget", "8bpw", "--types", "q6_k"}, "none of the types fits any tensor"},
      {{"--budget", "8bpw", "--pin", "attn_q"}, "no SELECTOR=TYPE"},
      {{"--budget", "8bpw", "--pin", "nothing=q8_0"}, "nothing"},
      {{"--budget", "8bpw", "--pin", "*/ffn_norm=q8_0"}, "cannot be pinned"},
      {{"--budget", "8bpw", "--imatrix", (folder_ / "text.txt").string()}, "text.txt"},
      {{"--budget", "like:none.gguf"}, "neither such a file nor such a mix"},
  };
  for (const auto& bad : cases) {
    const testing::Ran ran = plan(bad.arguments);
    EXPECT_TRUE(ran.code == 1 || ran.code == 2) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(bad.message));
    EXPECT_EQ(testing::files_in(folder_.path()), 1u) << bad.message;
  }
}

TEST_F(PlanCommand, NothingThatItReadsIsReplaced) {
  ASSERT_EQ(plan({"--budget", "8bpw"}).code, 0);
  const std::string study = testing::read_file(folder_ / "a.fqlab"),
                    text = testing::read_file(folder_ / "text.txt");
  const auto into = [&](const char* name) {
    return testing::fqlab({"plan", testing::shared_file("data/stories260k-f32.gguf").string(), "--budget",
                           "8bpw", "--corpus", (folder_ / "text.txt").string(), "--study",
                           (folder_ / "a.fqlab").string(), "-o", (folder_ / name).string(), "--force"});
  };
  for (const auto& [name, what] : {std::pair{"a.fqlab", "study"}, {"text.txt", "text"}}) {
    const testing::Ran ran = into(name);
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.err, HasSubstr(std::string("the output is the ") + what));
  }
  EXPECT_EQ(testing::read_file(folder_ / "a.fqlab"), study);
  EXPECT_EQ(testing::read_file(folder_ / "text.txt"), text);
  const std::string plan_file = testing::read_file(folder_ / "a.plan");
  const testing::Ran built = testing::fqlab(
      {"build", (folder_ / "a.plan").string(), "-o", (folder_ / "a.plan").string(), "--force"});
  EXPECT_EQ(built.code, 2);
  EXPECT_THAT(built.err, HasSubstr("the output is the plan"));
  EXPECT_EQ(testing::read_file(folder_ / "a.plan"), plan_file);
}

TEST_F(PlanCommand, AQuantizedModelIsRefusedBeforeTheWork) {
  ASSERT_EQ(plan({"--budget", "8bpw"}).code, 0);
  const std::string built = (folder_ / "a.gguf").string();
  ASSERT_EQ(testing::fqlab({"build", (folder_ / "a.plan").string(), "-o", built}).code, 0);
  const testing::Ran ran =
      testing::fqlab({"plan", built, "--budget", "8bpw", "--corpus", (folder_ / "text.txt").string(),
                      "--study", (folder_ / "b.fqlab").string(), "-o", (folder_ / "b.plan").string()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("quantized already"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "b.fqlab"));
}

}  // namespace
}  // namespace fqlab
