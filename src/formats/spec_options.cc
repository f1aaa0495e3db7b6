#include "formats/spec_options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/nearest.h"
#include "formats/format_table.h"

namespace fqlab {

tl::unexpected<Error> refuse_spec(std::string what, std::string hint) {
  return fail(ErrorCode::kUsage, std::move(what), "format spec", std::move(hint));
}

namespace {

// Bits of SpecOptions::seen beside those of OptionGroup.
constexpr unsigned kSeenRange = 1u << 16, kSeenCalibration = 1u << 17, kSeenScale = 1u << 18;

template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

template <class Enum>
struct Word {
  std::string_view text;
  Enum value;
};
constexpr Word<MxScaleRule> kMxRules[] = {{"floor", MxScaleRule::kFloor},
                                          {"ceil", MxScaleRule::kCeil},
                                          {"rceil", MxScaleRule::kRceil},
                                          {"even", MxScaleRule::kEven}};
constexpr Word<ScaleType> kScaleTypes[] = {{"f32", ScaleType::kF32},
                                           {"f16", ScaleType::kF16},
                                           {"bf16", ScaleType::kBf16},
                                           {"e8m0", ScaleType::kE8m0},
                                           {"e4m3", ScaleType::kE4m3}};
constexpr Word<Rounding> kRoundings[] = {{"rne", Rounding::kNearestEven}, {"away", Rounding::kNearestAway},
                                         {"zero", Rounding::kZero},       {"floor", Rounding::kFloor},
                                         {"ceil", Rounding::kCeil},       {"stoch", Rounding::kStochastic}};
constexpr Word<Overflow> kOverflows[] = {{"sat", Overflow::kSaturate},
                                         {"nan", Overflow::kNan},
                                         {"inf", Overflow::kInfinity},
                                         {"error", Overflow::kError}};

template <class Enum, size_t N>
std::optional<Enum> read_word(const Word<Enum> (&words)[N], std::string_view text) {
  for (const Word<Enum>& word : words)
    if (word.text == text) return word.value;
  return std::nullopt;
}
template <class Enum, size_t N>
std::string_view print_word(const Word<Enum> (&words)[N], Enum value) {
  for (const Word<Enum>& word : words)
    if (word.value == value) return word.text;
  return "?";
}

Result<void> wrong_value(std::string_view option, std::string_view values) {
  return refuse_spec(fmt::format("'{}' has no such value", option), fmt::format("say {}", values));
}

/// Accepts an option of `group` once.
Result<void> claim(SpecOptions& options, unsigned group, unsigned seen, std::string_view option) {
  if ((options.takes & group) == 0)
    return refuse_spec(fmt::format("{} takes no option '{}'", options.format.base, option),
                       fmt::format("{} takes {}", options.format.base, options_taken(options.takes)));
  if ((options.seen & seen) != 0)
    return refuse_spec(fmt::format("'{}' says a second time what the spec has already said", option),
                       "keep one of the two");
  options.seen |= seen;
  return {};
}

std::optional<Granularity> read_granularity(std::string_view option) {
  if (option == "tensor") return Granularity{GranularityKind::kTensor};
  if (option == "channel") return Granularity{GranularityKind::kChannel};
  if (option == "token") return Granularity{GranularityKind::kToken};
  constexpr uint64_t kMost = uint64_t{1} << 32;
  if (option.starts_with('g')) {
    const auto columns = whole_number<uint64_t>(option.substr(1));
    if (columns && *columns > 0 && *columns <= kMost)
      return Granularity{GranularityKind::kGroup, 1, *columns};
  }
  const size_t by = option.find('x');
  if (option.starts_with('b') && by != std::string_view::npos) {
    const auto rows = whole_number<uint64_t>(option.substr(1, by - 1));
    const auto columns = whole_number<uint64_t>(option.substr(by + 1));
    if (rows && columns && *rows > 0 && *columns > 0 && *rows <= kMost && *columns <= kMost)
      return Granularity{GranularityKind::kBlock, *rows, *columns};
  }
  return std::nullopt;
}

Result<void> read_calibration(FormatDetails& format, std::string_view value) {
  constexpr std::string_view kValues = "calib=absmax, calib=mse, calib=mse/STEPS (2..10000) or calib=pct99.9";
  Calibration& calibration = format.calibration;
  if (value == "absmax") return {};
  if (value == "mse" || value.starts_with("mse/")) {
    calibration.kind = CalibrationKind::kMse;
    if (value == "mse") return {};
    const auto steps = whole_number<int>(value.substr(4));
    if (!steps || *steps < 2 || *steps > 10000) return wrong_value(fmt::format("calib={}", value), kValues);
    calibration.steps = *steps;
    return {};
  }
  if (value.starts_with("pct")) {
    const auto percentile = whole_number<double>(value.substr(3));
    // The canonical spelling has no exponent: smaller ones would not be read back.
    if (percentile && *percentile >= 1e-9 && *percentile <= 100) {
      calibration.kind = CalibrationKind::kPercentile;
      calibration.percentile = *percentile;
      return {};
    }
  }
  return wrong_value(fmt::format("calib={}", value), kValues);
}

Result<void> read_rounding(FormatDetails& format, std::string_view value) {
  const size_t at = value.find('@');
  const auto rounding = read_word(kRoundings, value.substr(0, at));
  const std::string option = fmt::format("r={}", value);
  if (!rounding) return wrong_value(option, "r=rne, r=away, r=zero, r=floor, r=ceil or r=stoch@SEED");
  format.rounding = *rounding;
  if (*rounding != Rounding::kStochastic) {
    if (at == std::string_view::npos) return {};
    return refuse_spec(fmt::format("'{}' takes no seed", option), "only r=stoch@SEED draws random numbers");
  }
  const auto seed =
      at == std::string_view::npos ? std::nullopt : whole_number<uint64_t>(value.substr(at + 1));
  if (!seed)
    return refuse_spec(fmt::format("'{}' needs a seed, so that it can be repeated", option), "say r=stoch@1");
  format.seed = *seed;
  return {};
}

Result<void> read_overflow(FormatDetails& format, std::string_view value) {
  const auto overflow = read_word(kOverflows, value);
  if (!overflow) return wrong_value(fmt::format("ovf={}", value), "ovf=sat, ovf=nan, ovf=inf or ovf=error");
  if (*overflow == Overflow::kInfinity && !format.element.has_infinity())
    return refuse_spec(
        fmt::format("{} has no infinity for 'ovf=inf'", format.base),
        format.element.has_nan() ? "say ovf=nan, ovf=sat or ovf=error" : "say ovf=sat or ovf=error");
  if (*overflow == Overflow::kNan && !format.element.has_nan())
    return refuse_spec(fmt::format("{} has no NaN for 'ovf=nan'", format.base), "say ovf=sat or ovf=error");
  format.overflow = *overflow;
  return {};
}

Result<void> apply_mapping(SpecOptions& options, std::string_view option) {
  FormatDetails& format = options.format;
  const bool is_range = option == "narrow" || option == "full";
  if (auto claimed = claim(options, kTakesMapping, is_range ? kSeenRange : unsigned{kTakesMapping}, option);
      !claimed)
    return claimed;
  if (is_range)
    format.range = option == "narrow" ? IntegerRange::kNarrow : IntegerRange::kFull;
  else
    format.mapping = option == "sym" ? Mapping::kSymmetric : Mapping::kAsymmetric;
  return {};
}

Result<void> unknown_option(const SpecOptions& options, std::string_view option) {
  const std::vector<std::string> words = {
      "tensor",        "channel",   "token",       "cast",       "sym",        "asym",         "narrow",
      "full",          "mx=floor",  "mx=ceil",     "mx=rceil",   "mx=even",    "calib=absmax", "calib=mse",
      "calib=pct99.9", "scale=f32", "scale=f16",   "scale=bf16", "scale=e8m0", "scale=e4m3",   "r=rne",
      "r=away",        "r=zero",    "r=floor",     "r=ceil",     "r=stoch@1",  "ovf=sat",      "ovf=nan",
      "ovf=inf",       "ovf=error", "imatrix=FILE"};
  const std::string near = did_you_mean(option, words);
  return refuse_spec(
      fmt::format("'{}' is no option of a format spec", option),
      near.empty() ? fmt::format("{} takes {}", options.format.base, options_taken(options.takes)) : near);
}

}  // namespace

Result<void> apply_option(SpecOptions& options, std::string_view option) {
  FormatDetails& format = options.format;
  if (option == "cast") {
    if (auto claimed = claim(options, kTakesCast, kTakesGranularity, option); !claimed) return claimed;
    format.granularity = {GranularityKind::kCast};
    return {};
  }
  if (const auto granularity = read_granularity(option)) {
    format.granularity = *granularity;
    return claim(options, kTakesGranularity, kTakesGranularity, option);
  }
  if (option == "sym" || option == "asym" || option == "narrow" || option == "full")
    return apply_mapping(options, option);

  const size_t equals = option.find('=');
  const std::string_view key = option.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : option.substr(equals + 1);
  if (equals == std::string_view::npos) return unknown_option(options, option);
  if (key == "mx") {
    if (auto claimed = claim(options, kTakesMxRule, kTakesMxRule, option); !claimed) return claimed;
    const auto rule = read_word(kMxRules, value);
    if (!rule) return wrong_value(option, "mx=floor, mx=ceil, mx=rceil or mx=even");
    format.mx_rule = *rule;
    return {};
  }
  if (key == "calib") {
    if (auto claimed = claim(options, kTakesGranularity, kSeenCalibration, option); !claimed) return claimed;
    return read_calibration(format, value);
  }
  if (key == "scale") {
    if (auto claimed = claim(options, kTakesGranularity, kSeenScale, option); !claimed) return claimed;
    const auto type = read_word(kScaleTypes, value);
    if (!type) return wrong_value(option, "scale=f32, scale=f16, scale=bf16, scale=e8m0 or scale=e4m3");
    format.scale_type = *type;
    return {};
  }
  if (key == "r") {
    if (auto claimed = claim(options, kTakesRounding, kTakesRounding, option); !claimed) return claimed;
    return read_rounding(format, value);
  }
  if (key == "ovf") {
    if (auto claimed = claim(options, kTakesOverflow, kTakesOverflow, option); !claimed) return claimed;
    return read_overflow(format, value);
  }
  if (key == "imatrix") {
    if (auto claimed = claim(options, kTakesImatrix, kTakesImatrix, option); !claimed) return claimed;
    if (value.empty())
      return refuse_spec("'imatrix=' needs a file", "say imatrix=FILE, a GGUF file of llama-imatrix");
    format.imatrix_file = value;
    return {};
  }
  return unknown_option(options, option);
}

Result<void> check_options(SpecOptions& options) {
  FormatDetails& format = options.format;
  const GranularityKind kind = format.granularity.kind;
  if (format.family == Family::kInteger) {
    if (kind == GranularityKind::kNone)
      return refuse_spec(fmt::format("{} needs a granularity: which values share a scale?", format.base),
                         fmt::format("say {0}:g128, {0}:channel or {0}:tensor", format.base));
    if ((options.seen & kTakesMapping) == 0 && format.is_unsigned && kind != GranularityKind::kCast)
      format.mapping = Mapping::kAsymmetric;
    if (kind == GranularityKind::kCast && format.mapping == Mapping::kAsymmetric)
      return refuse_spec(fmt::format("{}:cast has no scale and no zero point", format.base),
                         "leave out 'asym', or name a granularity");
    const bool zero_based = format.is_unsigned && format.mapping == Mapping::kSymmetric;
    if (zero_based && format.range == IntegerRange::kNarrow)
      return refuse_spec(fmt::format("{}:sym has no negative half to narrow", format.base),
                         "leave out 'narrow'");
    if (format.range == IntegerRange::kFull && (zero_based || format.mapping == Mapping::kAsymmetric))
      format.range = IntegerRange::kDefault;
    if (format.range == IntegerRange::kNarrow && format.mapping == Mapping::kSymmetric)
      format.range = IntegerRange::kDefault;
  } else if (kind == GranularityKind::kCast) {
    format.granularity = {};  // what a small float does without a granularity
  }
  const bool scale_options = (options.seen & (kSeenCalibration | kSeenScale)) != 0;
  if (scale_options && !format.has_scale())
    return refuse_spec(
        fmt::format("'calib=' and 'scale=' need a scale, and {} without a granularity is a plain cast",
                    format.base),
        fmt::format("say {}:channel:...", format.base));
  return {};
}

namespace {

/// The shortest digits that are read back the same, without an exponent, whose '-' the grammar takes for '_'.
std::string plain_number(double value) {
  std::array<char, 64> digits{};
  const auto [end, error] =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed);
  return error == std::errc() ? std::string(digits.data(), end) : fmt::format("{}", value);
}

}  // namespace

