#include <gmock/gmock.h>

#include <limits>

#include "fqlab/gguf.h"
#include "gguf/header.h"
#include "small_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::small_file;
using testing::SmallFile;

constexpr uint64_t kFirstEntry = 24;  // magic, version and two counts stand before it

Error refusal(const std::string& text) {
  const auto header = parse_header(std::as_bytes(std::span(text)));
  return header ? Error{} : header.error();
}

// The small file with one more metadata entry in front; that entry's value starts at the byte returned by
// value_of().
std::string with_entry(const std::string& entry) {
  SmallFile file = small_file();
  file.metadata.insert(file.metadata.begin(), entry);
  return file.text();
}
uint64_t value_of(std::string_view key) { return kFirstEntry + 8 + key.size() + 4; }

std::string at_byte(uint64_t byte) { return "byte " + std::to_string(byte); }

class OpenedFile : public ::testing::Test {
 protected:
  GgufFile open(const std::string& text) {
    testing::write_file(folder_ / "model.gguf", text);
    return GgufFile::open(folder_ / "model.gguf").value();
  }
  testing::TemporaryFolder folder_;
};

TEST_F(OpenedFile, ShowsEveryMetadataTypeWithItsWidth) {
  const GgufFile file = open(small_file().text());
  EXPECT_EQ(file.architecture(), "llama");
  EXPECT_EQ(std::get<uint8_t>(*file.find_metadata("a.u8")), 200);
  EXPECT_EQ(std::get<int8_t>(*file.find_metadata("a.i8")), -3);
  EXPECT_EQ(std::get<int16_t>(*file.find_metadata("a.i16")), -300);
  EXPECT_EQ(std::get<float>(*file.find_metadata("a.f32")), 1.5f);
  EXPECT_EQ(std::get<bool>(*file.find_metadata("a.bool")), true);
  EXPECT_EQ(std::get<double>(*file.find_metadata("a.f64")), 0.1);
  EXPECT_EQ(file.metadata_uint("a.u16"), 60000u);
  EXPECT_EQ(file.metadata_uint("a.u64"), uint64_t{1} << 60);
  EXPECT_EQ(file.metadata_uint("a.i64"), std::nullopt);
  EXPECT_EQ(file.metadata_uint("a.bool"), std::nullopt);
  EXPECT_EQ(file.metadata_string("a.u8"), std::nullopt);
  const auto strings = std::get<std::shared_ptr<const GgufArray>>(*file.find_metadata("a.strings"));
  EXPECT_THAT(strings->elements, ElementsAre(GgufValue(std::string("one")), GgufValue(std::string())));
}

TEST_F(OpenedFile, ShowsTensorsWithTheirData) {
  const GgufFile file = open(small_file().text());
  ASSERT_EQ(file.tensors().size(), 3u);
  const TensorInfo& embedding = *file.find_tensor("token_embd.weight");
  EXPECT_EQ(embedding.columns(), 2u);
  EXPECT_EQ(embedding.values(), 6u);
  EXPECT_TRUE(embedding.is_matrix());
  EXPECT_THAT(file.read_floats(embedding).value(), ElementsAre(1.0f, 2.0f, -1.0f, 0.5f, 0.0f, 3.0f));
  EXPECT_FALSE(file.find_tensor("blk.0.ffn_norm.weight")->is_matrix());
  EXPECT_EQ(file.find_tensor("blk.0.ffn_down.weight")->bytes, 68u);
  EXPECT_EQ(file.find_tensor("none"), nullptr);
}

TEST_F(OpenedFile, NamesTheFileInItsErrors) {
  testing::write_file(folder_ / "model.gguf", "GGUF");
  const Error error = GgufFile::open(folder_ / "model.gguf").error();
  EXPECT_EQ(error.code, ErrorCode::kInput);
  EXPECT_THAT(error.where, EndsWith("model.gguf, version, byte 4"));
}

