#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/atomic_file.h"
#include "base/file_map.h"
#include "base/read_file.h"
#include "base/scratch_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

using testing::files_in;

TEST(FileMap, ShowsTheBytesOfAFile) {
  testing::TemporaryFolder folder;
  testing::write_file(folder / "a", "abc");
  const auto map = FileMap::open(folder / "a");
  ASSERT_TRUE(map);
  ASSERT_EQ(map->bytes().size(), 3u);
  EXPECT_EQ(map->bytes()[2], std::byte{'c'});
}

TEST(FileMap, ShowsAnEmptyFileAsNoBytes) {
  testing::TemporaryFolder folder;
  testing::write_file(folder / "a", "");
  EXPECT_TRUE(FileMap::open(folder / "a").value().bytes().empty());
}

TEST(FileMap, RefusesWhatIsNotAFile) {
  testing::TemporaryFolder folder;
  EXPECT_THAT(FileMap::open(folder.path()).error().what, HasSubstr("folder"));
  EXPECT_THAT(FileMap::open(folder / "none").error().what, HasSubstr("No such file"));
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(FileMap::open(folder / "pipe").error().what, HasSubstr("not a regular file"));
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  testing::TemporaryFolder folder;
  {
    auto file = AtomicFile::create(folder / "out", Existing::kRefuse);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write(std::as_bytes(std::span("abc", 3))));
    EXPECT_FALSE(fs::exists(folder / "out"));
    ASSERT_TRUE(file->commit());
  }
  EXPECT_EQ(testing::read_file(folder / "out"), "abc");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, PassesOverTheTemporaryNamesOfADeadProgramOfItsNumber) {
  testing::TemporaryFolder folder;
  for (int i = 0; i < 100; ++i)
    testing::write_file(folder / (".fqlab-" + std::to_string(getpid()) + "-" + std::to_string(i) + ".tmp"),
                        "x");
  ASSERT_TRUE(write_file_atomically(folder / "out", "new", Existing::kRefuse));
  EXPECT_EQ(testing::read_file(folder / "out"), "new");
  EXPECT_EQ(files_in(folder.path()), 101u);
}

TEST(AtomicFile, LeavesNothingWhenItIsNotCommitted) {
  testing::TemporaryFolder folder;
  {
    auto file = AtomicFile::create(folder / "out", Existing::kRefuse);
    ASSERT_TRUE(file->write(std::as_bytes(std::span("abc", 3))));
  }
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(AtomicFile, HasTheRightsOfAnOrdinaryFile) {
  testing::TemporaryFolder folder;
  const mode_t mask = umask(027);
  ASSERT_TRUE(write_file_atomically(folder / "out", "x", Existing::kRefuse));
  umask(mask);
  EXPECT_EQ(fs::status(folder / "out").permissions(), fs::perms(0640));
}

TEST(AtomicFile, KeepsAnExistingFileUnlessToldToReplaceIt) {
  testing::TemporaryFolder folder;
  testing::write_file(folder / "out", "old");
  const auto refused = write_file_atomically(folder / "out", "new", Existing::kRefuse);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_THAT(refused.error().hint, HasSubstr("--force"));
  EXPECT_EQ(testing::read_file(folder / "out"), "old");
  ASSERT_TRUE(write_file_atomically(folder / "out", "new", Existing::kReplace));
  EXPECT_EQ(testing::read_file(folder / "out"), "new");
}

TEST(AtomicFile, ReplacesWhatALinkPointsToAndKeepsItsRights) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder / "large");
  testing::write_file(folder / "large/real", "old");
  fs::permissions(folder / "large/real", fs::perms(0600));
  fs::create_symlink("large/real", folder / "out");
  ASSERT_TRUE(write_file_atomically(folder / "out", "new", Existing::kReplace));
  EXPECT_TRUE(fs::is_symlink(folder / "out"));
  EXPECT_EQ(testing::read_file(folder / "large/real"), "new");
  EXPECT_EQ(fs::status(folder / "large/real").permissions(), fs::perms(0600));
  EXPECT_EQ(files_in(folder / "large"), 1u);
}

