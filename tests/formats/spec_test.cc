// The grammar: canonical spellings, refusals that teach, bits per weight.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "formats/format_table.h"
#include "quantize_for_test.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;
using testing::spec;

std::string canonical_of(const std::string& text) { return spec(text).print(); }

std::string error_of(const std::string& text) {
  const auto parsed = FormatSpec::parse(text);
  if (parsed) return "accepted as " + parsed->print();
  EXPECT_EQ(parsed.error().code, ErrorCode::kUsage);
  return to_string(parsed.error());
}

TEST(FormatSpec, PrintsOneSpellingForEqualFormats) {
  const std::pair<const char*, const char*> cases[] = {
      {"BF16", "bf16"},
      {" f32 ", "f32"},
      {"fp8", "fp8_e4m3"},
      {"FP8-E4M3", "fp8_e4m3"},
      {"e4m3", "fp8_e4m3"},
      {"e5m2", "fp8_e5m2"},
      {"e4m3fn", "fp8_e4m3"},
      {"e4m3b7fn", "fp8_e4m3"},
      {"e4m3sat", "e4m3sat"},
      {"e4m3b11sat", "e4m3b11"},
      {"e8m0sat", "e8m0sat"},
      {"e8m0b127", "e8m0sat"},
      {"e8m0", "e8m0"},
      {"e2m1", "fp4_e2m1"},
      {"e2m1sat", "fp4_e2m1"},
      {"e3m3", "e3m3"},
      {"e3m3b3", "e3m3"},
      {"e3m3b5", "e3m3b5"},
      {"e8m7ieee", "bf16"},
      {"e8m23ieee", "f32"},
      {"fp16", "f16"},
      {"bfloat16", "bf16"},
      {"fp4", "fp4_e2m1"},
      {"w4a16", "int4:g128:sym"},
      {"w8a8", "int8:channel:sym"},
      {"int4:g32", "int4:g32:sym"},
      {"int4:sym:g32", "int4:g32:sym"},
      {"int4:g32:narrow", "int4:g32:sym"},
      {"int4:g32:full:sym", "int4:g32:sym:full"},
      {"uint4:g32", "uint4:g32:asym"},
      {"int8:b128x64:asym:full", "int8:b128x64:asym"},
      {"mxfp4:mx=floor", "mxfp4"},
      {"mxfp4:MX=RCEIL", "mxfp4:mx=rceil"},
      {"int4:g32:calib=mse", "int4:g32:sym:calib=mse"},
      {"int4:g32:calib=mse/100", "int4:g32:sym:calib=mse"},
      {"int4:g32:calib=mse/20", "int4:g32:sym:calib=mse/20"},
      {"int4:g32:calib=pct99.9:scale=f16", "int4:g32:sym:calib=pct99.9:scale=f16"},
      {"int4:g32:calib=pct0.00001", "int4:g32:sym:calib=pct0.00001"},
      {"int4:g32:calib=absmax:scale=f32:r=rne", "int4:g32:sym"},
      {"bf16:r=zero", "bf16:r=zero"},
      {"bf16:ovf=inf", "bf16"},
      {"bf16:ovf=sat", "bf16:ovf=sat"},
      {"fp8_e4m3:ovf=sat:cast", "fp8_e4m3"},
      {"fp8_e5m2:r=stoch@7", "fp8_e5m2:r=stoch@7"},
      {"fp8_e4m3:channel:scale=e8m0", "fp8_e4m3:channel:scale=e8m0"},
      {"q4_K", "gguf:q4_k"},
      {"gguf:IQ4-XS", "gguf:iq4_xs"},
      {"gguf:mxfp4", "gguf:mxfp4"},
      {"gguf:iq2_xs:imatrix=/data/My-File:1.gguf", "gguf:iq2_xs:imatrix=/data/My-File:1.gguf"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(canonical_of(text), expected) << text;
}

TEST(FormatSpec, ParsesWhatItPrintsForAllNames) {
  for (const std::string& name : known_names()) {
    const std::string text =
        name.find("int") != std::string::npos && name.find("mx") == std::string::npos ? name + ":g32" : name;
    const FormatSpec once = spec(text);
    EXPECT_EQ(spec(once.print()), once) << text;
  }
}

RC_GTEST_PROP(FormatSpecProperty, ParsesWhatItPrints, ()) {
  const auto one_of = [](std::vector<std::string> words) { return *rc::gen::elementOf(words); };
  const std::string base =
      one_of({"int4", "uint7", "fp8_e4m3", "fp4_e2m1", "e3m3b5", "e5m4ieee", "e2m5fnuz"});
  std::string text = base + one_of({":tensor", ":channel", ":token", ":g48", ":b4x8"});
  if (base.find("int") != std::string::npos) text += one_of({"", ":sym", ":asym"});
  text += one_of({"", ":calib=mse", ":calib=mse/33", ":calib=pct99.95"}) +
          one_of({"", ":scale=f16", ":scale=e8m0"}) +
          one_of({"", ":r=away", ":r=stoch@18446744073709551615"});
  const FormatSpec once = spec(text);
  RC_ASSERT(spec(once.print()) == once);
  RC_ASSERT(spec(once.print()).print() == once.print());
}

TEST(FormatSpec, RefusesByNameAndSaysWhy) {
  EXPECT_THAT(error_of("mxfp6"), HasSubstr("mxfp6_e3m2 or mxfp6_e2m3"));
  EXPECT_THAT(error_of("int4"), HasSubstr("int4:g128"));
  EXPECT_THAT(error_of("q4_k_m"), HasSubstr("a mix of llama-quantize"));
  EXPECT_THAT(error_of("gguf:q4_k_m"), HasSubstr("a mix of llama-quantize"));
  EXPECT_THAT(error_of("Q5-K-S"), HasSubstr("a mix of llama-quantize"));
  EXPECT_THAT(error_of("gguf:q8_k"), HasSubstr("no type that ggml can quantize to"));
  EXPECT_THAT(error_of("fp8_e4m4"), HasSubstr("did you mean fp8_e4m3"));
  EXPECT_THAT(error_of("gguf:q4_kk"), HasSubstr("q4_k"));
  EXPECT_THAT(error_of("int17:g32"), HasSubstr("2 to 16 bits"));
  EXPECT_THAT(error_of("e9m2"), HasSubstr("1..8 bits"));
  EXPECT_THAT(error_of("e1m3ieee"), HasSubstr("no room for Inf and NaN"));
  EXPECT_THAT(error_of("e1m0fn"), HasSubstr("no number but 0"));
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
}

TEST(FormatSpec, RefusesOptionsThatTheBaseDoesNotTake) {
  EXPECT_THAT(error_of("mxfp4:g32"),
              HasSubstr("mxfp4 takes no option 'g32' (format spec). mxfp4 takes mx=, r=."));
  EXPECT_THAT(error_of("f32:r=zero"), HasSubstr("f32 takes no options"));
  EXPECT_THAT(error_of("bf16:channel"), HasSubstr("bf16 takes cast, r=, ovf="));
  EXPECT_THAT(error_of("int4:g32:mx=ceil"), HasSubstr("takes no option"));
  EXPECT_THAT(error_of("fp8_e4m3:ovf=inf"), HasSubstr("no infinity"));
  EXPECT_THAT(error_of("fp4_e2m1:ovf=nan"), HasSubstr("no NaN"));
  EXPECT_THAT(error_of("fp8_e4m3:scale=f16"), HasSubstr("plain cast"));
  EXPECT_THAT(error_of("bf16:r=stoch"), HasSubstr("r=stoch@1"));
  EXPECT_THAT(error_of("bf16:r=nearest"), HasSubstr("r=rne"));
  EXPECT_THAT(error_of("bf16:ovf=sat:ovf=nan"), HasSubstr("second time"));
  EXPECT_THAT(error_of("int4:g32:channel"), HasSubstr("second time"));
  EXPECT_THAT(error_of("int4:g32:asmy"), HasSubstr("did you mean asym"));
  EXPECT_THAT(error_of("int4:g0"), HasSubstr("no option"));
  for (const std::string& percentile : {std::string("101"), "0." + std::string(70, '0') + "1"})
    EXPECT_THAT(error_of("int4:g32:calib=pct" + percentile), HasSubstr("calib=pct99.9"));
  EXPECT_THAT(error_of("bf16:"), HasSubstr("no option"));
}

TEST(FormatSpec, CountsTheBitsOfAWeightWithItsScales) {
  EXPECT_EQ(spec("bf16").bits_per_weight(10, 64), 16);
  EXPECT_EQ(spec("mxfp4").bits_per_weight(10, 64), 4.25);
  EXPECT_EQ(spec("nvfp4").bits_per_weight(1, 32), 4 + 0.5 + 1);
  EXPECT_EQ(spec("int4:g32").bits_per_weight(7, 64), 5);
  EXPECT_EQ(spec("int4:g32:scale=f16").bits_per_weight(7, 64), 4.5);
  EXPECT_EQ(spec("int4:g32:asym:scale=f16").bits_per_weight(7, 64), 4 + 20.0 / 32);
  EXPECT_EQ(spec("int8:channel").bits_per_weight(3, 32), 9);
  EXPECT_EQ(spec("int8:tensor").bits_per_weight(2, 32), 8.5);
  EXPECT_EQ(spec("fp8_e4m3:b2x8").bits_per_weight(4, 16), 8 + 4 * 32 / 64.0);
  EXPECT_EQ(spec("gguf:q4_k").bits_per_weight(1, 256), 4.5);
}

TEST(FormatSpec, OnlyF32IsTheIdentity) {
  EXPECT_TRUE(spec("f32").is_identity());
  EXPECT_FALSE(spec("tf32").is_identity());
}

}  // namespace
}  // namespace fqlab
