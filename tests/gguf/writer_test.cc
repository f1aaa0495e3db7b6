#include <gmock/gmock.h>

#include <cstring>

#include "base/random.h"
#include "fqlab/gguf.h"
#include "gguf/header.h"
#include "small_file.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::small_file;
using testing::SmallFile;

std::string rewritten(const GgufFile& file, const GgufRewrite& rewrite) {
  std::string out;
  const auto layout = write_gguf(file, rewrite, [&](std::span<const std::byte> piece) {
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return Result<void>();
  });
  EXPECT_TRUE(layout) << to_string(layout.error());
  EXPECT_EQ(layout->file_bytes, out.size());
  EXPECT_EQ(plan_rewrite(file, rewrite)->file_bytes, out.size());
  return out;
}

TensorReplacement floats(const std::string& name, const std::vector<float>& values) {
  return {name, GgmlType::kF32, [values](std::span<std::byte> out) {
            EXPECT_EQ(out.size(), values.size() * sizeof(float));
            std::memcpy(out.data(), values.data(), out.size());
            return Result<void>();
          }};
}

class Writer : public ::testing::Test {
 protected:
  GgufFile open(const std::string& text, const std::string& name = "model.gguf") {
    testing::write_file(folder_ / name, text);
    return GgufFile::open(folder_ / name).value();
  }
  testing::TemporaryFolder folder_;
};

TEST_F(Writer, GivesTheSameBytesForAnEmptyRewrite) {
  const std::string text = small_file().text();
  EXPECT_EQ(rewritten(open(text), {}), text);
}

TEST_F(Writer, KeepsPaddingThatIsNotZeroAndAMissingLastPadding) {
  SmallFile file = small_file();
  std::string text = file.padded(file.header(), '\7');
  for (const auto& tensor : file.tensors) text = file.padded(text + tensor.data, '\7');
  EXPECT_EQ(rewritten(open(text), {}), text);
  text.resize(text.size() - 22);
  EXPECT_EQ(rewritten(open(text), {}), text);
}

TEST_F(Writer, KeepsAFileWithoutTensors) {
  SmallFile file = small_file();
  file.tensors.clear();
  EXPECT_EQ(rewritten(open(file.header()), {}), file.header());
  EXPECT_EQ(rewritten(open(file.padded(file.header(), '\7')), {}), file.padded(file.header(), '\7'));
}

TEST_F(Writer, ChangesOnlyTypeOffsetAndDataOfAReplacedTensor) {
  const GgufFile source = open(small_file().text());
  const std::vector<float> values(64, 0.25f);
  const GgufFile changed =
      open(rewritten(source, {{floats("blk.0.ffn_down.weight", values)}, {}}), "changed.gguf");
  EXPECT_EQ(changed.data_offset(), source.data_offset());
  EXPECT_EQ(changed.read_floats(changed.tensors()[1]).value(), values);
  EXPECT_EQ(changed.tensors()[1].shape, source.tensors()[1].shape);
  for (const size_t i : {0u, 2u}) {
    EXPECT_EQ(changed.tensors()[i].type, source.tensors()[i].type);
    EXPECT_TRUE(std::ranges::equal(changed.data(changed.tensors()[i]), source.data(source.tensors()[i])));
  }
  EXPECT_EQ(changed.tensors()[2].offset, 32u + 256u);
  // Back to the original bytes: nothing else was touched.
  const auto original = source.data(source.tensors()[1]);
  const GgufRewrite back{{{"blk.0.ffn_down.weight", GgmlType{8},
                           [&](std::span<std::byte> out) {
                             std::ranges::copy(original, out.begin());
                             return Result<void>();
                           }}},
                         {}};
  EXPECT_EQ(rewritten(changed, back), testing::read_file(source.path()));
}

TEST_F(Writer, SetsMetadataInPlaceAndAppendsWhatIsNew) {
  const GgufFile source = open(small_file().text());
  const GgufRewrite rewrite{
      {},
      {{"new.key", std::string("value")}, {"a.u8", std::string("now longer than a byte")}, {"new.key", 7.5}}};
  const GgufFile changed = open(rewritten(source, rewrite), "changed.gguf");
  ASSERT_EQ(changed.metadata().size(), source.metadata().size() + 1);
  EXPECT_EQ(changed.metadata()[1].key, "a.u8");
  EXPECT_EQ(changed.metadata_string("a.u8"), "now longer than a byte");
  EXPECT_EQ(std::get<double>(changed.metadata().back().value), 7.5);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(std::ranges::equal(changed.data(changed.tensors()[i]), source.data(source.tensors()[i])));
}

TEST_F(Writer, CallsTheFillersOnceInFileOrder) {
  const GgufFile source = open(small_file().text());
  std::vector<std::string> order;
  const auto filler = [&](const std::string& name) {
    return TensorReplacement{name, GgmlType::kF32, [&order, name](std::span<std::byte>) {
                               order.push_back(name);
                               return Result<void>();
                             }};
  };
  rewritten(source, {{filler("blk.0.ffn_norm.weight"), filler("token_embd.weight")}, {}});
  EXPECT_THAT(order, ElementsAre("token_embd.weight", "blk.0.ffn_norm.weight"));
}

