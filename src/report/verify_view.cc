#include "report/verify_view.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "report/numbers.h"

namespace fqlab::report {
namespace {

std::string stem_of(std::string name) {
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

std::optional<Interval> less_one(const std::optional<Interval>& interval) {
  if (!interval) return std::nullopt;
  return Interval{interval->low - 1, interval->high - 1};
}

/// The other file whose size is nearest.
const PairOnText* nearest(const Verification& v, const VerifiedText& text) {
  const PairOnText* best = nullptr;
  const auto distance = [&](const PairOnText& pair) {
    return std::abs(static_cast<double>(v.files[pair.file].identity.bytes) -
                    static_cast<double>(v.files[0].identity.bytes));
  };
  for (const PairOnText& pair : text.against)
    if (best == nullptr || distance(pair) < distance(*best)) best = &pair;
  return best;
}

std::string effect(const PairOnText& pair, const Text& say) {
  if (pair.standing == Standing::kNotTold) return say("verify.effect_open");
  const bool lower = pair.difference.value < 0;
  std::optional<Interval> interval;
  if (const auto& ratio = pair.ratio.interval)
    interval = lower ? Interval{1 - ratio->high, 1 - ratio->low} : Interval{ratio->low - 1, ratio->high - 1};
  const std::string share =
      std::isfinite(pair.ratio.value) ? percent(std::abs(pair.ratio.value - 1), interval) : "∞";
  return say(lower ? Key("verify.effect_lower") : Key("verify.effect_higher"), {{"share", share}});
}

Key standing_sentence(Standing standing) {
  switch (standing) {
    case Standing::kBetter:
      return "verify.better_than";
    case Standing::kLowerButLarger:
      return "verify.lower_but_larger_than";
    case Standing::kHigherButSmaller:
      return "verify.higher_but_smaller_than";
    case Standing::kWorse:
      return "verify.worse_than";
    case Standing::kNotTold:
      break;
  }
  return "verify.not_told_from";
}

}  // namespace

std::vector<std::string> short_names(const Verification& v) {
  std::vector<std::string> names;
  for (const VerifiedFile& file : v.files) names.push_back(stem_of(file.name));
  if (names.size() < 2) return names;
  size_t common = names[0].size();
  for (const std::string& name : names) {
    size_t same = 0;
    while (same < std::min(common, name.size()) && name[same] == names[0][same]) ++same;
    common = same;
  }
  const size_t separator = names[0].substr(0, common).find_last_of("-./");
  if (separator == std::string::npos) return names;
  for (std::string& name : names) name = name.substr(separator + 1);
  return names;
}

std::string code_name(const Verification& v, size_t file) { return code(v.files[file].name); }

double bits_per_weight(const ModelIdentity& file) {
  return file.parameters == 0 ? 0
                              : 8 * static_cast<double>(file.bytes) / static_cast<double>(file.parameters);
}

std::string kl_change(const PairOnText& pair) {
  if (!std::isfinite(pair.ratio.value)) return "∞";
  return percent(pair.ratio.value - 1, less_one(pair.ratio.interval), true);
}

std::string kl_value(const FileOnText& file) {
  return kl_estimate(file.kl.mean, file.logits_identical ? std::nullopt : file.kl.interval);
}

std::string perplexity_change(const FileOnText& file) {
  std::optional<Interval> interval;
  if (const auto& logs = file.perplexity.log_ratio_interval; logs && !file.logits_identical)
    interval = Interval{std::expm1(logs->low), std::expm1(logs->high)};
  return percent(std::expm1(file.perplexity.log_ratio), interval, true);
}

std::string headline(const Verification& v, const VerifiedText& text, const Text& say) {
  const FileOnText& own = text.files[0];
  const ModelIdentity& file = v.files[0].identity;
  if (const PairOnText* pair = nearest(v, text))
    return say("verify.headline", {{"text", code(text.name)},
                                   {"file", code_name(v, 0)},
                                   {"bytes", count(file.bytes)},
                                   {"kl", kl_value(own)},
                                   {"other", code_name(v, pair->file)},
                                   {"other_bytes", count(v.files[pair->file].identity.bytes)},
                                   {"other_kl", kl_value(text.files[pair->file])},
                                   {"effect", effect(*pair, say)}});
  const double share = static_cast<double>(file.bytes) / static_cast<double>(v.original.bytes);
  return say("verify.headline_alone", {{"text", code(text.name)},
                                       {"file", code_name(v, 0)},
                                       {"bytes", count(file.bytes)},
                                       {"share", percent(share)},
                                       {"kl", kl_value(own)},
                                       {"perplexity", perplexity_change(own)},
                                       {"same_top", percent(own.same_top.fraction)}});
}

std::vector<std::string> standings(const Verification& v, const Text& say) {
  std::map<Standing, std::vector<std::string>> files;
  std::vector<std::string> mixed;
  for (size_t i = 0; i + 1 < v.files.size(); ++i) {
    const Standing first = v.texts.front().against[i].standing;
    const bool agree = std::all_of(v.texts.begin(), v.texts.end(), [&](const VerifiedText& text) {
      return text.against[i].standing == first;
    });
    (agree ? files[first] : mixed).push_back(code_name(v, i + 1));
  }
  std::vector<std::string> sentences;
  sentences.reserve(files.size() + 1);
  for (const auto& [standing, names] : files)
    sentences.push_back(say(standing_sentence(standing), {{"names", say.list(names)}}));
  if (!mixed.empty()) sentences.push_back(say("verify.mixed_with", {{"names", say.list(mixed)}}));
  return sentences;
}

std::optional<Verdict> overall(const Verification& v) {
  bool any = false, all_better = true;
  for (const VerifiedText& text : v.texts)
    for (const PairOnText& pair : text.against) {
      any = true;
      all_better = all_better && pair.standing == Standing::kBetter;
      if (pair.standing == Standing::kWorse) return Verdict::kDifferent;
    }
  if (!any) return std::nullopt;
  return all_better ? Verdict::kEquivalent : Verdict::kInconclusive;
}

std::string standing_text(Standing standing, const Text& say) {
  switch (standing) {
    case Standing::kBetter:
      return say("verify.standing_better");
    case Standing::kLowerButLarger:
      return say("verify.standing_lower_but_larger");
    case Standing::kHigherButSmaller:
      return say("verify.standing_higher_but_smaller");
    case Standing::kWorse:
      return say("verify.standing_worse");
    case Standing::kNotTold:
      break;
  }
  return say("verify.standing_not_told");
}

std::vector<ParetoPoint> pareto_points(const Verification& v, const VerifiedText& text) {
  const std::vector<std::string> names = short_names(v);
  std::vector<ParetoPoint> points;
  for (size_t i = 0; i < v.files.size(); ++i) {
    const FileOnText& file = text.files[i];
    points.push_back({names[i], v.files[i].identity.bytes, file.kl.mean,
                      file.logits_identical ? std::nullopt : file.kl.interval, i == 0});
  }
  return points;
}

std::vector<std::string> warning_sentences(const Verification& v, const Text& say) {
  std::vector<std::string> sentences;
  for (const VerifiedText& text : v.texts)
    for (const std::string& warning : text.warnings) {
      const std::string sentence = say.dynamic("warning.", warning);
      sentences.push_back(v.texts.size() == 1 ? sentence
                                              : say("verify.warning_of_text",
                                                    {{"text", code(text.name)}, {"warning", sentence}}));
    }
  for (const std::string& warning : v.warnings) sentences.push_back(say.dynamic("warning.", warning));
  return sentences;
}

}  // namespace fqlab::report
