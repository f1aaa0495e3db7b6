// Sections 6 and 7: what the numbers mean, what they cannot mean, and what to try next.
#include "report/conclusions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/next_experiments.h"
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

std::string floor_of(const Comparison& c) { return number(c.kl.noise_floor->value, 2); }

std::string where_of(const Comparison& c, const Text& text) {
  const std::string names =
      c.tensors.empty() ? variant_name(c) : fmt::format("{}", fmt::join(selectors_of(c.tensors), "; "));
  return text("where.tensors", {{"names", names}});
}

bool nothing_differs(const Comparison& c) { return c.vacuous || c.logits_identical; }

std::string numbers_text(const Comparison& c, const Text& text) {
  const std::string kl = number(c.kl.mean, 2);
  std::string sentence = c.vacuous            ? text("numbers.vacuous")
                         : c.logits_identical ? text("numbers.identical")
                         : !c.kl.noise_floor || !c.kl.resolved
                             ? text("numbers.no_floor", {{"kl", kl}})
                             : text(*c.kl.resolved ? Key("numbers.resolved") : Key("numbers.unresolved"),
                                    {{"kl", kl}, {"floor", floor_of(c)}});
  uint64_t saturated = 0, flushed = 0;
  for (const TensorReport& t : c.tensors) saturated += t.saturated.value_or(0), flushed += t.flushed_to_zero;
  if (saturated > 0)
    sentence = text.sentences(sentence, text("numbers.saturated", {{"n", count(saturated)}}));
  if (flushed > 0) sentence = text.sentences(sentence, text("numbers.flushed", {{"n", count(flushed)}}));
  return sentence;
}

std::string prediction_text(const Comparison& c, const Text& text) {
  if (nothing_differs(c)) return text("prediction.unchanged");
  const Verdicts& v = c.verdicts;
  std::string sentence;
  if (v.perplexity == Verdict::kDifferent && std::isfinite(c.perplexity.log_ratio)) {
    const Key key = c.perplexity.log_ratio > 0 ? Key("prediction.worse") : Key("prediction.better");
    sentence = text(key, {{"change", percent(std::expm1(c.perplexity.log_ratio), {}, true)}});
  }
  std::vector<std::string> moved, open, inside;
  if (v.kl == Verdict::kDifferent) {
    moved.push_back(
        text("state.kl", {{"value", number(c.kl.mean, 2)}, {"margin", number(c.settings.margins.kl_nats)}}));
  }
  if (v.same_top == Verdict::kDifferent) {
    moved.push_back(text("state.same_top", {{"value", percent(1 - c.same_top.fraction)},
                                            {"margin", margin_percent(c.settings.margins.top_flips)}}));
  }
  if (sentence.empty() && !moved.empty()) sentence = text("prediction.shifted", {{"what", text.list(moved)}});
  const auto sort = [&](Verdict verdict, Key quantity) {
    if (verdict == Verdict::kInconclusive) open.push_back(text(quantity));
    if (verdict == Verdict::kEquivalent || verdict == Verdict::kIdentical) inside.push_back(text(quantity));
  };
  sort(v.perplexity, "name.perplexity");
  sort(v.kl, "name.kl");
  sort(v.same_top, "name.same_top");
  if (!open.empty() && !inside.empty()) {
    const Key key = inside.size() == 1 ? Key("prediction.inside") : Key("prediction.inside_many");
    sentence = text.sentences(sentence, text(key, {{"names", text.list(inside)}}));
  }
  if (!open.empty())
    sentence = text.sentences(sentence, text("prediction.open", {{"names", text.list(open)}}));
  return sentence.empty() ? text("prediction.equivalent") : sentence;
}

std::string dialogue_text(const Comparison& c, const Text& text) {
  if (c.dialogue.empty()) {
    return text("dialogue_conclusion.not_measured",
                {{"reason", text.dynamic("reason.", reason_of(c, "dialogue", "not_measured"))}});
  }
  const auto differ =
      std::count_if(c.dialogue.begin(), c.dialogue.end(), [](const auto& d) { return !d.identical; });
  const std::string all = count(c.dialogue.size());
  return differ == 0 ? text("dialogue_conclusion.same", {{"all", all}})
                     : text("dialogue_conclusion.differ", {{"differ", count(differ)}, {"all", all}});
}

std::string performance_text(const Comparison& c, const Text& text) {
  std::string sentence;
  const auto line = [&](Key metric, const std::optional<SpeedResult>& speed,
                        const std::optional<Verdict>& verdict) {
    if (!speed || !verdict) return;
    sentence = text.sentences(
        sentence, text("performance_conclusion.line", {{"metric", text(metric)},
                                                       {"verdict", text.verdict(*verdict)},
                                                       {"ratio", estimate(speed->ratio, speed->interval)}}));
  };
  line("metric.load", c.load_ms, c.verdicts.load);
  line("metric.prompt", c.prompt_tps, c.verdicts.prompt);
  line("metric.generation", c.generation_tps, c.verdicts.generation);
  if (sentence.empty()) {
    return text("performance_conclusion.not_measured",
                {{"reason", text.dynamic("reason.", reason_of(c, "speed.load_ms", "not_measured"))}});
  }
  return c.recipe ? text.sentences(sentence,
                                   text("performance_conclusion.wide", {{"formats", formats_of(c, text)}}))
                  : sentence;
}