TEST_F(Writer, RefusesRewritesThatCannotBe) {
  const GgufFile source = open(small_file().text());
  const auto refusal = [&](const GgufRewrite& rewrite) {
    return to_string(plan_rewrite(source, rewrite).error());
  };
  EXPECT_THAT(refusal({{floats("none", {})}, {}}), HasSubstr("no tensor 'none'"));
  EXPECT_THAT(refusal({{floats("token_embd.weight", {}), floats("token_embd.weight", {})}, {}}),
              HasSubstr("twice"));
  EXPECT_THAT(refusal({{{"token_embd.weight", GgmlType{8}, {}}}, {}}), HasSubstr("no multiple"));
  EXPECT_THAT(refusal({{{"token_embd.weight", GgmlType{5}, {}}}, {}}), HasSubstr("unknown tensor type 5"));
  EXPECT_THAT(refusal({{}, {{"general.alignment", uint32_t{64}}}}), HasSubstr("alignment"));
  EXPECT_THAT(refusal({{}, {{"", uint32_t{64}}}}), HasSubstr("empty"));
  const auto mixed = std::make_shared<GgufArray>(GgufArray{4, {uint32_t{1}, 1.0f}});
  EXPECT_THAT(refusal({{}, {{"k", std::shared_ptr<const GgufArray>(mixed)}}}),
              HasSubstr("must all be of its type"));
}

TEST_F(Writer, LeavesNothingWhenAFillerFails) {
  const GgufFile source = open(small_file().text());
  const GgufRewrite rewrite{{{"blk.0.ffn_norm.weight", GgmlType::kF32,
                              [](auto) -> Result<void> { return fail(ErrorCode::kInput, "no"); }}},
                            {}};
  EXPECT_EQ(write_gguf_file(source, rewrite, folder_ / "out.gguf", false).error().what, "no");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.gguf"));
}

TEST_F(Writer, NeverWritesOverTheSourceEvenByAnotherName) {
  const GgufFile source = open(small_file().text());
  std::filesystem::create_symlink(source.path(), folder_ / "link.gguf");
  for (const char* name : {"model.gguf", "link.gguf"})
    EXPECT_THAT(write_gguf_file(source, {}, folder_ / name, true).error().what,
                HasSubstr("the output is the model"));
}

TEST_F(Writer, WritesRealModelsBackByteForByte) {
  int tested = 0;
  for (const auto& path :
       {testing::shared_file("data/stories260k-f32.gguf"), testing::smollm2_file(), testing::gemma_file()}) {
    if (!std::filesystem::exists(path)) {
      std::cout << "absent, not tested: " << path << '\n';
      continue;
    }
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file) << to_string(file.error());
    size_t at = 0;
    bool same = true;
    ASSERT_TRUE(write_gguf(*file, {}, [&](std::span<const std::byte> piece) {
      same = same && at + piece.size() <= file->file_bytes() &&
             std::ranges::equal(piece, file->bytes().subspan(at, piece.size()));
      at += piece.size();
      return Result<void>();
    }));
    EXPECT_TRUE(same && at == file->file_bytes()) << path;
    ++tested;
  }
  if (tested == 0) GTEST_SKIP() << "absent: every model";
}

// Mutated files: the reader gives an error, or a file whose rewrite has the same bytes.
class Mutation : public Writer {
 protected:
  void expect_error_or_roundtrip(const std::string& text) {
    if (!parse_header(std::as_bytes(std::span(text)))) return;
    ++accepted_;
    ASSERT_EQ(rewritten(open(text), {}), text);
  }
  int accepted_ = 0;
};

TEST_F(Mutation, OfTruncatingAtEveryByteIsRefused) {
  const std::string text = small_file().text();
  for (size_t length = 0; length < text.size() - 22; ++length)
    ASSERT_FALSE(parse_header(std::as_bytes(std::span(text).first(length)))) << length;
}

TEST_F(Mutation, OfRandomBytesNeverCrashes) {
  const std::string text = small_file().text();
  const size_t header = small_file().header().size();
  Random random(20240601);
  constexpr int kTries = 20000;
  for (int i = 0; i < kTries; ++i) {
    std::string mutated = text;
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips)
      mutated[random.below(header)] = static_cast<char>(random.next());
    expect_error_or_roundtrip(mutated);
  }
  EXPECT_GT(accepted_, kTries / 100);  // the roundtrip was exercised too: most bytes are text and numbers
}

TEST_F(Mutation, OfLengthsAndCountsToExtremesNeverCrashes) {
  const std::string text = small_file().text();
  const size_t header = small_file().header().size();
  for (const uint64_t extreme : {uint64_t{0}, uint64_t{1} << 31, uint64_t{1} << 32, uint64_t{1} << 61,
                                 uint64_t{1} << 63, ~uint64_t{0}})
    for (const size_t width : {4u, 8u})
      for (size_t at = 0; at + width <= header; ++at) {
        std::string mutated = text;
        std::memcpy(mutated.data() + at, &extreme, width);
        expect_error_or_roundtrip(mutated);
      }
}

}  // namespace
}  // namespace fqlab