TEST(AtomicFile, KeepsAFileThatAppearedWhileItWasWritten) {
  testing::TemporaryFolder folder;
  auto file = AtomicFile::create(folder / "out", Existing::kRefuse);
  testing::write_file(folder / "out", "theirs");
  EXPECT_EQ(file->commit().error().code, ErrorCode::kUsage);
  EXPECT_EQ(testing::read_file(folder / "out"), "theirs");
}

TEST(AtomicFile, RefusesBeforeTheWorkWhatCannotBeNamedAfterIt) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_symlink("nothing", folder / "link");
  EXPECT_EQ(check_output(folder / "link", Existing::kRefuse).error().code, ErrorCode::kUsage);
  EXPECT_TRUE(check_output(folder / "link", Existing::kReplace));
  EXPECT_EQ(check_output("", Existing::kRefuse).error().code, ErrorCode::kUsage);
  EXPECT_EQ(check_output(folder / std::string(300, 'x'), Existing::kReplace).error().code,
            ErrorCode::kSystem);
}

TEST(AtomicFile, RefusesAMissingFolderAndADevice) {
  testing::TemporaryFolder folder;
  const auto missing = write_file_atomically(folder / "none" / "out", "x", Existing::kRefuse);
  EXPECT_EQ(missing.error().code, ErrorCode::kSystem);
  EXPECT_THAT(missing.error().hint, HasSubstr("create the folder"));
  EXPECT_THAT(write_file_atomically("/dev/null", "x", Existing::kReplace).error().what,
              HasSubstr("not a regular file"));
}

TEST(AtomicFile, RefusesAFolderWithoutTheRightToWrite) {
  testing::TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms(0555));
  const uid_t user = geteuid();
  if (user == 0) {
    ASSERT_EQ(seteuid(65534), 0);  // root may write everywhere: be nobody for a moment
  }
  const auto refused = write_file_atomically(folder / "out", "x", Existing::kRefuse);
  ASSERT_EQ(seteuid(user), 0);
  fs::permissions(folder.path(), fs::perms(0700));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSystem);
  EXPECT_THAT(refused.error().hint, HasSubstr("may write to"));
}

TEST(AtomicFile, ReportsAFileThatCannotGrowAndLeavesNothing) {
  testing::TemporaryFolder folder;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096,
                     before.rlim_max};  // stands in for a full disk: write() fails part of the way through
  setrlimit(RLIMIT_FSIZE, &small);
  const auto written = write_file_atomically(folder / "out", std::string(10000, 'x'), Existing::kRefuse);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(written.error().code, ErrorCode::kSystem);
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(ScratchFile, IsWrittenAndReadByItsPathAndHasNoName) {
  testing::TemporaryFolder folder;
  const ScratchFile file = ScratchFile::create(folder.path()).value();
  testing::write_file(file.path(), "a longer text");
  testing::write_file(file.path(), "a text");
  EXPECT_EQ(testing::read_file(file.path()), "a text");
  EXPECT_EQ(FileMap::open(file.path()).value().bytes().size(), 6u);
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(ReadFile, ATextHoldsNoZeroByte) {
  testing::TemporaryFolder folder;
  const std::string bytes("a\0b", 3);
  testing::write_file(folder / "bytes", bytes);
  testing::write_file(folder / "text", std::string(3 << 20, 'a'));
  EXPECT_EQ(read_file(folder / "bytes").value(), bytes);
  EXPECT_EQ(read_text_file(folder / "bytes").error().code, ErrorCode::kInput);
  EXPECT_EQ(read_text_file(folder / "text").value().size(), size_t{3} << 20);
  for (const auto& place : {folder / "none", folder.path()})
    EXPECT_EQ(read_text_file(place).error().code, ErrorCode::kSystem);
}

TEST(ScratchFile, NeedsAFolder) {
  testing::TemporaryFolder folder;
  EXPECT_EQ(ScratchFile::create(folder / "none").error().code, ErrorCode::kSystem);
}

}  // namespace
}  // namespace fqlab
