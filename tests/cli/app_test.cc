#include <gmock/gmock.h>

#include "program.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(App, PrintsItsVersion) {
  const auto ran = fqlab({"--version"});
  EXPECT_EQ(ran.out, "fqlab " FQLAB_VERSION "\n");
  EXPECT_EQ(ran.code, 0);
}

TEST(App, ExplainsACommand) {
  const auto ran = fqlab({"help", "quantize"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("Usage: fqlab quantize"), HasSubstr("--recipe"), HasSubstr("--store")));
  EXPECT_EQ(fqlab({"quantize", "--help"}).out, ran.out);
  EXPECT_THAT(fqlab({"formats", "apply", "--help"}).out, HasSubstr("Usage: fqlab formats apply"));
}

TEST(App, ListsTheCommands) {
  const auto ran = fqlab({"--help"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("inspect"), HasSubstr("quantize")));
  EXPECT_THAT(fqlab({"help"}).out, AllOf(HasSubstr("Subcommands:"), HasSubstr("quantize")));
}

TEST(App, ShowsItsHelpAsAnErrorWithoutACommand) {
  const auto ran = fqlab({});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("inspect"));
}

TEST(App, NamesTheClosestCommand) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"inspct", "model.gguf"}, {"help", "inspct"}}) {
    const auto ran = fqlab(arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.err,
                AllOf(StartsWith("error: unknown command inspct"), HasSubstr("did you mean inspect?")));
  }
}

TEST(App, NamesTheClosestOption) {
  const auto ran = fqlab({"inspect", "model.gguf", "--jsn"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("unknown option --jsn"), HasSubstr("did you mean --json?")));
  EXPECT_THAT(fqlab({"inspect", "--selekt=a"}).err, HasSubstr("did you mean --select?"));
  EXPECT_THAT(fqlab({"--verson"}).err, HasSubstr("did you mean --version?"));
}

TEST(App, SaysWhatIsMissingOrTooMuch) {
  const auto missing = fqlab({"inspect"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("MODEL is required"), HasSubstr("fqlab help inspect")));
  EXPECT_THAT(fqlab({"inspect", "a", "b"}).err, HasSubstr("one argument too many: b"));
  const auto twice = fqlab({"quantize", "a", "-o", "b", "-o", "c"});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("error: --output is given 2 times. give it once"));
}

TEST(App, FailsWhenItsOutputCannotBeWritten) {
  FQLAB_REQUIRE_FILE(std::filesystem::path("/dev/full"));
  const auto ran = fqlab({"--help"}, "/dev/full");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("standard output"));
}

TEST(App, UsesNoColourWhereStderrIsNoTerminal) {
  EXPECT_EQ(fqlab({"inspct"}).err.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace fqlab
