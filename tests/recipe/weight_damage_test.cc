#include "fqlab/weight_damage.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "gguf/small_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

WeightProfile profile_of(const std::vector<float>& values) {
  WeightProfile profile;
  profile.add(values);
  return profile;
}

DamageSums sums_of(const std::vector<float>& x, const std::vector<float>& q, uint64_t columns,
                   const std::vector<float>& weights) {
  DamageSums sums;
  sums.add_original(x, columns, weights);
  sums.add_error(x, q, columns, weights);
  return sums;
}

std::vector<float> from_bits(const std::vector<uint32_t>& bits) {
  std::vector<float> values;
  for (const uint32_t b : bits) values.push_back(std::bit_cast<float>(b));
  return values;
}

TEST(WeightProfile, TellsWhatAHandfulOfValuesNeeds) {
  const WeightProfile profile = profile_of({1.5f, -0.0f, 0.0f, 0x1p-30f, 1 + 0x1p-9f, -12.0f});
  EXPECT_EQ(profile.values, 6u);
  EXPECT_EQ(profile.zeros, 2u);
  EXPECT_EQ(profile.not_bf16_exact, 1u);  // 1 + 2^-9
  EXPECT_EQ(profile.not_tf32_exact, 0u);
  EXPECT_EQ(profile.not_f16_exact, 1u);  // 2^-30
  EXPECT_EQ(profile.mantissa_bits(), 9);
  EXPECT_EQ(profile.exponents(), std::pair(-30, 3));
  EXPECT_EQ(profile.largest(), 12);
}

TEST(WeightProfile, LeavesNanAndInfinityOutOfRangeAndPrecision) {
  const WeightProfile profile = profile_of({kNan, kInf, -kInf, 2.0f, std::bit_cast<float>(0x7f800001u)});
  EXPECT_EQ(profile.nan, 2u);
  EXPECT_EQ(profile.infinite, 2u);
  EXPECT_EQ(profile.mantissa_bits(), 0);
  EXPECT_EQ(profile.exponents(), std::pair(1, 1));
  EXPECT_EQ(profile.not_bf16_exact + profile.not_f16_exact + profile.not_tf32_exact, 0u);
}

TEST(WeightProfile, HasNoExponentsWhereAllIsZero) {
  for (const auto& values : {std::vector<float>{}, std::vector<float>(100, 0.0f)}) {
    EXPECT_EQ(profile_of(values).exponents(), std::nullopt);
    EXPECT_EQ(profile_of(values).mantissa_bits(), 0);
    EXPECT_EQ(profile_of(values).zeros, values.size());
  }
}

RC_GTEST_PROP(WeightProfile, EqualsTheDefinitionForAnyBits, (const std::vector<uint32_t>& bits)) {
  const std::vector<float> values = from_bits(bits);
  uint64_t bf16 = 0, tf32 = 0, zeros = 0, nan = 0;
  for (const float x : values) {
    nan += std::isnan(x);
    zeros += x == 0;
    bf16 += std::isfinite(x) && (std::bit_cast<uint32_t>(x) & 0xffff) != 0;
    tf32 += std::isfinite(x) && (std::bit_cast<uint32_t>(x) & 0x1fff) != 0;
  }
  const WeightProfile profile = profile_of(values);
  RC_ASSERT(profile.nan == nan);
  RC_ASSERT(profile.zeros == zeros);
  RC_ASSERT(profile.not_bf16_exact == bf16);
  RC_ASSERT(profile.not_tf32_exact == tf32);
}

// f16 by its definition: the multiples of 2^-24 up to 65504 with at most 11 significant bits.
RC_GTEST_PROP(WeightProfile, KnowsF16NumbersOfEveryMagnitude, ()) {
  const int exponent = *rc::gen::inRange(-30, 20);
  const uint32_t mantissa = *rc::gen::inRange<uint32_t>(0, 1u << 23) &
                            *rc::gen::element(0x7fffffu, 0x7fe000u, 0x7fc000u, 0x400000u);
  const float x = std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23 | mantissa);
  const double steps = std::ldexp(static_cast<double>(x), exponent < -14 ? 24 : 10 - exponent);
  const bool exact = steps == std::floor(steps) && x <= 65504;
  RC_ASSERT(profile_of({x}).not_f16_exact == (exact ? 0u : 1u));
}

