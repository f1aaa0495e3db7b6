// The rest of section 3: how sure its numbers are, and where in the text the models differ.
#include <cmath>

#include "report/clusters.h"
#include "report/numbers.h"
#include "report/sections.h"
#include "report/visible.h"

namespace fqlab::report {
namespace {

std::string optional_number(const std::optional<double>& value, const Text& text) {
  return value ? number(*value, 3) : text("none");
}

std::string more_chunks(Verdict verdict, const std::optional<int64_t>& more, const Text& text) {
  if (verdict != Verdict::kInconclusive) return text("none");
  return more ? text("power.about", {{"n", count(static_cast<uint64_t>(two_digits(*more)))}})
              : text("power.unknown");
}

Table certainty_table(const Comparison& c, const Text& text) {
  Table table{text("certainty.table"),
              {{text("head.quantity")},
               {text("certainty.value"), true},
               {text("head.clusters"), true},
               {text("head.design_effect"), true},
               {text("head.effective_n"), true},
               {text("head.verdict")},
               {text("head.more_chunks"), true}},
              {}};
  const double n = static_cast<double>(c.settings.scored_positions);
  const auto row = [&](Key quantity, const std::string& value, const std::optional<double>& effect,
                       Verdict verdict, const std::optional<int64_t>& more) {
    const double effective = n / std::max(1.0, effect.value_or(1));
    table.rows.push_back({text(quantity), value, count(static_cast<uint64_t>(c.clusters)),
                          optional_number(effect, text),
                          count(static_cast<uint64_t>(std::llround(effective))), text.verdict(verdict),
                          more_chunks(verdict, more, text)});
  };
  row("perplexity.log_ratio", estimate(c.perplexity.log_ratio, c.perplexity.log_ratio_interval, true),
      c.perplexity.design_effect, c.verdicts.perplexity, c.power.perplexity);
  row("metric.kl", kl_estimate(c.kl.mean, c.kl.interval), c.design_effect, c.verdicts.kl, c.power.kl);
  row("metric.same_top", percent(c.same_top.fraction, c.same_top.interval), c.same_top.design_effect,
      c.verdicts.same_top, c.power.same_top);
  return table;
}

/// One sentence for each verdict that is open.
void add_power(const Comparison& c, const Text& text, Document& document) {
  Bullets bullets;
  const auto say = [&](Verdict verdict, Key name, const std::optional<int64_t>& more) {
    if (verdict != Verdict::kInconclusive) return;
    const std::string what = text(name);
    if (more) {
      const std::string n = count(static_cast<uint64_t>(two_digits(*more)));
      bullets.items.push_back(text("power.sentence", {{"what", what}, {"n", n}}));
    } else {
      bullets.items.push_back(
          text(c.kl.interval ? Key("power.too_close") : Key("power.one_cluster"), {{"what", what}}));
    }
  };
  say(c.verdicts.perplexity, "name.perplexity", c.power.perplexity);
  say(c.verdicts.kl, "name.kl", c.power.kl);
  say(c.verdicts.same_top, "name.same_top", c.power.same_top);
  if (!bullets.items.empty()) document.blocks.push_back(std::move(bullets));
}

Table class_table(const Comparison& c, const Text& text) {
  Table table{text("positions.classes"),
              {{text("head.class")},
               {text("head.positions"), true},
               {text("head.clusters"), true},
               {text("certainty.kl"), true},
               {text("head.kl_share"), true}},
              {}};
  for (const TokenClassResult& result : c.token_classes) {
    table.rows.push_back({text.dynamic("class.", result.name), count(result.positions),
                          count(static_cast<uint64_t>(result.clusters)),
                          kl_estimate(result.kl_mean, result.interval), percent(result.kl_share)});
  }
  return table;
}

Table worst_table(const Comparison& c, const Text& text) {
  const bool several = !c.corpora.empty();
  Table table{text("positions.worst"),
              {{text("head.chunk"), true},
               {text("figure.position"), true},
               {text("head.kl_nats"), true},
               {text("head.context")},
               {text("head.target")},
               {text("head.top_original")},
               {text("head.top_variant")}},
              {}};
  if (several) table.columns.insert(table.columns.begin(), {text("setting.corpus")});
  for (const WorstPosition& position : c.worst) {
    std::vector<std::string> row = {
        count(static_cast<uint64_t>(position.chunk)),
        count(static_cast<uint64_t>(position.position)),
        number(position.kl_nats),
        visible(position.context),
        visible(position.target) + " (" + percent(position.target_original_p) + " → " +
            percent(position.target_variant_p) + ")",
        visible(position.original_top) + " (" + percent(position.original_top_p) + ")",
        visible(position.variant_top) + " (" + percent(position.variant_top_p) + ")"};
    if (several) row.insert(row.begin(), position.corpus);
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table corpora_table(const Comparison& c, const Text& text) {
  Table table{text("corpora.table"),
              {{text("setting.corpus")},
               {text("head.chunks"), true},
               {text("head.positions"), true},
               {text("head.clusters"), true},
               {text("head.design_effect"), true},
               {text("head.perplexity_pair"), true},
               {text("certainty.log_ratio"), true},
               {text("certainty.kl"), true},
               {text("certainty.same_top"), true}},
              {}};
  for (const CorpusResult& corpus : c.corpora) {
    table.rows.push_back({code(corpus.name), count(static_cast<uint64_t>(corpus.chunks)),
                          count(corpus.positions), cluster_count(corpus.clusters, corpus.cluster_kind, text),
                          optional_number(corpus.design_effect, text),
                          fixed(corpus.perplexity_original, 4) + " → " + fixed(corpus.perplexity_variant, 4),
                          estimate(corpus.log_ratio, shown(c, corpus.log_ratio_interval), true),
                          kl_estimate(corpus.kl_mean, shown(c, corpus.kl_interval)),
                          percent(corpus.same_top, shown(c, corpus.same_top_interval))});
  }
  return table;
}

/// llama-perplexity's rows in its order under its names, so that both can be put side by side.
Table llama_table(const KldTable& t, const Text& text) {
  Table table{text("kld.table"), {{text("head.quantity")}, {text("head.value"), true}, {"±", true}}, {}};
  const auto plain = [](double value) { return number(value, 7); };
  const auto per_cent = [](double fraction) { return number(100 * fraction, 5) + " %"; };
  const auto mean = [&](const char* name, const MeanAndError& value) {
    table.rows.push_back({name, plain(value.mean), plain(value.error)});
  };
  const auto mean_percent = [&](const char* name, const MeanAndError& value) {
    table.rows.push_back({name, per_cent(value.mean), per_cent(value.error)});
  };
  mean("Mean PPL(Q)", t.ppl_q);
  mean("Mean PPL(base)", t.ppl_base);
  table.rows.push_back({"Cor(ln(PPL(Q)), ln(PPL(base)))", per_cent(t.correlation), text("none")});
  mean("Mean ln(PPL(Q)/PPL(base))", t.log_ratio);
  mean("Mean PPL(Q)/PPL(base)", t.ratio);
  mean("Mean PPL(Q)-PPL(base)", t.difference);
  mean("Mean KLD", t.kld);
  static constexpr const char* kKld[] = {"Maximum KLD", "99.9% KLD",  "99.0% KLD",  "95.0% KLD",
                                         "90.0% KLD",   "Median KLD", "10.0% KLD",  "5.0% KLD",
                                         "1.0% KLD",    "0.1% KLD",   "Minimum KLD"};
  for (size_t i = 0; i < t.kld_quantiles.size(); ++i)
    table.rows.push_back({kKld[i], plain(t.kld_quantiles[i]), text("none")});
  mean_percent("Mean Δp", t.delta_p);
  static constexpr const char* kDeltaP[] = {"Maximum Δp", "99.9% Δp",  "99.0% Δp",  "95.0% Δp", "90.0% Δp",
                                            "75.0% Δp",   "Median Δp", "25.0% Δp",  "10.0% Δp", "5.0% Δp",
                                            "1.0% Δp",    "0.1% Δp",   "Minimum Δp"};
  for (size_t i = 0; i < t.delta_p_quantiles.size(); ++i)
    table.rows.push_back({kDeltaP[i], per_cent(t.delta_p_quantiles[i]), text("none")});
  mean_percent("RMS Δp", t.rms_delta_p);
  mean_percent("Same top p", t.same_top_p);
  return table;
}

void add_heading(Key title, const char* id, const Text& text, const SectionPlace& place, Document& document) {
  document.blocks.push_back(Heading{place.level + 1, id + place.suffix, text(title)});
}

}  // namespace

int64_t two_digits(int64_t more) {
  if (more < 100) return more;
  const double place = std::pow(10, std::floor(std::log10(static_cast<double>(more))) - 1);
  return static_cast<int64_t>(std::ceil(static_cast<double>(more) / place) * place);
}

void add_positions(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  auto& blocks = document.blocks;
  if (!c.corpora.empty()) {
    add_heading("corpora.title", "corpora", text, place, document);
    blocks.push_back(Paragraph{text("corpora.lead")});
    blocks.push_back(corpora_table(c, text));
  }
  if (c.kld_table.positions == 0 || c.logits_identical) return;  // an exact result has no uncertainty
  add_heading("certainty.title", "certainty", text, place, document);
  blocks.push_back(Paragraph{text("certainty.lead")});
  blocks.push_back(certainty_table(c, text));
  add_power(c, text, document);
  blocks.push_back(Paragraph{text("certainty.mcnemar", {{"worse", count(c.right_wrong.right_to_wrong)},
                                                        {"better", count(c.right_wrong.wrong_to_right)},
                                                        {"p", number(c.right_wrong.exact_p, 2)}})});
  if (!c.token_classes.empty() || !c.worst.empty()) {
    add_heading("positions.title", "positions", text, place, document);
    if (!c.token_classes.empty()) {
      blocks.push_back(class_table(c, text));
      blocks.push_back(Paragraph{text("positions.class_rule")});
    }
    if (!c.worst.empty()) {
      blocks.push_back(worst_table(c, text));
      blocks.push_back(Paragraph{text("positions.worst_explain")});
    }
  }
  add_heading("kld.title", "kld", text, place, document);
  blocks.push_back(Paragraph{text("kld.lead")});
  blocks.push_back(llama_table(c.kld_table, text));
}

}  // namespace fqlab::report
