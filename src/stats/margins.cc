// Reads --margin.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string>

#include "base/nearest.h"
#include "base/text.h"
#include "fqlab/stats.h"

namespace fqlab {
namespace {

constexpr std::string_view kExample = "write it like ppl=0.5%,kl=0.01,top=1%,speed=2%";

/// "0.5%" is 0.005.
std::optional<double> positive_number(std::string_view text) {
  const bool per_cent = text.ends_with('%');
  if (per_cent) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (per_cent) value /= 100;
  if (!std::isfinite(value) || !(value > 0)) return std::nullopt;
  return value;
}

}  // namespace

Result<Margins> parse_margins(std::string_view text) {
  static const std::vector<std::string> kKeys = {"ppl", "kl", "top", "speed"};
  Margins margins;
  std::set<std::string> seen;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = trimmed(text.substr(begin, comma - begin));
    begin = comma + 1;
    const std::string where = "--margin " + std::string(part);
    const size_t equals = part.find('=');
    if (equals == part.npos)
      return fail(ErrorCode::kUsage, "a margin needs a name and a value", where, std::string(kExample));
    const std::string key(trimmed(part.substr(0, equals)));
    const std::optional<double> value = positive_number(trimmed(part.substr(equals + 1)));
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      const std::string near = did_you_mean(key, kKeys, 1);
      return fail(ErrorCode::kUsage, "there is no margin named '" + key + "'", where,
                  near.empty() ? "the names are ppl, kl, top and speed" : near);
    }
    if (!value) return fail(ErrorCode::kUsage, "a margin is a number above 0", where, std::string(kExample));
    if (!seen.insert(key).second) return fail(ErrorCode::kUsage, "the margin is given twice", where);
    if (key == "ppl") margins.log_perplexity_ratio = std::log1p(*value);
    if (key == "kl") margins.kl_nats = *value;
    if (key == "top") margins.top_flips = *value;
    if (key == "speed") margins.speed_log_ratio = std::log1p(*value);
  }
  return margins;
}

}  // namespace fqlab