RC_GTEST_PROP(WeightProfile, OfPartsMergesToThatOfTheWhole,
              (const std::vector<uint32_t>& first, const std::vector<uint32_t>& second)) {
  WeightProfile parts = profile_of(from_bits(first));
  parts.merge(profile_of(from_bits(second)));
  std::vector<uint32_t> all = first;
  all.insert(all.end(), second.begin(), second.end());
  const WeightProfile whole = profile_of(from_bits(all));
  RC_ASSERT(parts.not_f16_exact == whole.not_f16_exact);
  RC_ASSERT(parts.mantissas == whole.mantissas);
  RC_ASSERT(parts.exponents() == whole.exponents());
}

TEST(DamageSums, FollowTheDefinition) {
  const DamageSums sums = sums_of({3, -4, 0, 0}, {3.5, -4, 0, 1}, 2, {});
  EXPECT_EQ(sums.relative_mse(), 1.25 / 25);
  EXPECT_EQ(sums.max_abs_error(), 1);
  EXPECT_EQ(sums.weighted_relative_mse(), std::nullopt);
}

TEST(DamageSums, WeighColumnsByTheirImportance) {
  const DamageSums sums = sums_of({1, 2, 3, 4}, {2, 2, 3, 6}, 2, {10, 1});
  EXPECT_EQ(sums.weighted_relative_mse(), (10.0 * 1 + 1.0 * 4) / (10.0 * (1 + 9) + 1.0 * (4 + 16)));
}

TEST(DamageSums, AreInfiniteWhereAFiniteValueWasLostAndIgnoreWhatWasNeverFinite) {
  EXPECT_TRUE(std::isinf(sums_of({1, 2}, {1, kNan}, 2, {}).relative_mse()));
  EXPECT_TRUE(std::isinf(sums_of({0, 0}, {0, 1}, 2, {}).relative_mse()));
  const DamageSums sums = sums_of({kNan, kInf, 2}, {0, 0, 3}, 3, {});
  EXPECT_EQ(sums.relative_mse(), 0.25);
  EXPECT_EQ(sums_of({kNan, 2}, {kNan, 2}, 2, {}).snr_db(), std::nullopt);
  EXPECT_EQ(sums_of({1e6f, 2}, {kInf, 2}, 2, {0, 1}).weighted_relative_mse(),
            kInf);  // not NaN where nothing weighs
}

// Integers below 2^10 have squares whose sums double holds exactly, in any order.
RC_GTEST_PROP(DamageSums, DoNotDependOnTheLengthOfTheTail, ()) {
  const auto bits = *rc::gen::container<std::vector<int>>(rc::gen::inRange(-1000, 1000));
  std::vector<float> x, q;
  double error = 0;
  for (const int b : bits) {
    x.push_back(static_cast<float>(b));
    q.push_back(static_cast<float>(b / 2));
    error += std::pow(b - b / 2, 2);
  }
  RC_ASSERT(sums_of(x, q, std::max<size_t>(1, x.size()), {}).error == error);
  RC_ASSERT(sums_of(x, q, 1, {1.0f}).weighted_error == error);
}

