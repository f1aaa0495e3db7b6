// Release gates: limits that make a comparison fail.
#include <charconv>
#include <cmath>

#include "fqlab/report.h"
#include "report/messages.h"
#include "report/numbers.h"

namespace fqlab {
namespace {

struct GateName {
  Gate gate;
  std::string_view name;
  bool fraction;  // may be given in per cent
};
constexpr GateName kGates[] = {
    {Gate::kKl, "kl", false}, {Gate::kPerplexity, "ppl", true}, {Gate::kSameTop, "top", true}};

tl::unexpected<Error> bad(std::string_view item, std::string what) {
  return fail(ErrorCode::kUsage, std::move(what), "--fail-on " + std::string(item),
              "write it like kl=0.01,ppl=1%,top=1%");
}

Result<Threshold> parse_one(std::string_view item) {
  const size_t equals = item.find('=');
  for (const GateName& gate : kGates) {
    if (equals == std::string_view::npos || item.substr(0, equals) != gate.name) continue;
    std::string_view number = item.substr(equals + 1);
    const bool percent = number.ends_with('%');
    if (percent) number.remove_suffix(1);
    if (percent && !gate.fraction) return bad(item, "kl is given in nats, not in per cent");
    double limit = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), limit);
    if (error != std::errc() || end != number.data() + number.size() || !(limit >= 0) ||
        !std::isfinite(limit)) {
      return bad(item, "the limit is not a number of 0 or more");
    }
    return Threshold{gate.gate, percent ? limit / 100 : limit};
  }
  return bad(item, "a limit is kl=NUMBER, ppl=NUMBER or top=NUMBER");
}

}  // namespace

Result<std::vector<Threshold>> parse_thresholds(std::string_view text) {
  std::vector<Threshold> thresholds;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    auto one = parse_one(text.substr(at, comma - at));
    if (!one) return tl::unexpected<Error>(one.error());
    thresholds.push_back(*one);
    at = comma + 1;
  }
  return thresholds;
}

std::vector<ThresholdCheck> check_thresholds(const Comparison& c, std::span<const Threshold> thresholds) {
  std::vector<ThresholdCheck> checks;
  for (const Threshold& threshold : thresholds) {
    ThresholdCheck check{threshold, 0, {}, false, {}};
    switch (threshold.gate) {
      case Gate::kKl:
        check.value = c.kl.mean;
        check.interval = c.kl.interval;
        break;
      case Gate::kPerplexity:
        check.value = std::expm1(c.perplexity.log_ratio);
        if (const auto& i = c.perplexity.log_ratio_interval)
          check.interval = Interval{std::expm1(i->low), std::expm1(i->high)};
        break;
      case Gate::kSameTop:
        check.value = 1 - c.same_top.fraction;
        if (const auto& i = c.same_top.interval) check.interval = Interval{1 - i->high, 1 - i->low};
        break;
    }
    if (c.logits_identical)
      check.interval = Interval{check.value, check.value};  // exact, whatever Wilson says
    check.crossed = !(check.value <= threshold.limit);      // not a number keeps no limit
    if (check.interval) {
      check.clear =
          check.crossed ? check.interval->low > threshold.limit : check.interval->high <= threshold.limit;
    }
    checks.push_back(check);
  }
  return checks;
}

std::string describe(const ThresholdCheck& check, Language language) {
  const report::Text text(language);
  const bool in_nats = check.threshold.gate == Gate::kKl;
  const std::string value =
      in_nats ? report::kl_estimate(check.value, check.interval) + " nats"
              : report::percent(check.value, check.interval, check.threshold.gate == Gate::kPerplexity);
  const std::string limit =
      in_nats ? report::number(check.threshold.limit) + " nats" : report::percent(check.threshold.limit);
  const report::Key metric = in_nats                                     ? report::Key("gate.kl")
                             : check.threshold.gate == Gate::kPerplexity ? report::Key("gate.perplexity")
                                                                         : report::Key("gate.same_top");
  const report::Key outcome = check.crossed ? report::Key("gate.crossed") : report::Key("gate.kept");
  std::string line = text(outcome, {{"metric", text(metric)}, {"value", value}, {"limit", limit}});
  if (!check.clear) return text.sentences(line, text("gate.no_interval"));
  return *check.clear ? line : text.sentences(line, text("gate.unclear"));
}

}  // namespace fqlab
