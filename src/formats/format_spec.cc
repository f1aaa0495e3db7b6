// The grammar of format specs (docs/formats.md): from text to FormatDetails and back.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "base/nearest.h"
#include "formats/format_details.h"
#include "formats/format_table.h"
#include "formats/ggml_names.h"
#include "formats/spec_options.h"

namespace fqlab {
namespace {

/// Lower case, '_' for '-', no blanks around; the file name of imatrix= is left alone.
std::string normalize(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  std::string lower;
  for (const char c : text)
    lower += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const size_t file = lower.find(":imatrix=");
  if (file != std::string::npos) lower.replace(file + 9, std::string::npos, text.substr(file + 9));
  return lower;
}

/// The pieces between colons; imatrix= takes the rest, since file names may hold colons.
std::vector<std::string_view> pieces_of(std::string_view spec) {
  std::vector<std::string_view> pieces;
  while (true) {
    const size_t colon = spec.starts_with("imatrix=") ? std::string_view::npos : spec.find(':');
    pieces.push_back(spec.substr(0, colon));
    if (colon == std::string_view::npos) return pieces;
    spec.remove_prefix(colon + 1);
  }
}

/// Reads digits at the front of `text` and removes them; -1 where there are none or too many.
int take_number(std::string_view& text) {
  int value = -1;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + std::min<size_t>(text.size(), 4), value);
  if (error != std::errc() || value < 0) return -1;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

struct Base {
  FormatDetails format;
  unsigned takes = kTakesNothing;
  Overflow overflow = Overflow::kSaturate;
};

Base base_of_row(const FormatRow& row) {
  Base base{{}, row.takes, row.overflow};
  base.format.family = row.family;
  base.format.base = row.name;
  base.format.element = row.element;
  base.format.fixed_point = row.fixed_point;
  base.format.overflow = row.overflow;
  if (row.block != 0) base.format.granularity = {GranularityKind::kNone, 1, static_cast<uint64_t>(row.block)};
  return base;
}

std::string_view suffix_of(Specials specials) {
  switch (specials) {
    case Specials::kFn:
      return "fn";
    case Specials::kFnuz:
      return "fnuz";
    case Specials::kIeee:
      return "ieee";
    case Specials::kNone:
      return "";
  }
  return "";
}

/// e<1-8>m<0-23>[b<bias>][fn|fnuz|ieee|sat]; nothing where the text is not of that shape.
std::optional<Result<Base>> read_generic_float(std::string_view name) {
  std::string_view rest = name;
  MiniFloat element;
  if (!rest.starts_with('e')) return std::nullopt;
  rest.remove_prefix(1);
  element.exponent_bits = take_number(rest);
  if (element.exponent_bits < 0 || !rest.starts_with('m')) return std::nullopt;
  rest.remove_prefix(1);
  element.mantissa_bits = take_number(rest);
  if (element.mantissa_bits < 0) return std::nullopt;
  int bias = -1;
  if (rest.starts_with('b')) {
    rest.remove_prefix(1);
    bias = take_number(rest);
    if (bias < 0) return std::nullopt;
  }
  if (rest == "fn")
    element.specials = Specials::kFn;
  else if (rest == "fnuz")
    element.specials = Specials::kFnuz;
  else if (rest == "ieee")
    element.specials = Specials::kIeee;
  else if (rest == "sat" || rest.empty())
    element.specials = Specials::kNone;
  else
    return std::nullopt;

  const std::string text(name);
  if (element.exponent_bits < 1 || element.exponent_bits > 8 || element.mantissa_bits > 23)
    return Result<Base>(refuse_spec(fmt::format("'{}' does not fit float32", text),
                                    "exponents have 1..8 bits, mantissas 0..23"));
  if (rest.empty() && bias < 0 &&
      (name == "e4m3" || name == "e5m2"))  // without a suffix these mean the OCP types
    return Result<Base>(base_of_row(*find_format_row(name == "e4m3" ? "fp8_e4m3" : "fp8_e5m2")));
  const int default_bias = MiniFloat::default_bias(element.exponent_bits, element.specials);
  element.bias = bias < 0 ? default_bias : bias;
  if (element.specials == Specials::kIeee && (element.exponent_bits < 2 || element.mantissa_bits < 1))
    return Result<Base>(refuse_spec(fmt::format("'{}' has no room for Inf and NaN beside numbers", text),
                                    "IEEE rules need 2 exponent bits and 1 mantissa bit; leave out 'ieee'"));
  if (element.specials == Specials::kFn && element.bits() < 3)
    return Result<Base>(refuse_spec(fmt::format("'{}' has NaN and no number but 0", text), "leave out 'fn'"));
  if (element.largest() < 0x1p-126)
    return Result<Base>(refuse_spec(fmt::format("all numbers of '{}' lie below float32's normal range", text),
                                    "use a smaller bias"));
  if (const FormatRow* row = find_format_row(element)) return Result<Base>(base_of_row(*row));

  // A scale is pointless for a grid that reaches down to float32's own subnormals.
  const bool scalable = element.min_exponent() - element.mantissa_bits >= -125;
  Base base{{}, kTakesCast | kTakesRounding | kTakesOverflow | (scalable ? kTakesGranularity : 0u)};
  if (element.bits() >= 16 && element.has_infinity()) base.overflow = Overflow::kInfinity;
  base.format.family = Family::kMiniFloat;
  base.format.element = element;
  base.format.overflow = base.overflow;
  base.format.base = fmt::format("e{}m{}", element.exponent_bits, element.mantissa_bits);
  if (element.bias != default_bias) base.format.base += fmt::format("b{}", element.bias);
  const std::string& plain = base.format.base;
  const bool taken = plain == "e4m3" || plain == "e5m2" || plain == "e8m0";  // by another format
  base.format.base += taken && element.specials == Specials::kNone ? "sat" : suffix_of(element.specials);
  return Result<Base>(base);
}

/// int<2-16> | uint<2-16>; nothing where the text is not of that shape.
std::optional<Result<Base>> read_integer(std::string_view name) {
  const bool is_unsigned = name.starts_with('u');
  std::string_view rest = name.substr(is_unsigned ? 1 : 0);
  if (!rest.starts_with("int")) return std::nullopt;
  rest.remove_prefix(3);
  const int bits = take_number(rest);
  if (bits < 0 || !rest.empty()) return std::nullopt;
  if (bits < 2 || bits > 16)
    return Result<Base>(
        refuse_spec(fmt::format("'{}' has {} bits", name, bits), "integers have 2 to 16 bits"));
  Base base{{}, kTakesCast | kTakesGranularity | kTakesMapping | kTakesRounding};
  base.format.family = Family::kInteger;
  base.format.base = fmt::format("{}int{}", is_unsigned ? "u" : "", bits);
  base.format.integer_bits = bits;
  base.format.is_unsigned = is_unsigned;
  return Result<Base>(base);
}

Base base_of_ggml(const GgmlTypeInfo& info, std::string_view lower_name) {
  Base base{{}, kTakesImatrix};
  base.format.family = Family::kGgml;
  base.format.base = "gguf:" + std::string(lower_name);
  base.format.ggml_type = info.type;
  return base;
}

Result<Base> read_ggml(std::string_view name) {
  if (const GgmlTypeInfo* info = quantizable_ggml_type(name)) return base_of_ggml(*info, name);
  if (const auto refused = refuse_by_name(name)) return tl::unexpected(*refused);
  const std::vector<std::string> names = quantizable_ggml_names();
  const std::string near = did_you_mean(name, names);
  return refuse_spec(fmt::format("'gguf:{}' is no type that ggml can quantize to", name),
                     near.empty() ? fmt::format("ggml has {}", fmt::join(names, ", ")) : near);
}

Result<Base> read_base(std::string_view name) {
  if (const FormatRow* row = find_format_row(name)) return base_of_row(*row);
  if (const auto refused = refuse_by_name(name)) return tl::unexpected(*refused);
  if (auto generic = read_generic_float(name)) return *generic;
  if (auto integer = read_integer(name)) return *integer;
  if (const GgmlTypeInfo* info = quantizable_ggml_type(name)) return base_of_ggml(*info, name);
  if (name.empty())
    return refuse_spec("the format spec is empty", "say f32 for 'no change', or see: fqlab formats");
  const std::string near = did_you_mean(name, known_names());
  return refuse_spec(fmt::format("unknown number format '{}'", name),
                     near.empty() ? "see: fqlab formats" : near);
}

}  // namespace

Result<FormatSpec> FormatSpec::parse(std::string_view text) {
  std::string spec = normalize(text);
  const std::string first = spec.substr(0, spec.find(':'));
  if (const auto meaning = expand_alias(first)) spec.replace(0, first.size(), *meaning);
  std::vector<std::string_view> pieces = pieces_of(spec);
  const bool ggml = pieces[0] == "gguf";
  if (ggml && pieces.size() < 2)
    return refuse_spec("'gguf' needs a type", "say gguf:q4_k; see: fqlab formats");
  Result<Base> base = ggml ? read_ggml(pieces[1]) : read_base(pieces[0]);
  if (!base) return tl::unexpected(base.error());

  FormatDetails& format = base->format;
  SpecOptions options{format, base->takes};
  for (size_t i = ggml ? 2 : 1; i < pieces.size(); ++i)
    if (auto applied = apply_option(options, pieces[i]); !applied) return tl::unexpected(applied.error());
  if (auto checked = check_options(options); !checked) return tl::unexpected(checked.error());
  std::string canonical = canonical_spec(format, base->overflow);
  return FormatSpec(std::move(canonical), std::make_shared<const FormatDetails>(format));
}

bool FormatSpec::is_identity() const { return details_->family == Family::kIdentity; }

int scale_bits(ScaleType type) {
  switch (type) {
    case ScaleType::kF32:
      return 32;
    case ScaleType::kF16:
    case ScaleType::kBf16:
      return 16;
    case ScaleType::kE8m0:
    case ScaleType::kE4m3:
      return 8;
  }
  return 32;
}

double element_bits(const FormatDetails& format) {
  switch (format.family) {
    case Family::kInteger:
      return format.integer_bits;
    case Family::kE8m0:
      return 8;
    case Family::kGgml: {
      const GgmlTypeInfo* info = ggml_type_info(format.ggml_type);
      return info == nullptr ? 32 : 8.0 * info->block_bytes / info->block_elements;
    }
    default:
      return format.element.bits();
  }
}

double FormatSpec::bits_per_weight(uint64_t rows, uint64_t columns) const {
  const FormatDetails& format = *details_;
  if (rows == 0 || columns == 0) return element_bits(format);
  const double values = static_cast<double>(rows) * static_cast<double>(columns);
  const auto groups = [](uint64_t size, uint64_t group) {
    const uint64_t count = (size + group - 1) / group;
    return static_cast<double>(count);
  };
  const double all_rows = static_cast<double>(rows);
  if (format.family == Family::kMx) return element_bits(format) + 8 * all_rows * groups(columns, 32) / values;
  if (format.family == Family::kNvfp4)
    return element_bits(format) + (8 * all_rows * groups(columns, 16) + 32) / values;
  double scales = 0;
  switch (format.granularity.kind) {
    case GranularityKind::kNone:
    case GranularityKind::kCast:
      break;
    case GranularityKind::kTensor:
      scales = 1;
      break;
    case GranularityKind::kChannel:
    case GranularityKind::kToken:
      scales = all_rows;
      break;
    case GranularityKind::kGroup:
      scales = all_rows * groups(columns, format.granularity.columns);
      break;
    case GranularityKind::kBlock:
      scales = groups(rows, format.granularity.rows) * groups(columns, format.granularity.columns);
      break;
  }
  const int zero_point_bits = format.mapping == Mapping::kAsymmetric ? format.integer_bits : 0;
  return element_bits(format) + scales * (scale_bits(format.scale_type) + zero_point_bits) / values;
}

}  // namespace fqlab
