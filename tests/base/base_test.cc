#include <gmock/gmock.h>

#include "base/hash.h"
#include "base/nearest.h"
#include "base/random.h"
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

}  // namespace
}  // namespace fqlab
