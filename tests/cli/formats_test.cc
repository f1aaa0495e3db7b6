#include <gmock/gmock.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "fqlab/format.h"
#include "program.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;

TEST(Formats, ListsAllFormatsWithTheirBitsRangesAndScales) {
  const auto ran = fqlab({"formats"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("mxfp4                 4.25            6            0.5"),
                             HasSubstr("int<2-16>"), HasSubstr("gguf:q4_k              4.5"),
                             HasSubstr("e8m0"), HasSubstr("nvfp4")));
}

TEST(Formats, GivesSpecsThatParseAsJson) {
  const auto json = nlohmann::json::parse(fqlab({"formats", "--json"}).out);
  EXPECT_EQ(json["schema_version"], 1);
  size_t patterns = 0;
  for (const auto& format : json["formats"]) {
    const auto text = format["spec"].get<std::string>();
    if (text.find('<') != std::string::npos)
      ++patterns;
    else
      EXPECT_TRUE(FormatSpec::parse(text)) << text;
    EXPECT_GT(format["bits_per_weight"].get<double>(), 1);
  }
  EXPECT_EQ(patterns, 3u);
}

TEST(Formats, ExplainsOneWithItsGrid) {
  const auto ran = fqlab({"formats", "FP4"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("format           fp4_e2m1\n"), HasSubstr("largest          6\n"),
                             HasSubstr("|.......|.......|.......|.......|...............|..............."),
                             HasSubstr("4           2     2  4 6\n")));
  const auto json = nlohmann::json::parse(fqlab({"formats", "fp4_e2m1", "--json"}).out);
  EXPECT_EQ(json["magnitudes"], nlohmann::json({0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}));
}

TEST(Formats, NamesWhatWasMeant) {
  const auto ran = fqlab({"formats", "fp9_e4m3"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("did you mean fp8_e4m3"));
  EXPECT_THAT(fqlab({"formats", "apply", "fp8", "--rwo", "4"}).err, HasSubstr("did you mean --row?"));
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST(FormatsApply, IsAFilterOfRawFloats) {
  testing::TemporaryFolder folder;
  const std::string in = (folder / "in").string();
  testing::write_file(in, bytes_of({1, 2.1f, 3.3f, 500}));
  const auto ran = fqlab({"formats", "apply", "fp8", "--row", "2"}, {}, in);
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(ran.out, bytes_of({1, 2, 3.25f, 448}));
}

TEST(FormatsApply, FailsWithoutOutputOnALengthThatDoesNotFit) {
  testing::TemporaryFolder folder;
  const std::string in = (folder / "in").string();
  testing::write_file(in, bytes_of({1, 2, 3}));
  auto ran = fqlab({"formats", "apply", "bf16", "--row", "2"}, {}, in);
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("3 values are not whole rows of 2"));
  testing::write_file(in, bytes_of({1, 2}) + "x");
  ran = fqlab({"formats", "apply", "bf16", "--row", "1"}, {}, in);
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("9 bytes are not whole float32 values"));
  EXPECT_EQ(fqlab({"formats", "apply", "bf16", "--row", "0"}, {}, in).code, 2);
}

TEST(FormatsApply, RefusesARowThatDoesNotFitGgmlsBlock) {
  testing::TemporaryFolder folder;
  const std::string in = (folder / "in").string();
  testing::write_file(in, bytes_of(std::vector<float>(96, 1)));
  const auto looked_up = fqlab({"formats", "apply", "gguf:q4_k:imatrix=none.gguf", "--row", "256"}, {}, in);
  EXPECT_EQ(looked_up.code, 2);
  EXPECT_THAT(looked_up.err, HasSubstr("no tensor to look up"));
  const auto ran = fqlab({"formats", "apply", "q4_k", "--row", "96"}, {}, in);
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("gguf:q4_k"));
}

}  // namespace
}  // namespace fqlab
