// An effect of known size is found, and one that is too small to tell is called so, with a prediction of how
// much more text decides that holds. Noise of a given relative error on one tensor of a model of 260,000
// parameters; every seed has noise and text of its own. FQLAB_LONG=1 runs the seeds that the claims are
// about.
#include <gtest/gtest.h>

#include <cstdlib>

#include "study/changes.h"
#include "study/compare.h"
#include "study/controls.h"
#include "testing.h"

namespace fqlab {
namespace {

constexpr const char* kTensor = "blk.2.ffn_down.weight";
constexpr double kRelativeMse = 0.01;

class PlantedEffectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    FQLAB_REQUIRE_FILE(text_);
    file_.emplace(GgufFile::open(model_).value());
    all_text_ = testing::read_file(text_);
  }

  /// V: the tensor with noise of its own; the text begins somewhere of its own.
  Comparison measured(uint64_t seed, int chunks, double kl_margin) {
    const std::filesystem::path path = folder_ / "variant.gguf", corpus = folder_ / "text.txt";
    const TensorInfo& tensor = *file_->find_tensor(kTensor);
    ChangedTensor changed{tensor, *FormatSpec::parse("f32"), {}, {}, file_->read_floats(tensor).value(), {}};
    changed.values.resize(changed.original.size());
    add_matched_noise(changed.original, changed.values, kRelativeMse, seed);
    VariantChange change;
    change.tensors.push_back(std::move(changed));
    EXPECT_TRUE(write_variant_file(*file_, change, path, /*overwrite=*/true));
    const size_t begin = (seed * 30'011) % (all_text_.size() / 2);
    testing::write_file(corpus, all_text_.substr(all_text_.find('\n', begin) + 1));
    CompareRequest request;
    request.model = model_;
    request.variant = path;
    request.corpora = {{"text", corpus}};
    request.n_ctx = request.n_batch = 64;
    request.chunks = chunks;
    request.threads = 1;
    request.worst = 0;
    request.dialogue = request.speed = false;
    request.margins.kl_nats = kl_margin;
    Result<std::vector<Comparison>> comparisons = compare(request, {});
    EXPECT_TRUE(comparisons) << comparisons.error().what;
    return comparisons->front();
  }
  /// The effect's size: over noises and texts that the comparisons do not use.
  double planted_kl() {
    double sum = 0;
    for (uint64_t seed = 1001; seed <= 1004; ++seed)
      sum += measured(seed, long_run_ ? 200 : 50, 0.01).kl.mean / 4;
    return sum;
  }

  const bool long_run_ = std::getenv("FQLAB_LONG") != nullptr;
  const int seeds_ = long_run_ ? 20 : 3;
  std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  std::filesystem::path text_ = testing::shared_file("data/wikitext-2-raw.test.txt");
  testing::TemporaryFolder folder_;
  std::optional<GgufFile> file_;
  std::string all_text_;
};

TEST_F(PlantedEffectTest, IsDifferentAtAMarginItExceedsAndEquivalentAtOneItDoesNot) {
  const double kl = planted_kl();
  int different = 0, equivalent = 0;
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(seeds_); ++seed) {
    different += measured(seed, 32, kl / 1.5).verdicts.kl == Verdict::kDifferent;
    equivalent += measured(seed, 32, kl * 1.5).verdicts.kl == Verdict::kEquivalent;
  }
  RecordProperty("different", different);
  RecordProperty("equivalent", equivalent);
  std::printf("planted KL %.6f nats: different %d, equivalent %d of %d\n", kl, different, equivalent, seeds_);
  EXPECT_GE(different, long_run_ ? 19 : seeds_);
  EXPECT_GE(equivalent, long_run_ ? 19 : seeds_);
}

TEST_F(PlantedEffectTest, TooSmallAComparisonSaysHowManyChunksMoreDecideAndTheyDo) {
  if (!long_run_) GTEST_SKIP() << "set FQLAB_LONG=1";
  const double margin = 1.25 * planted_kl();
  int open = 0, decided = 0, settled = 0, unpredicted = 0;
  for (uint64_t seed = 1; seed <= 60 && open < 20; ++seed) {
    const Comparison small = measured(seed, 4, margin);
    settled += small.verdicts.kl != Verdict::kInconclusive;
    unpredicted += small.verdicts.kl == Verdict::kInconclusive && !small.power.kl;
    if (!small.power.kl) continue;
    ++open;
    const Comparison larger = measured(seed, 4 + static_cast<int>(*small.power.kl), margin);
    decided += larger.verdicts.kl != Verdict::kInconclusive;
    std::printf("seed %2d: KL %.5f of margin %.5f; %ld chunks more: %s\n", static_cast<int>(seed),
                small.kl.mean, margin, static_cast<long>(*small.power.kl),
                std::string(name(larger.verdicts.kl)).c_str());
  }
  std::printf("decided %d of %d; left out: %d settled at once, %d too close for a prediction\n", decided,
              open, settled, unpredicted);
  RecordProperty("decided", decided);
  EXPECT_EQ(open, 20);
  EXPECT_GE(decided, 16);
}

}  // namespace
}  // namespace fqlab
