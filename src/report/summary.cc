// Section 1: the verdict in a sentence, then every quantity in one table.
#include <algorithm>
#include <cmath>
#include <functional>

#include "report/clusters.h"
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

double ratio_minus_one(double log_ratio) { return std::expm1(log_ratio); }

std::optional<Interval> mapped(const std::optional<Interval>& interval,
                               const std::function<double(double)>& map) {
  if (!interval) return std::nullopt;
  const double a = map(interval->low), b = map(interval->high);
  return Interval{std::min(a, b), std::max(a, b)};
}

double flips(double same_top) { return 1 - same_top; }

std::string perplexity_change(const Comparison& c) {
  return percent(ratio_minus_one(c.perplexity.log_ratio),
                 mapped(shown(c, c.perplexity.log_ratio_interval), ratio_minus_one), true);
}
std::string without_interval(const std::string& estimate) { return estimate.substr(0, estimate.find(" [")); }
std::string kl_value(const Comparison& c) { return kl_estimate(c.kl.mean, shown(c, c.kl.interval)); }
std::string flips_value(const Comparison& c) {
  return percent(flips(c.same_top.fraction), mapped(shown(c, c.same_top.interval), flips));
}
std::string floor_value(const Comparison& c, const Text& text) {
  return c.kl.noise_floor ? estimate(c.kl.noise_floor->value, c.kl.noise_floor->interval) : text("none");
}

// "perplexity +3.2 % [..] (margin 0.5 %)" of every quantity whose verdict is `wanted`.
std::string states(const Comparison& c, const Text& text, Verdict wanted) {
  const Margins& margins = c.settings.margins;
  std::vector<std::string> what;
  if (c.verdicts.perplexity == wanted) {
    what.push_back(text("state.perplexity",
                        {{"value", perplexity_change(c)},
                         {"margin", margin_percent(ratio_minus_one(margins.log_perplexity_ratio))}}));
  }
  if (c.verdicts.kl == wanted) {
    what.push_back(text("state.kl", {{"value", kl_value(c)}, {"margin", number(margins.kl_nats)}}));
  }
  if (c.verdicts.same_top == wanted) {
    what.push_back(
        text("state.same_top", {{"value", flips_value(c)}, {"margin", margin_percent(margins.top_flips)}}));
  }
  return text.list(what);
}

}  // namespace

std::string headline(const Comparison& c, const Text& text) {
  const std::string changed = count(c.values_changed), total = count(c.values_total);
  switch (c.verdicts.overall) {
    case Verdict::kVacuous:
      return text("summary.vacuous", {{"changed", changed}, {"total", total}});
    case Verdict::kIdentical:
      if (c.values_changed == 0) return text("summary.identical_same");
      return text("summary.identical_changed", {{"changed", changed}, {"total", total}});
    case Verdict::kDifferent:
      return text("summary.different", {{"what", states(c, text, Verdict::kDifferent)}});
    case Verdict::kEquivalent:
      return text("summary.equivalent", {{"what", states(c, text, Verdict::kEquivalent)}});
    case Verdict::kInconclusive:
      break;
  }
  return text("summary.inconclusive", {{"what", states(c, text, Verdict::kInconclusive)}});
}

