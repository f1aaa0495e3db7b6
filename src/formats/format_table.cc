#include "formats/format_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/ggml_names.h"

namespace fqlab {
namespace {

constexpr unsigned kPlain = kTakesCast | kTakesRounding | kTakesOverflow;
constexpr unsigned kSmall = kPlain | kTakesGranularity;
constexpr unsigned kMxTakes = kTakesMxRule | kTakesRounding;
constexpr auto kSat = Overflow::kSaturate;
constexpr auto kInf = Overflow::kInfinity;

constexpr MiniFloat kE4m3 = {4, 3, 7, Specials::kFn};
constexpr MiniFloat kE5m2 = {5, 2, 15, Specials::kIeee};
constexpr MiniFloat kE3m2 = {3, 2, 3, Specials::kNone};
constexpr MiniFloat kE2m3 = {2, 3, 1, Specials::kNone};
constexpr MiniFloat kE2m1 = {2, 1, 1, Specials::kNone};
constexpr MiniFloat kE1m6 = {1, 6, 1,
                             Specials::kNone};  // k / 64 for k in 0..127: a fixed point in a float's clothes

constexpr FormatRow kRows[] = {
    // name, family, {exponent bits, mantissa bits, bias, specials}, options, overflow, note, block, fixed
    // point
    {"f32",
     Family::kIdentity,
     {8, 23, 127, Specials::kIeee},
     kTakesNothing,
     kInf,
     "IEEE binary32: changes nothing"},
    {"f16", Family::kMiniFloat, {5, 10, 15, Specials::kIeee}, kPlain, kInf, "IEEE binary16"},
    {"bf16", Family::kMiniFloat, {8, 7, 127, Specials::kIeee}, kPlain, kInf, "the upper half of float32"},
    {"tf32", Family::kMiniFloat, {8, 10, 127, Specials::kIeee}, kPlain, kInf, "NVIDIA's TensorFloat-32"},
    {"fp8_e4m3", Family::kMiniFloat, kE4m3, kSmall, kSat, "OCP FP8 E4M3 (\"fn\")"},
    {"fp8_e5m2", Family::kMiniFloat, kE5m2, kSmall, kSat, "OCP FP8 E5M2"},
    {"fp8_e4m3fnuz", Family::kMiniFloat, {4, 3, 8, Specials::kFnuz}, kSmall, kSat, "AMD/Graphcore FP8 E4M3"},
    {"fp8_e5m2fnuz", Family::kMiniFloat, {5, 2, 16, Specials::kFnuz}, kSmall, kSat, "AMD/Graphcore FP8 E5M2"},
    {"fp8_e4m3ieee", Family::kMiniFloat, {4, 3, 7, Specials::kIeee}, kSmall, kSat, "E4M3 by IEEE rules"},
    {"fp8_e3m4", Family::kMiniFloat, {3, 4, 3, Specials::kIeee}, kSmall, kSat, "E3M4 by IEEE rules"},
    {"fp6_e3m2", Family::kMiniFloat, kE3m2, kSmall, kSat, "OCP FP6 E3M2"},
    {"fp6_e2m3", Family::kMiniFloat, kE2m3, kSmall, kSat, "OCP FP6 E2M3"},
    {"fp4_e2m1", Family::kMiniFloat, kE2m1, kSmall, kSat, "OCP FP4 E2M1"},
    {"e8m0",
     Family::kE8m0,
     {8, 0, 127, Specials::kFn},
     kTakesCast,
     kSat,
     "powers of two, the scale type of MX"},
    {"mxfp8_e4m3", Family::kMx, kE4m3, kMxTakes, kSat, "OCP MX, E4M3 elements", 32},
    {"mxfp8_e5m2", Family::kMx, kE5m2, kMxTakes, kSat, "OCP MX, E5M2 elements", 32},
    {"mxfp6_e3m2", Family::kMx, kE3m2, kMxTakes, kSat, "OCP MX, E3M2 elements", 32},
    {"mxfp6_e2m3", Family::kMx, kE2m3, kMxTakes, kSat, "OCP MX, E2M3 elements", 32},
    {"mxfp4", Family::kMx, kE2m1, kMxTakes, kSat, "OCP MX, E2M1 elements", 32},
    {"mxint8", Family::kMx, kE1m6, kMxTakes, kSat, "OCP MX, elements k/64", 32, true},
    {"nvfp4", Family::kNvfp4, kE2m1, kTakesRounding, kSat,
     "NVIDIA FP4: E4M3 scale for 16, f32 scale for the tensor", 16},
};

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"fp8", "fp8_e4m3"},          {"fp16", "f16"},
    {"bfloat16", "bf16"},         {"fp32", "f32"},
    {"fp4", "fp4_e2m1"},          {"w4a16", "int4:g128:sym"},
    {"w8a8", "int8:channel:sym"}, {"fp8_e4m3fn", "fp8_e4m3"},
    {"fp8_e3m4ieee", "fp8_e3m4"}, {"mxfp4_e2m1", "mxfp4"},
};

