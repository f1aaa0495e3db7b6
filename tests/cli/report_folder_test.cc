#include "cli/report_folder.h"

#include <gmock/gmock.h>

#include <array>

#include "testing.h"

namespace fqlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array kLanguages = {Language::kEnglish};

Result<void> check(const fs::path& folder) {
  return check_report_folder(folder, false, {"report", kLanguages, {}});
}

TEST(ReportFolder, IsTriedOutWithoutTouchingWhatIsThere) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder / "results");
  testing::write_file(folder / "results/keep.txt", "mine");
  fs::create_directory_symlink(folder / "results", folder / "link");
  fs::create_symlink("nowhere", folder / "dangling");
  EXPECT_TRUE(check(folder / "new/../results"));
  EXPECT_TRUE(check(folder / "new/.."));
  EXPECT_TRUE(check(folder / "link/../new/deeper/"));
  EXPECT_TRUE(check(folder / "link/new"));
  EXPECT_FALSE(check(folder / "dangling"));
  EXPECT_FALSE(check(folder / "results/keep.txt/below"));
  EXPECT_EQ(testing::read_file(folder / "results/keep.txt"), "mine");
  EXPECT_TRUE(fs::is_symlink(folder / "dangling"));
  EXPECT_FALSE(fs::exists(folder / "new"));
  EXPECT_FALSE(fs::exists(folder / "results/new"));
}

}  // namespace
}  // namespace fqlab::cli