std::string canonical_spec(const FormatDetails& format, Overflow default_overflow) {
  std::string text = format.base;
  const auto add = [&](std::string_view option) { text += ":" + std::string(option); };
  const Granularity& granularity = format.granularity;
  switch (granularity.kind) {
    case GranularityKind::kNone:
      break;
    case GranularityKind::kCast:
      add("cast");
      break;
    case GranularityKind::kTensor:
      add("tensor");
      break;
    case GranularityKind::kChannel:
      add("channel");
      break;
    case GranularityKind::kToken:
      add("token");
      break;
    case GranularityKind::kGroup:
      add(fmt::format("g{}", granularity.columns));
      break;
    case GranularityKind::kBlock:
      add(fmt::format("b{}x{}", granularity.rows, granularity.columns));
      break;
  }
  if (format.family == Family::kInteger && granularity.kind != GranularityKind::kCast)
    add(format.mapping == Mapping::kSymmetric ? "sym" : "asym");
  if (format.range == IntegerRange::kNarrow) add("narrow");
  if (format.range == IntegerRange::kFull) add("full");
  if (format.mx_rule != MxScaleRule::kFloor) add(fmt::format("mx={}", print_word(kMxRules, format.mx_rule)));
  if (format.calibration.kind == CalibrationKind::kMse)
    add(format.calibration.steps == Calibration{}.steps
            ? "calib=mse"
            : fmt::format("calib=mse/{}", format.calibration.steps));
  if (format.calibration.kind == CalibrationKind::kPercentile)
    add("calib=pct" + plain_number(format.calibration.percentile));
  if (format.scale_type != ScaleType::kF32)
    add(fmt::format("scale={}", print_word(kScaleTypes, format.scale_type)));
  if (format.rounding == Rounding::kStochastic)
    add(fmt::format("r=stoch@{}", format.seed));
  else if (format.rounding != Rounding::kNearestEven)
    add(fmt::format("r={}", print_word(kRoundings, format.rounding)));
  if (format.overflow != default_overflow)
    add(fmt::format("ovf={}", print_word(kOverflows, format.overflow)));
  if (!format.imatrix_file.empty()) add("imatrix=" + format.imatrix_file);
  return text;
}

std::string options_taken(unsigned takes) {
  std::string text;
  const auto add = [&](unsigned group, std::string_view words) {
    if ((takes & group) != 0) text += (text.empty() ? "" : ", ") + std::string(words);
  };
  add(kTakesGranularity, "tensor, channel, token, gN, bRxC");
  add(kTakesCast, "cast");
  add(kTakesMapping, "sym, asym, narrow, full");
  add(kTakesMxRule, "mx=");
  add(kTakesGranularity, "calib=, scale=");
  add(kTakesRounding, "r=");
  add(kTakesOverflow, "ovf=");
  add(kTakesImatrix, "imatrix=FILE");
  return text.empty() ? "no options" : text;
}

}  // namespace fqlab