namespace {

std::string speed_cell(const std::optional<SpeedResult>& speed, double SpeedResult::*value,
                       const Text& text) {
  return speed ? number((*speed).*value) : text("none");
}

void add_speed_row(const Text& text, Key name, const std::optional<SpeedResult>& speed,
                   const std::optional<Verdict>& verdict, Table& table) {
  if (!speed) {
    table.rows.push_back({text(name), text("none"), text("none"), text("none"), text("none"), text("none"),
                          text("head.not_measured")});
    return;
  }
  const auto less_one = [](double ratio) { return ratio - 1; };
  std::string aa = text("none");
  if (speed->aa_interval) {
    const Interval& ratio = *speed->aa_interval;
    aa = text("metric.aa", {{"value", percent_interval_text({ratio.low - 1, ratio.high - 1}, true)}});
  }
  table.rows.push_back({text(name), speed_cell(speed, &SpeedResult::original, text),
                        speed_cell(speed, &SpeedResult::variant, text),
                        percent(speed->ratio - 1, mapped(speed->interval, less_one), true),
                        text("unit.blocks", {{"n", count(speed->blocks.size() / 2)}}), aa,
                        verdict ? text.verdict(*verdict) : text("none")});
}

void add_dialogue_row(const Comparison& c, const Text& text, Table& table) {
  if (c.dialogue.empty()) {
    table.rows.push_back({text("metric.dialogue"), text("none"), text("none"), text("none"), text("none"),
                          text("none"), text("head.not_measured")});
    return;
  }
  const auto same =
      std::count_if(c.dialogue.begin(), c.dialogue.end(), [](const auto& d) { return d.identical; });
  table.rows.push_back(
      {text("metric.dialogue"), text("none"), text("none"),
       text("metric.dialogue_same", {{"same", count(same)}, {"all", count(c.dialogue.size())}}), text("none"),
       text("none"), c.verdicts.dialogue ? text.verdict(*c.verdicts.dialogue) : text("none")});
}

Table summary_table(const Comparison& c, const Text& text) {
  Table table{text("summary.table"),
              {{text("head.metric")},
               {text("head.original"), true},
               {text("head.variant"), true},
               {text("head.difference"), true},
               {text("head.clusters_and_effect"), true},
               {text("head.floor"), true},
               {text("head.verdict")}},
              {}};
  const std::string none = text("none");
  table.rows.push_back({text("metric.perplexity"), fixed(c.perplexity.original, 4),
                        fixed(c.perplexity.variant, 4), perplexity_change(c),
                        clusters_and_effect(c.clusters, c.perplexity.design_effect), none,
                        text.verdict(c.verdicts.perplexity)});
  table.rows.push_back({text("metric.kl"), none, none, kl_value(c),
                        clusters_and_effect(c.clusters, c.design_effect), floor_value(c, text),
                        text.verdict(c.verdicts.kl)});
  const std::string floor_flips =
      c.same_top.noise_floor ? text("metric.flips", {{"value", percent(flips(*c.same_top.noise_floor))}})
                             : none;
  table.rows.push_back({text("metric.same_top"), none, percent(c.same_top.fraction),
                        text("metric.flips", {{"value", flips_value(c)}}),
                        clusters_and_effect(c.clusters, c.same_top.design_effect), floor_flips,
                        text.verdict(c.verdicts.same_top)});
  add_speed_row(text, "metric.load", c.load_ms, c.verdicts.load, table);
  add_speed_row(text, "metric.prompt", c.prompt_tps, c.verdicts.prompt, table);
  add_speed_row(text, "metric.generation", c.generation_tps, c.verdicts.generation, table);
  add_dialogue_row(c, text, table);
  return table;
}

}  // namespace

std::optional<int> chunks_to_decide(const Comparison& c) {
  const std::pair<Verdict, std::optional<int64_t>> measured[] = {{c.verdicts.perplexity, c.power.perplexity},
                                                                 {c.verdicts.kl, c.power.kl},
                                                                 {c.verdicts.same_top, c.power.same_top}};
  const bool has_power = c.kld_table.positions > 0;  // the study that fills the one fills the other
  int64_t most = 0;
  for (const auto& [verdict, more] : measured) {
    if (!has_power || verdict != Verdict::kInconclusive) continue;
    if (!more) return std::nullopt;
    most = std::max(most, *more);
  }
  if (has_power) return most > 0 ? std::optional<int>(static_cast<int>(two_digits(most))) : std::nullopt;
  struct Open {
    Verdict verdict;
    double value;
    std::optional<Interval> interval;
    double margin;
  };
  const Margins& margins = c.settings.margins;
  const Open candidates[] = {{c.verdicts.perplexity, std::abs(c.perplexity.log_ratio),
                              c.perplexity.log_ratio_interval90, margins.log_perplexity_ratio},
                             {c.verdicts.kl, c.kl.mean, c.kl.interval90, margins.kl_nats},
                             {c.verdicts.same_top, flips(c.same_top.fraction),
                              mapped(c.same_top.interval90, flips), margins.top_flips}};
  double needed = 0;
  for (const Open& open : candidates) {
    if (open.verdict != Verdict::kInconclusive || !open.interval) continue;
    const double half = (open.interval->high - open.interval->low) / 2;
    const double clear = std::abs(open.margin - open.value);
    needed = std::max(needed, clear > 0 ? c.settings.chunks * (half / clear) * (half / clear) : HUGE_VAL);
  }
  const double more = needed - c.settings.chunks;
  if (needed == 0 || !(more < 100000)) return std::nullopt;
  if (more < 1) return 1;
  return static_cast<int>(two_digits(static_cast<int64_t>(std::ceil(more))));
}