std::string sensitivity_text(const Comparison& c, const Text& text) {
  const std::string where = where_of(c, text);
  if (c.vacuous || c.values_changed == 0) return text("sensitivity.none_shown", {{"where", where}});
  if (c.logits_identical) return text("sensitivity.identical", {{"where", where}});
  if (c.kl.resolved == false) return text("sensitivity.unresolved", {{"where", where}});
  const Key key = c.verdicts.kl == Verdict::kEquivalent  ? Key("sensitivity.low")
                  : c.verdicts.kl == Verdict::kDifferent ? Key("sensitivity.high")
                                                         : Key("sensitivity.open");
  return text(key, {{"where", where},
                    {"formats", formats_of(c, text)},
                    {"kl", number(c.kl.mean, 2)},
                    {"margin", number(c.settings.margins.kl_nats)}});
}

std::string safety_text(const Comparison& c, const Text& text) {
  switch (c.verdicts.overall) {
    case Verdict::kVacuous:
      return text("safety.vacuous", {{"formats", formats_of(c, text)}});
    case Verdict::kIdentical:
      return text("safety.identical");
    case Verdict::kEquivalent:
      return text("safety.equivalent");
    case Verdict::kDifferent:
      return text("safety.different");
    case Verdict::kInconclusive:
      break;
  }
  return text("safety.inconclusive");
}

std::string power_text(const Comparison& c, const Text& text) {
  if (c.vacuous) return text("power.vacuous");
  if (c.logits_identical) return text("power.identical");
  if (!c.kl.noise_floor) return text("power.no_floor");
  const double margin = c.settings.margins.kl_nats;
  const bool below = c.kl.noise_floor->value < margin;
  const std::string sentence = text.sentences(
      text(below ? Key("power.floor_below") : Key("power.floor_above"),
           {{"floor", floor_of(c)}, {"margin", number(margin)}}),
      below || c.settings.arithmetic == Arithmetic::kReference ? "" : text("power.use_reference"));
  constexpr double kHardly = 0.1;  // below a tenth of the values
  const bool few = static_cast<double>(c.values_changed) < kHardly * static_cast<double>(c.values_total);
  return few ? text.sentences(sentence, text("power.few_changed", {{"changed", count(c.values_changed)},
                                                                   {"total", count(c.values_total)}}))
             : sentence;
}

}  // namespace

std::vector<Conclusion> conclusions(const Comparison& c, const Text& text) {
  return {{"conclusion.numbers", numbers_text(c, text)},
          {"conclusion.prediction", prediction_text(c, text)},
          {"conclusion.dialogue", dialogue_text(c, text)},
          {"conclusion.performance", performance_text(c, text)},
          {"conclusion.sensitivity", sensitivity_text(c, text)},
          {"conclusion.safety", safety_text(c, text)},
          {"conclusion.power", power_text(c, text)}};
}

void add_conclusions(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(6, "section.conclusions", text, place, document);
  Bullets bullets;
  for (const Conclusion& conclusion : conclusions(c, text)) {
    bullets.items.push_back(
        text("conclusion.item", {{"topic", text(conclusion.topic)}, {"text", conclusion.text}}));
  }
  document.blocks.push_back(std::move(bullets));
}

void add_next(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(7, "section.next", text, place, document);
  const std::string corpus = file_name_of(c.settings.corpus.path);
  document.blocks.push_back(Paragraph{text("limits.lead")});
  Bullets limits{{text("limits.text", {{"corpus", corpus}}),
                  text("limits.context", {{"n_ctx", count(c.settings.n_ctx)}})}};
  if (c.recipe)
    limits.items.push_back(text("limits.fake"));
  else if (c.settings.arithmetic == Arithmetic::kReference)
    limits.items.push_back(text("limits.expanded_file"));
  limits.items.push_back(text("limits.sum"));
  if (!c.dialogue_summary || !c.dialogue_summary->sampled) limits.items.push_back(text("limits.sampling"));
  document.blocks.push_back(std::move(limits));
  const auto experiments = next_experiments(c);
  if (!experiments.empty()) document.blocks.push_back(Paragraph{text("next.lead")});
  for (const Experiment& experiment : experiments) {
    document.blocks.push_back(Paragraph{text(experiment.why)});
    document.blocks.push_back(Code{experiment.command});
  }
}

}  // namespace fqlab::report
