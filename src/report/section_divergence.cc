// Section 3: perplexity, KL divergence, its noise floor, and the chunks behind them.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "report/clusters.h"
#include "report/figures.h"
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

Table settings_table(const Comparison& c, const Text& text) {
  const ComparisonSettings& s = c.settings;
  const std::string corpus = std::filesystem::path(s.corpus.path).filename().string();
  const Margins& m = s.margins;
  Table table{text("divergence.settings"), {{text("head.setting")}, {text("head.value")}}, {}};
  table.rows = {
      {text("setting.corpus"), code(corpus.empty() ? s.corpus.path : corpus)},
      {text("setting.corpus_size"),
       byte_size(s.corpus.bytes) + ", " + text.plural(s.corpus.documents, "unit.document", "unit.documents")},
      {text("setting.corpus_hash"), code(s.corpus.sha256)},
      {text("setting.n_ctx"), count(s.n_ctx)},
      {text("setting.n_batch"), count(s.n_batch)},
      {text("setting.chunks"), count(s.chunks)},
      {text("setting.positions"), count(s.scored_positions)},
      {text("setting.clusters"), cluster_count(c.clusters, c.cluster_kind, text)},
      {text("setting.design_effect"), c.design_effect ? number(*c.design_effect, 3) : text("none")},
      {text("setting.arithmetic"),
       text(s.arithmetic == Arithmetic::kReference ? Key("arithmetic.reference") : Key("arithmetic.native"))},
      {text("setting.threads"), count(s.threads)},
      {text("setting.seed"), std::to_string(s.seed)},
      {text("setting.margins"),
       text("setting.margins_value", {{"ppl", margin_percent(std::expm1(m.log_perplexity_ratio))},
                                      {"kl", number(m.kl_nats)},
                                      {"top", margin_percent(m.top_flips)},
                                      {"speed", margin_percent(std::expm1(m.speed_log_ratio))}})}};
  if (s.gelu)
    table.rows.push_back(
        {text("setting.gelu"), text(*s.gelu == Gelu::kExact ? Key("gelu.exact") : Key("gelu.engine"))});
  return table;
}

std::string interval_or_none(const std::optional<Interval>& interval, const Text& text) {
  return interval ? interval_text(*interval) : text("none");
}

// A file in native arithmetic is set against the original as it is stored.
bool has_expansion(const Comparison& c) {
  return c.recipe || c.settings.arithmetic == Arithmetic::kReference;
}

Table perplexity_table(const Comparison& c, const Text& text) {
  const PerplexityResult& p = c.perplexity;
  Table table{text("divergence.perplexity"),
              {{text("head.quantity")},
               {text("head.value"), true},
               {text("perplexity.interval"), true},
               {text("head.clusters_and_effect"), true}},
              {}};
  const std::string clusters = clusters_and_effect(c.clusters, {});
  const Key original = c.settings.arithmetic == Arithmetic::kReference ? Key("perplexity.original_reference")
                       : c.recipe                                      ? Key("perplexity.original")
                                                                       : Key("perplexity.original_as_stored");
  table.rows.push_back(
      {text(original), fixed(p.original, 4), interval_or_none(p.original_interval, text), clusters});
  table.rows.push_back({text("perplexity.variant"), fixed(p.variant, 4),
                        interval_or_none(p.variant_interval, text), clusters});
  table.rows.push_back({text("perplexity.difference"), number(p.difference), text("none"), text("none")});
  table.rows.push_back({text("perplexity.log_ratio"), number(p.log_ratio),
                        interval_or_none(shown(c, p.log_ratio_interval), text),
                        clusters_and_effect(c.clusters, p.design_effect)});
  if (c.storage && has_expansion(c)) {
    const auto add = [&](Key key, const std::string& value, const std::optional<Interval>& interval) {
      table.rows.push_back({text(key, {{"n", std::to_string(c.storage->chunks)}}), value,
                            interval_or_none(interval, text),
                            clusters_and_effect(std::min(c.storage->chunks, c.clusters), {})});
    };
    add("perplexity.as_stored", fixed(c.storage->perplexity, 4), {});
    add("perplexity.storage_log_ratio", number(c.storage->log_ratio.value), c.storage->log_ratio.interval);
    add("perplexity.storage_kl", number(c.storage->kl.value), c.storage->kl.interval);
  }
  return table;
}

Table kl_table(const Comparison& c, const Text& text) {
  const KlResult& kl = c.kl;
  Table table{text("divergence.kl"), {{text("head.quantity")}, {text("head.kl_nats"), true}}, {}};
  table.rows = {{text("kl.mean"), kl_estimate(kl.mean, shown(c, kl.interval))},
                {text("kl.median"), number(kl.median)},
                {"90 %", number(kl.p90)},
                {"95 %", number(kl.p95)},
                {"99 %", number(kl.p99)},
                {"99.9 %", number(kl.p999)},
                {text("kl.max"), number(kl.max)}};
  if (kl.noise_floor)
    table.rows.push_back({text("kl.floor"), estimate(kl.noise_floor->value, kl.noise_floor->interval)});
  if (kl.matched_control)
    table.rows.push_back(
        {text("kl.matched"), estimate(kl.matched_control->value, kl.matched_control->interval)});
  return table;
}