std::string verdict_sentence(const Comparison& c, const Text& text) {
  std::string sentence = headline(c, text);
  if (c.verdicts.overall == Verdict::kVacuous || c.verdicts.overall == Verdict::kIdentical) return sentence;
  if (c.verdicts.overall == Verdict::kInconclusive) {
    const auto more = chunks_to_decide(c);
    sentence = text.sentences(sentence, !c.kl.interval ? text("summary.one_cluster")
                                        : more ? text("summary.chunks_to_decide", {{"n", count(*more)}})
                                               : text("summary.cannot_decide"));
  }
  if (c.kl.resolved && c.kl.noise_floor) {
    sentence = text.sentences(
        sentence, text(*c.kl.resolved ? Key("summary.resolved") : Key("summary.unresolved"),
                       {{"kl", number(c.kl.mean, 2)}, {"floor", number(c.kl.noise_floor->value, 2)}}));
  }
  return sentence;
}

void add_summary(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(1, "section.summary", text, place, document);
  document.blocks.push_back(
      Callout{c.verdicts.overall == Verdict::kVacuous, verdict_sentence(c, text), c.verdicts.overall});
  for (const std::string& warning : c.warnings) {
    document.blocks.push_back(
        Callout{true, text("summary.warning", {{"text", text.dynamic("warning.", warning)}})});
  }
  document.blocks.push_back(summary_table(c, text));
  const Key sampled = c.cluster_kind == "document" ? Key("summary.sampled_document")
                      : c.cluster_kind == "mixed"  ? Key("summary.sampled_mixed")
                                                   : Key("summary.sampled_chunk");
  document.blocks.push_back(Paragraph{
      text("summary.scored", {{"n", count(c.settings.scored_positions)},
                              {"chunks", text.plural(c.settings.chunks, "unit.chunk", "unit.chunks")},
                              {"n_ctx", count(c.settings.n_ctx)},
                              {"clusters", cluster_count(c.clusters, c.cluster_kind, text)},
                              {"sampled", text(sampled)}})});
}

Table overview_table(std::span<const Comparison> comparisons, const Text& text) {
  Table table{text("section.all"),
              {{text("head.recipe")},
               {text("head.verdict")},
               {text("head.changed"), true},
               {text("metric.perplexity"), true},
               {text("head.difference"), true},
               {text("head.kl_nats"), true},
               {text("head.floor"), true},
               {text("head.same_top_short"), true}},
              {}};
  const RowNames name(comparisons);
  for (const Comparison& c : comparisons) {
    table.rows.push_back({code(name(c)), text.verdict(c.verdicts.overall),
                          count(c.values_changed) + " / " + count(c.values_total),
                          fixed(c.perplexity.variant, 4), perplexity_change(c), kl_value(c),
                          floor_value(c, text), percent(c.same_top.fraction)});
  }
  return table;
}

Table terminal_overview(std::span<const Comparison> comparisons, const Text& text) {
  Table table{"",
              {{text("head.recipe")},
               {text("head.verdict")},
               {text("head.changed_short"), true},
               {text("metric.perplexity"), true},
               {text("head.ppl_change"), true},
               {text("head.kl_nats"), true},
               {text("head.floor_short"), true},
               {text("head.same_top_short"), true}},
              {}};
  const RowNames name(comparisons);
  for (const Comparison& c : comparisons) {
    table.rows.push_back(
        {name(c), text.verdict(c.verdicts.overall), count(c.values_changed) + " / " + count(c.values_total),
         fixed(c.perplexity.variant, 4), without_interval(perplexity_change(c)), kl_value(c),
         c.kl.noise_floor ? number(c.kl.noise_floor->value, 2) : text("none"), percent(c.same_top.fraction)});
  }
  return table;
}

}  // namespace fqlab::report