TEST(TensorName, IsTakenApartIntoLayerAndKind) {
  const auto parts = [](std::string_view name) {
    const TensorName parsed = parse_tensor_name(name);
    return (parsed.layer ? std::to_string(*parsed.layer) : "none") + " " + parsed.kind;
  };
  EXPECT_EQ(parts("blk.7.ffn_down.weight"), "7 ffn_down");
  EXPECT_EQ(parts("blk.12.attn_q.bias"), "12 attn_q.bias");
  EXPECT_EQ(parts("token_embd.weight"), "none token_embd");
  EXPECT_EQ(parts("blk.x.ffn_down.weight"), "none blk.x.ffn_down");
  EXPECT_EQ(parts("blk.-1.ffn_down.weight"), "none blk.-1.ffn_down");
  EXPECT_EQ(parts("blk.99999999999.a.weight"), "none blk.99999999999.a");
}

TEST(TensorName, TellsNorms) {
  for (const char* kind : {"attn_norm", "output_norm", "attn_q_norm", "attn_norm_2", "ffn_norm_exps"})
    EXPECT_TRUE(is_norm_kind(kind)) << kind;
  for (const char* kind : {"ffn_down", "attn_norm.bias", "attn_normal", "norm", ""})
    EXPECT_FALSE(is_norm_kind(kind)) << kind;
}

TEST(Reader, SaysWhatAFileIsThatIsNoModel) {
  EXPECT_THAT(refusal("Once upon a time there was a small model.").hint, HasSubstr("text file"));
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\n").hint, HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal("").hint, HasSubstr("empty"));
  EXPECT_THAT(refusal(std::string("PK\x03\x04", 4)).hint, HasSubstr("PyTorch"));
  EXPECT_THAT(refusal("tjgg....").hint, HasSubstr("before GGUF"));
  EXPECT_THAT(refusal(Bytes().u64(100).raw("{\"__metadata__\"").text()).hint, HasSubstr("safetensors"));
}

TEST(Reader, RefusesVersionsItCannotRead) {
  SmallFile file = small_file();
  file.version = 1;
  EXPECT_THAT(refusal(file.text()), AllOf(::testing::Field(&Error::where, "version, byte 4"),
                                          ::testing::Field(&Error::hint, HasSubstr("convert"))));
  file.version = 0x03000000;
  EXPECT_EQ(refusal(file.text()).what, "the file is big-endian");
  file.version = 4;
  EXPECT_THAT(refusal(file.text()).what, HasSubstr("version 4 is not supported"));
}

TEST(Reader, ReadsVersionTwo) {
  SmallFile file = small_file();
  file.version = 2;
  EXPECT_EQ(refusal(file.text()).what, "");
}

TEST(Reader, RefusesCountsThatDoNotFitIntoTheFile) {
  const auto start = [](uint64_t tensors, uint64_t entries) {
    return Bytes().raw("GGUF").u32(3).u64(tensors).u64(entries).text();
  };
  EXPECT_EQ(refusal(start(std::numeric_limits<uint64_t>::max(), 0)).where, "tensor count, byte 8");
  EXPECT_EQ(refusal(start(0, 1ull << 61)).where, "metadata count, byte 16");
}

TEST(Reader, RefusesAStringLongerThanTheFile) {
  const Error error =
      refusal(with_entry(Bytes().u64(std::numeric_limits<uint64_t>::max()).raw("key").text()));
  EXPECT_EQ(error.where, "key of metadata entry 0, " + at_byte(kFirstEntry + 8));
}

TEST(Reader, RefusesBadKeys) {
  EXPECT_EQ(refusal(with_entry(testing::u32_entry("", 1))).what, "an empty name");
  EXPECT_THAT(refusal(with_entry(testing::u32_entry(std::string("a\0b", 3), 1))).what,
              HasSubstr("zero byte"));
  EXPECT_THAT(refusal(with_entry(testing::u32_entry(std::string(65536, 'k'), 1))).what,
              HasSubstr("65536 bytes"));
  const Error twice = refusal(with_entry(testing::u32_entry("a.u8", 1)));
  EXPECT_EQ(twice.what, "the name 'a.u8' stands twice");
}

TEST(Reader, RefusesUnknownMetadataTypes) {
  const Error error = refusal(with_entry(Bytes().string("k").u32(13).u32(0).text()));
  EXPECT_EQ(error.what, "unknown metadata type 13");
  EXPECT_THAT(error.where, EndsWith(at_byte(value_of("k") - 4)));
}