/// q4_k_m, q3_k_xl, iq2_m ...: llama-quantize's names for mixes of types.
bool is_llama_quantize_mix(std::string_view name) {
  if (name.starts_with("ud_")) name.remove_prefix(3);
  const bool k_mix = name.size() > 4 && name[0] == 'q' && name.substr(2, 3) == "_k_";
  return k_mix || name == "iq1_m_l" || name == "iq2_m" || name == "iq3_m" || name == "iq3_xs";
}

Error refusal(std::string_view name, std::string why, std::string instead) {
  return {ErrorCode::kUsage, fmt::format("'{}' {}", name, why), "format spec", std::move(instead)};
}

}  // namespace

std::span<const FormatRow> format_table() { return kRows; }

const FormatRow* find_format_row(std::string_view name) {
  const auto row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const FormatRow& r) { return r.name == name; });
  return row == std::end(kRows) ? nullptr : row;
}

const FormatRow* find_format_row(const MiniFloat& element) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const FormatRow& r) {
    return (r.family == Family::kMiniFloat || r.family == Family::kIdentity) && r.element == element;
  });
  return row == std::end(kRows) ? nullptr : row;
}

std::optional<std::string_view> expand_alias(std::string_view name) {
  for (const auto& [alias, meaning] : kAliases)
    if (alias == name) return meaning;
  return std::nullopt;
}

std::optional<Error> refuse_by_name(std::string_view name) {
  if (name == "mxfp6" || name == "fp6")
    return refusal(name, "is two formats, E3M2 (range) and E2M3 (precision)",
                   fmt::format("say {0}_e3m2 or {0}_e2m3", name));
  if (name == "mxfp8")
    return refusal(name, "is two formats, E4M3 (precision) and E5M2 (range)", "say mxfp8_e4m3 or mxfp8_e5m2");
  if (name.size() == 1 + 3 && name.starts_with("nf4"))
    return refusal(name, "is not in the grammar", "the closest are fp4_e2m1:g64 and gguf:iq4_nl");
  if (is_llama_quantize_mix(name))
    return refusal(name, "is a mix of llama-quantize (several types in one file), not a number format",
                   "name the type of each tensor, e.g. 'attn_v,ffn_down=gguf:q6_k; *=gguf:q4_k'");
  return std::nullopt;
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const FormatRow& row : kRows) names.emplace_back(row.name);
  for (const auto& [alias, meaning] : kAliases) names.emplace_back(alias);
  for (int bits = 2; bits <= 16; ++bits) {
    names.push_back(fmt::format("int{}", bits));
    names.push_back(fmt::format("uint{}", bits));
  }
  for (const std::string& type : quantizable_ggml_names()) names.push_back("gguf:" + type);
  return names;
}

}  // namespace fqlab
