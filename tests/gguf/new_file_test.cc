#include <gmock/gmock.h>

#include "fqlab/gguf.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

class NewFile : public ::testing::Test {
 protected:
  Result<GgufLayout> write(std::span<const GgufMetadata> metadata, std::span<const NewTensor> tensors) {
    return write_new_gguf_file(metadata, tensors, path_, /*overwrite=*/false);
  }
  std::string refusal(const std::vector<GgufMetadata>& metadata, const std::vector<NewTensor>& tensors) {
    const Result<GgufLayout> written = write(metadata, tensors);
    EXPECT_FALSE(written);
    EXPECT_FALSE(std::filesystem::exists(path_));
    return written ? "" : to_string(written.error());
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "new.gguf";
  const std::vector<float> five_ = {1, -2, 0.5f, 3, 1e-30f}, six_ = {6, 5, 4, 3, 2, 1};
};

TEST_F(NewFile, HoldsWhatItWasGiven) {
  const auto names = std::make_shared<const GgufArray>(GgufArray{8, {std::string("one"), std::string()}});
  const Result<GgufLayout> written = write(
      {{{"general.type", std::string("test")}, {"names", names}, {"count", uint32_t{7}}}},
      {{{"five", GgmlType::kF32, {5}, bytes_of(five_)}, {"six", GgmlType::kF32, {2, 3}, bytes_of(six_)}}});
  ASSERT_TRUE(written) << to_string(written.error());
  const Result<GgufFile> file = GgufFile::open(path_);
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->file_bytes(), written->file_bytes);
  EXPECT_EQ(file->data_offset(), written->data_offset);
  EXPECT_EQ(file->metadata().size(), 3u);
  EXPECT_EQ(file->metadata_string("general.type"), "test");
  EXPECT_EQ(file->metadata_uint("count"), 7u);
  const auto read = std::get<std::shared_ptr<const GgufArray>>(*file->find_metadata("names"));
  EXPECT_EQ(read->elements, names->elements);
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->read_floats(file->tensors()[0]).value(), five_);
  EXPECT_EQ(file->read_floats(file->tensors()[1]).value(), six_);
  EXPECT_EQ(file->tensors()[1].shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(file->tensors()[1].offset, written->tensors[1].offset);
}

TEST_F(NewFile, MayHaveNoTensors) {
  ASSERT_TRUE(write({{{"general.type", std::string("test")}}}, {}));
  EXPECT_EQ(GgufFile::open(path_)->metadata_string("general.type"), "test");
}

TEST_F(NewFile, RefusesPartsThatDoNotFit) {
  const NewTensor five{"five", GgmlType::kF32, {5}, bytes_of(five_)};
  EXPECT_THAT(refusal({}, {five, five}), HasSubstr("a tensor stands twice ('five')"));
  EXPECT_THAT(refusal({{"a", 1.0f}, {"a", 2.0f}}, {}), HasSubstr("a metadata key stands twice"));
  EXPECT_THAT(refusal({{"", 1.0f}}, {}), HasSubstr("empty name"));
  EXPECT_THAT(refusal({{"general.alignment", uint32_t{64}}}, {}), HasSubstr("usual alignment"));
  EXPECT_THAT(refusal({}, {{std::string(64, 'x'), GgmlType::kF32, {5}, bytes_of(five_)}}),
              HasSubstr("longest allowed is 63"));
  EXPECT_THAT(refusal({}, {{"five", GgmlType::kF32, {6}, bytes_of(five_)}}),
              HasSubstr("20 bytes for a tensor of 24"));
  EXPECT_THAT(refusal({}, {{"five", GgmlType::kF32, {5, 0}, bytes_of(five_)}}), HasSubstr("none of size 0"));
  EXPECT_THAT(refusal({}, {{"five", GgmlType{8}, {5}, bytes_of(five_)}}), HasSubstr("no multiple"));
}

TEST_F(NewFile, ReplacesAFileOnlyWhenAskedTo) {
  testing::write_file(path_, "precious");
  EXPECT_EQ(write({}, {}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(testing::read_file(path_), "precious");
  EXPECT_TRUE(write_new_gguf_file({}, {}, path_, /*overwrite=*/true));
  EXPECT_TRUE(GgufFile::open(path_));
}

}  // namespace
}  // namespace fqlab
