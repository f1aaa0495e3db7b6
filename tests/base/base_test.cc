#include <gmock/gmock.h>

#include <limits>

#include "base/hash.h"
#include "base/nearest.h"
#include "base/random.h"
#include "base/system.h"
#include "fqlab/result.h"
#include "testing.h"

namespace fqlab {
namespace {

TEST(Error, PrintsWhatWhereAndHint) {
  EXPECT_EQ(to_string(Error{ErrorCode::kInput, "row is cut off", "byte 12", "download it again"}),
            "row is cut off (byte 12). download it again.");
  EXPECT_EQ(to_string(Error{ErrorCode::kInput, "row is cut off", "", ""}), "row is cut off.");
}

TEST(Nearest, CountsAnExchangeOfNeighboursAsOneEdit) {
  EXPECT_EQ(edit_distance("fnf_norm", "ffn_norm"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(Nearest, NamesOnlyWhatIsNear) {
  const std::vector<std::string> names = {"ffn_norm", "attn_norm", "ffn_down", "token_embd"};
  EXPECT_THAT(nearest_names("ffn_nrom", names, 1), ::testing::ElementsAre("ffn_norm"));
  EXPECT_EQ(did_you_mean("zzzzzzzzzzzz", names), "");
  EXPECT_EQ(did_you_mean("ffn_nom", names, 2), "did you mean ffn_norm or ffn_down?");
}

TEST(Hash, GivesTheStandardTestVector) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  testing::TemporaryFolder folder;
  testing::write_file(folder / "abc", "abc");
  EXPECT_EQ(sha256_of_file(folder / "abc").value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of_file(folder / "none").error().code, ErrorCode::kSystem);
}

TEST(Random, GivesTheSameNumbersOnEveryMachine) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);  // the reference implementation's first outputs
  EXPECT_EQ(random.next(), 3203168211198807973u);
}

TEST(Random, DrawsNormalsOfMeanZeroAndVarianceOne) {
  Random random(1);
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));            // five standard errors
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));  // Var(x^2) = 2
}

void write_group(const std::filesystem::path& group, const char* limit_name, const std::string& limit,
                 const char* used_name, const std::string& used, const std::string& stat) {
  std::filesystem::create_directories(group);
  testing::write_file(group / limit_name, limit + "\n");
  testing::write_file(group / used_name, used + "\n");
  testing::write_file(group / "memory.stat", stat);
}

TEST(System, KnowsWhatTheControlGroupsOfBothVersionsLeave) {
  constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
  const testing::TemporaryFolder root;
  const auto second = [&](const char* group, const char* limit) {
    write_group(root / group, "memory.max", limit, "memory.current", "300", "anon 100\ninactive_file 200\n");
  };
  second("user.slice/job", "max");
  EXPECT_EQ(memory_left_by_groups("0::/user.slice/job\n", root.path()), kNone);
  second("user.slice/job", "1000");
  EXPECT_EQ(memory_left_by_groups("0::/user.slice/job\n", root.path()), 900u) << "300 used, 200 given back";
  second("user.slice", "500");
  EXPECT_EQ(memory_left_by_groups("0::/user.slice/job\n", root.path()), 400u) << "what holds it has less";
  EXPECT_EQ(memory_left_by_groups("0::/not/seen/here\n", root.path()), kNone);
  second("", "50");
  EXPECT_EQ(memory_left_by_groups("0::/not/seen/here\n", root.path()), 0u) << "a container's own root";

  write_group(root / "memory/docker/7", "memory.limit_in_bytes", "1000", "memory.usage_in_bytes", "400",
              "inactive_file 1\ntotal_inactive_file 100\n");
  EXPECT_EQ(memory_left_by_groups("3:cpuset:/\n4:memory:/docker/7\n", root.path()), 700u);
  EXPECT_EQ(memory_left_by_groups("", root.path()), kNone);
}

}  // namespace
}  // namespace fqlab