TEST(Reader, RefusesTruthValuesOtherThanZeroAndOne) {
  EXPECT_THAT(refusal(with_entry(Bytes().string("k").u32(7).number<uint8_t>(2).text())).where,
              EndsWith(at_byte(value_of("k"))));
  EXPECT_THAT(refusal(with_entry(Bytes().string("k").u32(9).u32(7).u64(2).raw("\1\2").text())).where,
              EndsWith(at_byte(value_of("k") + 13)));
}

TEST(Reader, RefusesArraysThatDoNotFitOrNest) {
  const auto array = [](uint32_t type, uint64_t count) {
    return with_entry(Bytes().string("k").u32(9).u32(type).u64(count).text());
  };
  EXPECT_THAT(refusal(array(9, 1)).what, HasSubstr("arrays of type 9"));
  EXPECT_THAT(refusal(array(77, 1)).where, EndsWith(at_byte(value_of("k"))));
  EXPECT_THAT(refusal(array(10, 1ull << 61)).where,
              EndsWith(at_byte(value_of("k") + 4)));  // 8 * 2^61 wraps to 0
  EXPECT_THAT(refusal(array(8, 1ull << 40)).what, HasSubstr("do not fit"));
}

TEST(Reader, RefusesMetadataOfAModelsSizeInALargeFileToo) {
  // A damaged count or length in a large file must not take as much memory as the file has bytes.
  const testing::TemporaryFolder folder;
  const auto refused = [&](const std::string& entry) {
    testing::write_file(folder / "large.gguf", with_entry(entry));
    std::filesystem::resize_file(folder / "large.gguf", uint64_t{700} << 20);  // sparse
    return GgufFile::open(folder / "large.gguf").error();
  };
  EXPECT_THAT(refused(Bytes().string("k").u32(9).u32(0).u64(uint64_t{16} << 20).text()).what,
              HasSubstr("too large"));
  EXPECT_THAT(refused(Bytes().string("k").u32(8).u64(uint64_t{300} << 20).text()).what,
              HasSubstr("no string"));
}

TEST(Reader, RefusesMetadataThatWouldTakeMuchMoreMemoryThanTheFile) {
  const uint64_t count = 8u << 20;  // 8 MB of bytes would become 320 MB of values
  const Error error =
      refusal(with_entry(Bytes().string("k").u32(9).u32(0).u64(count).raw(std::string(count, 'x')).text()));
  EXPECT_THAT(error.what, HasSubstr("too large"));
}

TEST(Reader, RefusesBadAlignments) {
  const auto alignment = [](const std::string& entry) { return refusal(with_entry(entry)); };
  const std::string key = "general.alignment";
  EXPECT_THAT(alignment(testing::u32_entry(key, 0)).what, HasSubstr("power of two"));
  EXPECT_THAT(alignment(testing::u32_entry(key, 48)).where, EndsWith(at_byte(value_of(key))));
  EXPECT_THAT(alignment(Bytes().string(key).u32(10).u64(32).text()).what, HasSubstr("32-bit"));
  EXPECT_THAT(alignment(testing::u32_entry(key, 1u << 31)).what, HasSubstr("data end at byte"));
}

TEST(Reader, ReadsAnotherAlignment) {
  SmallFile file = small_file();
  file.alignment = 8;
  file.metadata.push_back(testing::u32_entry("general.alignment", 8));
  file.tensors[1].offset = 24;
  file.tensors[2].offset = 96;
  const std::string text = file.text();
  const auto header = parse_header(std::as_bytes(std::span(text)));
  ASSERT_TRUE(header) << to_string(header.error());
  EXPECT_EQ(header->alignment, 8u);
}

TEST(Reader, RefusesSplitFilesWithAdvice) {
  const Error error = refusal(with_entry(Bytes().string("split.count").u32(2).number<uint16_t>(3).text()));
  EXPECT_THAT(error.what, HasSubstr("split into 3 files"));
  EXPECT_THAT(error.hint, HasSubstr("--merge"));
  EXPECT_EQ(refusal(with_entry(Bytes().string("split.count").u32(2).number<uint16_t>(1).text())).what, "");
}

