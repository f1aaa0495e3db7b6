#include "report/verify_tables.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "report/clusters.h"
#include "report/numbers.h"
#include "report/verify_view.h"

namespace fqlab::report {
namespace {

std::string bits(const ModelIdentity& file) { return fixed(bits_per_weight(file), 2); }

/// "-1.2 %" of the other file's bytes; "same" is written as 0.
std::string size_change(uint64_t bytes, uint64_t other) {
  if (bytes == other) return "0";
  return percent(static_cast<double>(bytes) / static_cast<double>(other) - 1, {}, true);
}

std::string original_name(const Verification& v) {
  return code(std::filesystem::path(v.original.path).filename().string());
}

}  // namespace

Table verify_overview(const Verification& v, const Text& say) {
  Table table{say("verify.overview"),
              {{say("verify.head_file")}, {say("verify.head_bytes"), true}, {say("verify.head_bits"), true}},
              {}};
  for (const VerifiedText& text : v.texts)
    table.columns.push_back({say("verify.head_kl_on", {{"text", code(text.name)}}), true});
  for (size_t f = 0; f < v.files.size(); ++f) {
    const ModelIdentity& file = v.files[f].identity;
    std::vector<std::string> row = {code_name(v, f), count(file.bytes), bits(file)};
    for (const VerifiedText& text : v.texts) row.push_back(kl_value(text.files[f]));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table verify_curve_table(const Verification& v, const VerifiedText& text, const std::string& caption,
                         const Text& say) {
  Table table{caption,
              {{say("verify.head_file")}, {say("verify.head_bytes"), true}, {say("head.kl_nats"), true}},
              {}};
  for (size_t f = 0; f < v.files.size(); ++f)
    table.rows.push_back({code_name(v, f), count(v.files[f].identity.bytes), kl_value(text.files[f])});
  if (v.plan)
    for (const PlanPoint& point : near_points(pareto_points(v, text), v.plan->frontier))
      table.rows.push_back({say("verify.predicted"), count(point.file_bytes), number(point.kl)});
  return table;
}

Table verify_files_table(const Verification& v, const VerifiedText& text, const Text& say) {
  Table table{say("verify.files_table"),
              {{say("verify.head_file")},
               {say("verify.head_bytes"), true},
               {say("verify.head_bits"), true},
               {say("certainty.kl"), true},
               {say("verify.head_p99"), true},
               {say("metric.perplexity"), true},
               {say("verify.head_perplexity_change"), true},
               {say("head.same_top"), true},
               {say("head.verdict")}},
              {}};
  table.rows.push_back({original_name(v), count(v.original.bytes), bits(v.original), say("none"), say("none"),
                        fixed(text.perplexity, 4), say("none"), say("none"), say("head.original")});
  for (size_t f = 0; f < v.files.size(); ++f) {
    const FileOnText& file = text.files[f];
    const ModelIdentity& identity = v.files[f].identity;
    table.rows.push_back({code_name(v, f), count(identity.bytes), bits(identity), kl_value(file),
                          number(file.kl.p99), fixed(file.perplexity.variant, 4), perplexity_change(file),
                          percent(file.same_top.fraction, file.same_top.interval),
                          say.verdict(file.verdicts.overall)});
  }
  return table;
}

Table verify_pairs_table(const Verification& v, const VerifiedText& text, const Text& say) {
  Table table{say("verify.pairs_table", {{"file", code_name(v, 0)}}),
              {{say("verify.head_other")},
               {say("verify.head_size_change"), true},
               {say("verify.head_kl_change"), true},
               {say("verify.head_difference"), true},
               {say("verify.head_chunks_lower"), true},
               {say("head.design_effect"), true},
               {say("verify.head_standing")}},
              {}};
  for (const PairOnText& pair : text.against) {
    table.rows.push_back({code_name(v, pair.file),
                          size_change(v.files[0].identity.bytes, v.files[pair.file].identity.bytes),
                          kl_change(pair), estimate(pair.difference.value, pair.difference.interval, true),
                          say("verify.of", {{"n", count(static_cast<uint64_t>(pair.chunks_lower))},
                                            {"all", count(static_cast<uint64_t>(pair.chunks))}}),
                          pair.design_effect ? number(*pair.design_effect, 3) : say("none"),
                          standing_text(pair.standing, say)});
  }
  return table;
}

Table verify_dialogue_table(const Verification& v, const Text& say) {
  Table table{say("verify.dialogue_table"),
              {{say("verify.head_file")},
               {say("verify.head_same_answers"), true},
               {say("certainty.kl"), true},
               {say("turns.agreement"), true}},
              {}};
  for (size_t f = 0; f < v.files.size(); ++f) {
    const VerifiedFile& file = v.files[f];
    const auto same = std::count_if(file.dialogue.begin(), file.dialogue.end(),
                                    [](const DialogueResult& d) { return d.identical; });
    std::vector<std::string> row = {
        code_name(v, f),
        say("verify.of", {{"n", count(static_cast<uint64_t>(same))}, {"all", count(file.dialogue.size())}})};
    if (const auto& summary = file.dialogue_summary) {
      row.push_back(kl_estimate(summary->greedy.kl_mean, summary->greedy.kl_interval));
      row.push_back(percent(summary->greedy.agreement, summary->greedy.agreement_interval));
    } else {
      row.insert(row.end(), 2, say("none"));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table verify_speed_table(const Verification& v, SpeedResult FileSpeed::*quantity, Verdict FileSpeed::*verdict,
                         Key caption, const Text& say) {
  Table table{say(caption),
              {{say("verify.head_file")},
               {say("head.value"), true},
               {say("verify.head_to_original"), true},
               {say("head.verdict")},
               {say("verify.head_first_to_it"), true}},
              {}};
  const std::string none = say("none");
  if (v.files.front().speed) {
    const SpeedResult& first = *v.files.front().speed.*quantity;
    table.rows.push_back({original_name(v), number(first.original), "1", say("head.original"), none});
    table.rows.push_back({say("verify.second_load"), none,
                          first.aa_interval ? interval_text(*first.aa_interval) : none, none, none});
  }
  for (size_t f = 0; f < v.files.size(); ++f) {
    const VerifiedFile& file = v.files[f];
    if (!file.speed) continue;
    const SpeedResult& speed = *file.speed.*quantity;
    std::string first_to_it = none;
    if (file.first_speed) {
      const SpeedResult& pair = *file.first_speed.*quantity;
      first_to_it = estimate(pair.ratio, pair.interval);
    }
    table.rows.push_back({code_name(v, f), number(speed.variant), estimate(speed.ratio, speed.interval),
                          say.verdict(*file.speed.*verdict), first_to_it});
  }
  return table;
}

Table verify_settings_table(const Verification& v, const Text& say) {
  const VerificationSettings& s = v.settings;
  const Margins& m = s.margins;
  const Environment& e = v.environment;
  Table table{say("reproduce.table"), {{say("head.setting")}, {say("head.value")}}, {}};
  table.rows = {{say("setting.n_ctx"), count(static_cast<uint64_t>(s.n_ctx))},
                {say("setting.n_batch"), count(static_cast<uint64_t>(s.n_batch))},
                {say("verify.chunks_of_each"), count(static_cast<uint64_t>(s.chunks))},
                {say("setting.arithmetic"), say("arithmetic.native")},
                {say("setting.threads"), count(static_cast<uint64_t>(s.threads))},
                {say("setting.seed"), std::to_string(s.seed)},
                {say("setting.margins"),
                 say("setting.margins_value", {{"ppl", margin_percent(std::expm1(m.log_perplexity_ratio))},
                                               {"kl", number(m.kl_nats)},
                                               {"top", margin_percent(m.top_flips)},
                                               {"speed", margin_percent(std::expm1(m.speed_log_ratio))}})},
                {say("reproduce.created"), v.created},
                {say("reproduce.version"), FQLAB_VERSION},
                {say("reproduce.engine"), v.engine_version},
                {say("reproduce.cpu"), e.cpu},
                {say("reproduce.isa"), e.isa},
                {say("reproduce.hardware_threads"), count(static_cast<uint64_t>(e.threads))},
                {say("reproduce.memory"), byte_size(e.memory_bytes)},
                {say("reproduce.os"), e.os},
                {say("reproduce.compiler"), e.compiler},
                {say("verify.total_time"), duration(v.total_seconds)}};
  return table;
}

Table verify_hash_table(const Verification& v, const Text& say) {
  Table table{say("verify.hashes"),
              {{say("verify.head_file")}, {say("verify.head_path")}, {say("setting.hash")}},
              {}};
  table.rows.push_back({original_name(v), code(v.original.path), code(v.original.sha256)});
  for (size_t f = 0; f < v.files.size(); ++f)
    table.rows.push_back({code_name(v, f), code(v.files[f].identity.path), code(v.files[f].identity.sha256)});
  for (const VerifiedText& text : v.texts)
    table.rows.push_back({code(text.name), code(text.corpus.path), code(text.corpus.sha256)});
  return table;
}

Table verify_plan_table(const Verification& v, const Text& say) {
  const QuantizationPlan& plan = *v.plan;
  Table table{say("verify.plan_table"), {{say("head.setting")}, {say("head.value")}}, {}};
  const auto add = [&](Key key, std::string value) { table.rows.push_back({say(key), std::move(value)}); };
  add("verify.plan_file", code(v.plan_path));
  std::string texts;
  for (const std::string& corpus : plan.corpora) texts += (texts.empty() ? "" : ", ") + code(corpus);
  add("verify.plan_text", texts.empty() ? say("none") : texts);
  if (!plan.imatrix.empty()) add("verify.plan_imatrix", code(plan.imatrix));
  add("verify.plan_budget", plan.budget.empty() ? say("none") : code(plan.budget));
  add("verify.plan_bytes", count(plan.file_bytes));
  if (plan.predicted_kl) add("verify.plan_predicted", number(*plan.predicted_kl));
  if (plan.measured_kl) add("verify.plan_measured", estimate(*plan.measured_kl, plan.measured_interval));
  for (const VerifiedText& text : v.texts)
    table.rows.push_back(
        {say("verify.plan_here", {{"text", code(text.name)}}), kl_value(text.files.front())});
  return table;
}

Table verify_terminal_table(const Verification& v, const VerifiedText& text, const Text& say) {
  Table table{"",
              {{say("verify.head_file")},
               {say("verify.head_bytes"), true},
               {say("head.kl_nats"), true},
               {say("metric.perplexity"), true},
               {say("head.same_top_short"), true},
               {say("verify.head_first_kl"), true}},
              {}};
  for (size_t f = 0; f < v.files.size(); ++f) {
    const FileOnText& file = text.files[f];
    table.rows.push_back({v.files[f].name, count(v.files[f].identity.bytes), kl_value(file),
                          fixed(file.perplexity.variant, 4), percent(file.same_top.fraction),
                          f == 0 ? say("none") : kl_change(text.against[f - 1])});
  }
  return table;
}

}  // namespace fqlab::report