class OnSmallFiles : public ::testing::Test {
 protected:
  // blk.0.ffn_up: 70 rows of 1024, so that it has several batches; blk.0.ffn_norm: one row of 40.
  OnSmallFiles() {
    testing::SmallFile file;
    file.metadata = {testing::string_entry("general.architecture", "llama")};
    Bytes matrix, norm;
    for (int i = 0; i < 70 * 1024; ++i)
      matrix.number(std::sin(static_cast<float>(i)) * static_cast<float>(i % 97 + 1));
    for (int i = 0; i < 40; ++i) norm.number(1 + static_cast<float>(i) / 64);
    file.tensors = {{"blk.0.ffn_up.weight", {1024, 70}, 0, 0, matrix.text()},
                    {"blk.0.ffn_norm.weight", {40}, 0, 70 * 1024 * 4, norm.text()}};
    testing::write_file(model_, file.text());
  }
  static std::string imatrix_text(const std::string& type, const std::string& counts_name, float count) {
    testing::SmallFile file;
    file.metadata = {testing::string_entry("general.type", type)};
    Bytes sums;
    for (int i = 0; i < 1024; ++i) sums.number(static_cast<float>(i % 5 + 1) * 8);
    file.tensors = {{"blk.0.ffn_up.weight.in_sum2", {1024, 1}, 0, 0, sums.text()},
                    {counts_name, {1, 1}, 0, 4096, Bytes().number(count).text()}};
    return file.text();
  }
  std::string write_imatrix(float count = 8) {
    testing::write_file(folder_ / "imatrix.gguf",
                        imatrix_text("imatrix", "blk.0.ffn_up.weight.counts", count));
    return (folder_ / "imatrix.gguf").string();
  }
  static std::vector<FormatSpec> specs(const std::vector<std::string>& texts) {
    std::vector<FormatSpec> list;
    for (const std::string& text : texts) list.push_back(FormatSpec::parse(text).value());
    return list;
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path model_ = folder_ / "model.gguf";
  const std::vector<size_t> both_ = {0, 1};
};

TEST_F(OnSmallFiles, BatchesGiveWhatWholeTensorsGive) {
  const GgufFile file = GgufFile::open(model_).value();
  const auto formats = specs({"f32", "bf16", "mxfp4", "nvfp4", "int8:tensor:sym", "int4:b32x32:sym",
                              "int4:g32:asym", "e4m3:r=stoch@7", "fp8_e4m3:channel"});
  const WeightDamage damage = measure_damage(file, both_, formats, {}).value();
  for (size_t t = 0; t < 2; ++t)
    for (size_t i = 0; i < formats.size(); ++i) {
      const ChangedTensor whole = apply(file, file.tensors()[t], formats[i], 1).value();
      const DamageSums& sums = damage.tensors[t].formats[i].sums;
      EXPECT_EQ(sums.counts.changed, whole.counts.changed) << formats[i].print();
      EXPECT_EQ(sums.counts.saturated, whole.counts.saturated);
      EXPECT_EQ(sums.counts.values, whole.counts.values);
      EXPECT_EQ(sums.max_abs_error(), whole.distortion.max_abs_error);
      // Two orders of summation: at most 70 * 1024 roundings of 2^-53 each.
      EXPECT_NEAR(sums.relative_mse(), whole.distortion.relative_mse, 1e-11 * whole.distortion.relative_mse);
    }
}

TEST_F(OnSmallFiles, ThreadsDoNotChangeABit) {
  const GgufFile file = GgufFile::open(model_).value();
  const auto formats = specs({"mxfp4", "nvfp4"});
  const WeightDamage one = measure_damage(file, both_, formats, {1, nullptr, {}}).value();
  const WeightDamage three = measure_damage(file, both_, formats, {3, nullptr, {}}).value();
  for (size_t i = 0; i < formats.size(); ++i)
    EXPECT_EQ(one.tensors[0].formats[i].sums.error, three.tensors[0].formats[i].sums.error);
}

TEST_F(OnSmallFiles, SampledRowsAreWholeRowsOfTheTensor) {
  const GgufFile file = GgufFile::open(model_).value();
  const auto formats = specs({"int4:g32:sym", "nvfp4"});
  DamageOptions options{3, nullptr, {}};
  options.sampled_rows = 10;  // of 70: every 7th
  const WeightDamage sample = measure_damage(file, both_, formats, options).value();
  const uint64_t columns = file.tensors()[0].columns();
  std::vector<float> values(70 * columns);
  ASSERT_TRUE(decode(file.tensors()[0].type, file.data(file.tensors()[0]), values));
  std::vector<float> rows, quantized(10 * columns);
  for (size_t row = 0; row < 70; row += 7)
    rows.insert(rows.end(), values.begin() + static_cast<std::ptrdiff_t>(row * columns),
                values.begin() + static_cast<std::ptrdiff_t>((row + 1) * columns));
  ASSERT_TRUE(fake_quantize(formats[0], rows, quantized, columns));
  DamageSums truth;
  truth.add_original(rows, columns, {});
  truth.add_error(rows, quantized, columns, {});
  const DamageSums& sums = sample.tensors[0].formats[0].sums;
  EXPECT_EQ(sums.counts.values, rows.size());
  EXPECT_EQ(sums.max_abs_error(), truth.max_abs_error());
  EXPECT_NEAR(sums.relative_mse() / truth.relative_mse(), 1, 1e-11);  // two orders of summation
  EXPECT_EQ(sample.tensors[0].profile.values, rows.size());
  ASSERT_TRUE(sample.tensors[0].formats[1].refused);
  EXPECT_THAT(sample.tensors[0].formats[1].refused->what, HasSubstr("cannot be sampled"));
  EXPECT_EQ(sample.tensors[1].formats[0].sums.counts.values, 40u);  // one row
}

TEST_F(OnSmallFiles, SortsByDamageAndAddsUp) {
  const GgufFile file = GgufFile::open(model_).value();
  const WeightDamage damage = measure_damage(file, both_, specs({"bf16"}), {}).value();
  EXPECT_EQ(by_damage(damage, 0),
            (std::vector<size_t>{0, 1}));  // the norm is a multiple of 1/64 below 2: bf16-exact
  EXPECT_EQ(damage.tensors[1].formats[0].sums.error, 0);
  EXPECT_EQ(total_damage(damage, 0).counts.values, 70u * 1024 + 40);
  EXPECT_EQ(damage_by_kind(damage, 0).at("ffn_norm").counts.values, 40u);
  EXPECT_EQ(damage_by_layer(damage, 0).at(0).error, damage.tensors[0].formats[0].sums.error);
}

TEST_F(OnSmallFiles, KeepsWhyAFormatRefusesATensor) {
  const GgufFile file = GgufFile::open(model_).value();
  const WeightDamage damage = measure_damage(file, both_, specs({"gguf:q4_k"}), {}).value();
  const std::optional<Error>& refused = damage.tensors[0].formats[0].refused;
  if (refused && refused->hint.find("ENGINE") != std::string::npos) GTEST_SKIP() << "absent: the engine";
  ASSERT_FALSE(refused) << to_string(*refused);
  ASSERT_TRUE(damage.tensors[1].formats[0].refused);
  EXPECT_THAT(damage.tensors[1].formats[0].refused->what, HasSubstr("no multiple of the block"));
  EXPECT_EQ(by_damage(damage, 0), std::vector<size_t>{0});
}

TEST_F(OnSmallFiles, HistogramsHoldEveryValueOnce) {
  const GgufFile file = GgufFile::open(model_).value();
  const auto formats = specs({"fp4_e2m1", "nvfp4"});
  const WeightDamage damage = measure_damage(file, both_, formats, {}).value();
  for (const FormatSpec& format : formats) {
    const WeightHistogram histogram = measure_histogram(file, damage.tensors[0], format, 50, 2).value();
    for (const auto& bins : {histogram.original, histogram.quantized})
      EXPECT_EQ(std::accumulate(bins.begin(), bins.end(), uint64_t{0}), 70u * 1024);
    EXPECT_EQ(histogram.limit, damage.tensors[0].profile.largest());
  }
}

TEST_F(OnSmallFiles, ExpertsDoNotShareBlocksOfRows) {
  // Two experts of three rows: the scale of int4:b2x4 on small weights is not that of the other's large ones.
  testing::SmallFile file;
  file.metadata = {testing::string_entry("general.architecture", "llama")};
  Bytes values;
  for (int i = 0; i < 24; ++i) values.number((i < 12 ? 0.4f : 50.0f) + 0.001f * static_cast<float>(i));
  file.tensors = {{"blk.0.ffn_up_exps.weight", {4, 3, 2}, 0, 0, values.text()}};
  testing::write_file(model_, file.text());
  const GgufFile experts = GgufFile::open(model_).value();
  const FormatSpec format = FormatSpec::parse("int4:b2x4").value();
  const auto changed = apply(experts, experts.tensors()[0], format, 1);
  ASSERT_TRUE(changed) << to_string(changed.error());
  EXPECT_EQ(changed->counts.flushed_to_zero, 0u);
  const std::vector<size_t> first = {0};
  const WeightDamage damage = measure_damage(experts, first, specs({"int4:b2x4"}), {}).value();
  EXPECT_EQ(damage.tensors[0].formats[0].sums.counts.flushed_to_zero, 0u);
}

TEST_F(OnSmallFiles, ImportanceIsTheMeanSquareOfEachColumn) {
  const GgufFile file = GgufFile::open(model_).value();
  const auto matrix = ImportanceMatrix::open(write_imatrix());
  ASSERT_TRUE(matrix) << to_string(matrix.error());
  const std::vector<float> importance = matrix->importance(file.tensors()[0]).value();
  ASSERT_EQ(importance.size(), 1024u);
  EXPECT_EQ(importance[3], 4);
  EXPECT_TRUE(matrix->importance(file.tensors()[1])->empty());
  const WeightDamage damage = measure_damage(file, both_, specs({"mxfp4"}), {1, &*matrix, {}}).value();
  EXPECT_TRUE(damage.tensors[0].formats[0].sums.weighted_relative_mse());
  EXPECT_FALSE(damage.tensors[1].formats[0].sums.weighted_relative_mse());
}

TEST_F(OnSmallFiles, MatricesThatSawNoInputCountEveryColumnAlike) {
  const GgufFile file = GgufFile::open(model_).value();
  EXPECT_EQ(ImportanceMatrix::open(write_imatrix(0))->importance(file.tensors()[0]).value(),
            std::vector<float>(1024, 1));
}

TEST_F(OnSmallFiles, RefusesFilesThatAreNoImatrix) {
  const auto message = [&](const std::string& text) {
    testing::write_file(folder_ / "bad.gguf", text);
    return ImportanceMatrix::open((folder_ / "bad.gguf").string()).error().what;
  };
  EXPECT_THAT(message(imatrix_text("model", "blk.0.ffn_up.weight.counts", 1)), HasSubstr("no imatrix"));
  EXPECT_THAT(message(imatrix_text("imatrix", "other.counts", 1)), HasSubstr("pair"));
}

TEST_F(OnSmallFiles, RecipesPassTheImatrixToGgmlsQuantizers) {
  const GgufFile file = GgufFile::open(model_).value();
  const std::string with = "gguf:iq2_xxs:imatrix=" + write_imatrix();
  const auto changed = apply(file, file.tensors()[0], FormatSpec::parse(with).value(), 1);
  if (!changed && changed.error().hint.find("ENGINE") != std::string::npos)
    GTEST_SKIP() << "absent: the engine";
  ASSERT_TRUE(changed) << to_string(changed.error());
  EXPECT_GT(changed->counts.changed, 0u);
  const WeightDamage damage = measure_damage(file, both_, specs({with}), {}).value();
  EXPECT_EQ(damage.tensors[0].formats[0].sums.counts.changed, changed->counts.changed);
  EXPECT_THAT(apply(file, file.tensors()[1], FormatSpec::parse(with).value(), 1).error().what,
              HasSubstr("multiple"));
}

}  // namespace
}  // namespace fqlab