// One tensor of the small file made wrong; the errors' offsets are taken from the fields' places in that
// entry.
struct BadTensor {
  SmallFile file = small_file();
  uint64_t entry(size_t index) const {
    SmallFile before = file;
    before.tensors.resize(index);
    return before.header().size();
  }
  uint64_t dimension_count(size_t index) const { return entry(index) + 8 + file.tensors[index].name.size(); }
  uint64_t type(size_t index) const {
    return dimension_count(index) + 4 + 8 * file.tensors[index].shape.size();
  }
  Error error() const { return refusal(file.text()); }
};

TEST(Reader, RefusesBadTensorNames) {
  BadTensor bad;
  for (const std::string& name :
       {std::string(), std::string("a\0b", 3), std::string(64, 'n'), std::string("token_embd.weight")}) {
    bad.file.tensors[1].name = name;
    EXPECT_EQ(bad.error().where, "name of tensor 1, " + at_byte(bad.entry(1))) << name;
  }
}

TEST(Reader, RefusesShapesThatWrapOrAreEmpty) {
  BadTensor bad;
  bad.file.tensors[1].shape = {1ull << 32, 1ull << 32};  // the product wraps to 0
  EXPECT_THAT(bad.error().where, EndsWith(at_byte(bad.dimension_count(1) + 12)));
  EXPECT_THAT(bad.error().what, HasSubstr("64 bits"));
  bad.file.tensors[1].shape = {32, 0};
  EXPECT_EQ(bad.error().what, "a dimension of size 0");
  bad.file.tensors[1].shape = {1ull << 63};
  EXPECT_THAT(bad.error().what, HasSubstr("64 bits"));
  bad.file.tensors[1].shape = {32, 1, 1, 1, 1};
  EXPECT_THAT(bad.error().where, EndsWith(at_byte(bad.dimension_count(1))));
}

TEST(Reader, RefusesTypesThatDoNotExistOrDoNotFitTheRow) {
  BadTensor bad;
  bad.file.tensors[1].type = 4;  // q4_2, removed from ggml
  EXPECT_THAT(bad.error().where, EndsWith(at_byte(bad.type(1))));
  EXPECT_EQ(bad.error().what, "unknown tensor type 4");
  bad.file.tensors[1].type = 12;
  EXPECT_EQ(bad.error().what, "a row of 32 values is no multiple of q4_K's block of 256");
  bad.file.tensors[1].type = 8;
  bad.file.tensors[1].shape = {1ull << 40, 2};
  EXPECT_EQ(bad.error().what, "the tensor is larger than the file");
}

TEST(Reader, RefusesDataThatOverlapLeaveGapsOrAreMisaligned) {
  BadTensor bad;
  const uint64_t field = bad.type(1) + 4;
  for (const auto& [offset, what] : std::vector<std::pair<uint64_t, std::string>>{
           {0, "overlaps"}, {64, "gap"}, {40, "alignment"}, {~uint64_t{31}, "gap"}}) {
    bad.file.tensors[1].offset = offset;
    EXPECT_THAT(bad.error().what, HasSubstr(what));
    EXPECT_THAT(bad.error().where, EndsWith(at_byte(field)));
  }
}

TEST(Reader, RefusesDataBeyondTheEndOfTheFile) {
  const std::string text = small_file().text();
  const size_t data_end = text.size() - 22;               // the last tensor has 10 bytes, padded to 32
  EXPECT_EQ(refusal(text.substr(0, data_end)).what, "");  // only the last padding is missing
  EXPECT_THAT(refusal(text.substr(0, data_end - 1)).what, HasSubstr("the tensor's data end at byte"));
}

TEST(Reader, RefusesBytesAfterTheLastTensor) {
  const std::string text = small_file().text();
  EXPECT_EQ(refusal(text + "x").where, "end of file, " + at_byte(text.size()));
  EXPECT_NE(refusal(text.substr(0, text.size() - 3)).what, "");
}

TEST(Reader, NeverShowsControlCharactersInErrors) {
  EXPECT_THAT(refusal(with_entry(Bytes().string("k\x1b[31m").u32(99).text())).where, HasSubstr("'k?[31m'"));
}

}  // namespace
}  // namespace fqlab
