#include "formats/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/format_details.h"
#include "formats/format_table.h"
#include "formats/ggml_names.h"
#include "formats/spec_options.h"

namespace fqlab {
namespace {

constexpr uint64_t kExampleRows = 4096, kExampleColumns = 4096;

std::string specials_of(const FormatDetails& format) {
  if (format.family == Family::kGgml) return "-";
  if (format.family == Family::kE8m0) return "NaN, no zero, no sign";
  if (format.family == Family::kInteger || format.fixed_point) return "none";
  std::string text;
  const auto add = [&text](const char* word) { text += (text.empty() ? "" : ", ") + std::string(word); };
  if (format.element.has_infinity()) add("Inf");
  if (format.element.has_nan()) add("NaN");
  if (format.element.has_negative_zero()) add("-0");
  return text.empty() ? "none" : text;
}

std::string granularity_of(const FormatDetails& format) {
  const Granularity& granularity = format.granularity;
  switch (format.family) {
    case Family::kMx:
      return "a power of two for 32 values of a row";
    case Family::kNvfp4:
      return "an E4M3 scale for 16 values of a row, a float32 scale for the tensor";
    case Family::kGgml: {
      const GgmlTypeInfo* info = ggml_type_info(format.ggml_type);
      if (info == nullptr || info->block_elements == 1) return "no scale";
      return fmt::format("blocks of {} values of a row, {} bytes each", info->block_elements,
                         info->block_bytes);
    }
    default:
      break;
  }
  switch (granularity.kind) {
    case GranularityKind::kNone:
    case GranularityKind::kCast:
      return "no scale";
    case GranularityKind::kTensor:
      return "one scale for the tensor";
    case GranularityKind::kChannel:
      return "one scale for each row (output channel)";
    case GranularityKind::kToken:
      return "one scale for each row (token)";
    case GranularityKind::kGroup:
      return fmt::format("one scale for {} values of a row", granularity.columns);
    case GranularityKind::kBlock:
      return fmt::format("one scale for {} rows x {} columns", granularity.rows, granularity.columns);
  }
  return "-";
}

/// Largest and smallest code of an integer, before its zero point.
double largest_integer(const FormatDetails& format) {
  const double codes = std::ldexp(1.0, format.integer_bits);
  const bool unsigned_range = format.is_unsigned || format.mapping == Mapping::kAsymmetric;
  return unsigned_range ? codes - (format.range == IntegerRange::kNarrow ? 2 : 1) : codes / 2 - 1;
}

std::string note_of(const FormatDetails& format) {
  const std::string_view base = format.base;
  if (const FormatRow* row = find_format_row(base)) return std::string(row->note);
  switch (format.family) {
    case Family::kInteger:
      return fmt::format(
          "{}-bit integers, {}", format.integer_bits,
          format.mapping == Mapping::kSymmetric ? "symmetric around zero" : "with a zero point");
    case Family::kGgml:
      return "ggml's type, by ggml's own code";
    default:
      return fmt::format("{} exponent bits (bias {}), {} mantissa bits", format.element.exponent_bits,
                         format.element.bias, format.element.mantissa_bits);
  }
}

FormatFacts facts_of_row(const FormatRow& row) {
  FormatFacts facts = describe(FormatSpec::parse(row.name).value());
  if ((row.takes & kTakesGranularity) != 0) facts.granularity = "cast, tensor, channel, token, gN, bRxC";
  return facts;
}

}  // namespace

FormatFacts describe(const FormatSpec& spec) {
  const FormatDetails& format = spec.details();
  FormatFacts facts;
  facts.spec = spec.print();
  facts.note = note_of(format);
  facts.bits_per_weight = spec.bits_per_weight(kExampleRows, kExampleColumns);
  facts.specials = specials_of(format);
  facts.granularity = granularity_of(format);
  if (format.family == Family::kGgml) return facts;
  if (format.family == Family::kInteger) {
    facts.largest = largest_integer(format);
    facts.smallest_normal = facts.smallest_step = 1;
  } else if (format.family == Family::kE8m0) {
    facts.largest = 0x1p127;
    facts.smallest_normal = facts.smallest_step = 0x1p-127;
  } else {
    facts.largest = format.element.largest();
    facts.smallest_normal =
        format.fixed_point ? format.element.smallest_step() : format.element.smallest_normal();
    facts.smallest_step = format.element.smallest_step();
  }
  return facts;
}

std::vector<FormatFacts> all_format_facts() {
  std::vector<FormatFacts> all;
  for (const FormatRow& row : format_table()) all.push_back(facts_of_row(row));
  const auto pattern = [&all](const char* name, const char* example, std::string note,
                              std::string granularity) {
    FormatFacts facts = describe(FormatSpec::parse(example).value());
    facts.spec = name;
    facts.note = std::move(note);
    facts.granularity = std::move(granularity);
    all.push_back(std::move(facts));
  };
  const char* scaled = "tensor, channel, token, gN, bRxC";
  pattern("int<2-16>", "int4:g128", "integers, sym or asym; the numbers are those of int4:g128", scaled);
  pattern("uint<2-16>", "uint4:g128", "unsigned integers; the numbers are those of uint4:g128", scaled);
  pattern("e<1-8>m<0-23>", "e3m3",
          "any small float: e3m3, e4m3b11, e5m4ieee ...; the numbers are those of e3m3",
          "cast, tensor, channel, token, gN, bRxC");
  for (const std::string& name : quantizable_ggml_names())
    all.push_back(describe(FormatSpec::parse("gguf:" + name).value()));
  return all;
}

std::vector<double> magnitudes(const FormatSpec& spec) {
  const FormatDetails& format = spec.details();
  std::vector<double> values;
  if (format.family == Family::kInteger && format.integer_bits <= 8) {
    const int largest = static_cast<int>(largest_integer(format));
    for (int code = 0; code <= largest; ++code) values.push_back(code);
    return values;
  }
  const bool small_float =
      format.family == Family::kMiniFloat || format.family == Family::kMx || format.family == Family::kNvfp4;
  if (!small_float || format.element.bits() > 8) return values;
  for (uint32_t code = 0; code < 1u << (format.element.bits() - 1); ++code)
    if (const double value = format.element.decode(code); std::isfinite(value)) values.push_back(value);
  return values;
}

}  // namespace fqlab