Table controls_table(const Comparison& c, const Text& text) {
  Table table{text("divergence.controls"),
              {{text("head.control")},
               {text("head.change")},
               {text("head.seed"), true},
               {text("head.chunks"), true},
               {text("head.kl_nats"), true},
               {text("head.same_top"), true}},
              {}};
  std::vector<ControlRun> runs = c.kl.controls;
  std::stable_sort(runs.begin(), runs.end(), [](const ControlRun& a, const ControlRun& b) {
    return a.kind > b.kind;
  });  // the floor first
  for (const ControlRun& run : runs) {
    table.rows.push_back({text.dynamic("control.", run.kind), text.dynamic("change.", run.change),
                          std::to_string(run.seed), count(run.chunks), number(run.kl_mean),
                          percent(run.same_top)});
  }
  return table;
}

Table chunk_table(const Comparison& c, const Text& text) {
  Table table{text("divergence.chunk_figure"),
              {{text("head.chunk"), true},
               {text("head.positions"), true},
               {text("head.log_ratio"), true},
               {text("head.kl_nats"), true},
               {text("head.same_top"), true}},
              {}};
  for (const ChunkResult& chunk : c.chunks) {
    table.rows.push_back({count(chunk.chunk), count(chunk.positions),
                          number(chunk.nll_variant - chunk.nll_original), number(chunk.kl_mean),
                          percent(chunk.same_top)});
  }
  return table;
}

Table histogram_table(const KlHistogram& histogram, const Text& text) {
  Table table{text("figure.histogram"),
              {{text("figure.from"), true}, {text("figure.to"), true}, {text("head.positions"), true}},
              {}};
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 0) continue;
    const double low = histogram.first_log10 + static_cast<double>(i) * histogram.decades_per_bin;
    table.rows.push_back({number(std::pow(10, low), 3),
                          number(std::pow(10, low + histogram.decades_per_bin), 3),
                          count(histogram.counts[i])});
  }
  return table;
}

Table position_table(const Comparison& c, const Text& text) {
  Table table{
      text("figure.by_position"), {{text("figure.position"), true}, {text("head.kl_nats"), true}}, {}};
  for (const PositionBin& bin : c.kl.by_position) {
    table.rows.push_back(
        {std::to_string(bin.first) + "–" + std::to_string(bin.last), kl_estimate(bin.kl_mean, bin.interval)});
  }
  return table;
}

std::string matched_sentence(const Comparison& c, const Text& text) {
  const Estimate& control = *c.kl.matched_control;
  const std::string value = estimate(control.value, control.interval);
  if (c.kl.interval && control.interval) {
    if (c.kl.interval->high < control.interval->low)
      return text("divergence.matched_better", {{"control", value}});
    if (c.kl.interval->low > control.interval->high)
      return text("divergence.matched_worse", {{"control", value}});
  }
  return text("divergence.matched_same", {{"control", value}});
}

}  // namespace

void add_divergence(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  auto& blocks = document.blocks;
  add_section_heading(3, "section.divergence", text, place, document);
  blocks.push_back(Paragraph{text("divergence.lead")});
  blocks.push_back(perplexity_table(c, text));
  if (c.storage && has_expansion(c))
    blocks.push_back(Paragraph{
        text.sentences(text("perplexity.storage_explain"),
                       c.settings.gelu == Gelu::kExact ? text("perplexity.storage_gelu") : std::string())});
  if (c.logits_identical) {
    blocks.push_back(Paragraph{text("divergence.identical")});
  } else if (c.kl.resolved) {
    blocks.push_back(
        Paragraph{text(*c.kl.resolved ? Key("divergence.resolved") : Key("divergence.unresolved"))});
  }
  blocks.push_back(Figure{text("divergence.kl"), kl_figure(c, text), kl_table(c, text)});
  if (c.kl.histogram && c.kl.max > 0) {
    blocks.push_back(
        Figure{text("figure.histogram"), histogram_figure(c, text), histogram_table(*c.kl.histogram, text)});
    if (c.kl.histogram->zeros > 0)
      blocks.push_back(Paragraph{text("figure.zeros", {{"n", count(c.kl.histogram->zeros)}})});
  }
  if (c.kl.by_position.size() > 1) {
    blocks.push_back(Figure{text("figure.by_position"), position_figure(c, text), position_table(c, text)});
  }
  if (c.kl.matched_control && !c.logits_identical) blocks.push_back(Paragraph{matched_sentence(c, text)});
  if (!c.kl.controls.empty()) blocks.push_back(controls_table(c, text));
  if (!c.chunks.empty()) {
    blocks.push_back(Figure{text("divergence.chunk_figure"), chunk_figure(c, text), chunk_table(c, text)});
  }
  blocks.push_back(settings_table(c, text));
  const int layer = c.settings.replay_from;
  blocks.push_back(Paragraph{text.sentences(
      layer > 0 ? text("divergence.replayed", {{"layer", std::to_string(layer)}}) : std::string(),
      text("divergence.time", {{"original", duration(c.perplexity.original_seconds)},
                               {"variant", duration(c.perplexity.variant_seconds)},
                               {"total", duration(c.total_seconds)}}))});
}

}  // namespace fqlab::report
