#include <gmock/gmock.h>

#include "program.h"
#include "report/map_fixture.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::Not;

class MapCommands : public ::testing::Test {
 protected:
  MapCommands() { testing::write_file(map_, map_json(testing::sweep_map())); }
  testing::TemporaryFolder folder_;
  std::string map_ = (folder_ / "old.json").string();
  std::string out_ = (folder_ / "out").string();
};

TEST_F(MapCommands, ReportRebuildsThePagesOfAMapJson) {
  const auto ran = fqlab({"report", map_, "--out", out_, "--lang", "en,zh-TW"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(testing::files_in(out_), 9u);
  EXPECT_EQ(testing::read_file(out_ + "/map.json"), testing::read_file(map_));
}

TEST_F(MapCommands, ReportKeepsAnOlderPageUnlessForced) {
  const std::vector<std::string> command = {"report", map_, "--out", out_, "--lang", "zh-TW,en"};
  ASSERT_EQ(fqlab(command).code, 0);
  EXPECT_EQ(fqlab({"report", map_, "--out", out_, "--force"}).code, 0);
  testing::expect_each_file_is_kept(out_, command);
}

TEST_F(MapCommands, ReportNeverReplacesItsInput) {
  const std::string input = (folder_ / "map.json").string();
  std::filesystem::copy_file(map_, input);
  const auto ran = fqlab({"report", input, "--out", folder_.path().string(), "--force"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("the output is the report that is read"));
}

TEST_F(MapCommands, ReportTakesOneMapAlone) {
  const auto ran = fqlab({"report", map_, map_, "--out", out_});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("a map is reported by itself"));
}

TEST_F(MapCommands, ReportRefusesADamagedStudyAndWritesNothing) {
  const std::string study = (folder_ / "damaged.study").string();
  testing::write_file(study, std::string("SQLite format 3\0", 16) + std::string(200, 'x'));
  const auto ran = fqlab({"report", study, "--out", out_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("damaged.study"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(MapCommands, ShowPrintsRankingAndHeatmap) {
  const auto ran = fqlab({"show", map_, "--top", "3"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("the first 3 of 210"), HasSubstr("ffn_down"), Not(HasSubstr("\x1b"))));
}

TEST_F(MapCommands, ShowGivesTheSameAsJson) {
  EXPECT_EQ(fqlab({"show", map_, "--json"}).out, testing::read_file(map_));
}

TEST_F(MapCommands, ShowSaysWhatAFileIsNot) {
  const std::string other = (folder_ / "other.json").string();
  testing::write_file(other, "{}");
  const auto ran = fqlab({"show", other});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("no sensitivity map"), HasSubstr("other.json")));
  EXPECT_EQ(fqlab({"show", (folder_ / "absent").string()}).code, 1);
}

}  // namespace
}  // namespace fqlab
