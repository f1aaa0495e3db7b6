// report.json of a verification, schema_version 1 (docs/report-json.md). Keys are only ever added.
#include "fqlab/verification_report.h"
#include "report/json_values.h"
#include "report/verify_view.h"

namespace fqlab {
namespace report {
namespace {

Json identity(const ModelIdentity& model) {
  return {{"path", model.path},
          {"sha256", model.sha256},
          {"architecture", model.architecture},
          {"parameters", model.parameters},
          {"bytes", model.bytes},
          {"bits_per_weight", bits_per_weight(model)},
          {"layers", model.layers > 0 ? Json(model.layers) : Json(nullptr)}};
}

Json speed(const SpeedResult& s) {
  Json blocks = Json::array();
  for (const SpeedBlockRatio& block : s.blocks) blocks.push_back({{"aa", block.aa}, {"ratio", block.ratio}});
  return {{"original", s.original},
          {"variant", s.variant},
          {"ratio", s.ratio},
          {"interval", from(s.interval)},
          {"interval90", from(s.interval90)},
          {"aa_interval", from(s.aa_interval)},
          {"aa_interval90", from(s.aa_interval90)},
          {"blocks", std::move(blocks)}};
}

Json speeds(const std::optional<FileSpeed>& s) {
  if (!s) return nullptr;
  return {{"load_ms", speed(s->load_ms)},
          {"first_token_ms", speed(s->first_token_ms)},
          {"prompt_tps", speed(s->prompt_tps)},
          {"generation_tps", speed(s->generation_tps)},
          {"verdicts",
           {{"load", name(s->load)}, {"prompt", name(s->prompt)}, {"generation", name(s->generation)}}}};
}

Json dialogue(const VerifiedFile& file) {
  if (file.dialogue.empty()) return nullptr;
  Json list = Json::array();
  for (const DialogueResult& d : file.dialogue)
    list.push_back({{"prompt", d.prompt},
                    {"original", d.original},
                    {"variant", d.variant},
                    {"identical", d.identical},
                    {"first_divergent_token", from(d.first_divergent_token)},
                    {"teacher_forced_agreement", from(d.teacher_forced_agreement)},
                    {"chat_template", d.chat_template},
                    {"conversation", d.conversation},
                    {"tokens", d.tokens},
                    {"kl_mean", from(d.kl_mean)}});
  return list;
}

Json dialogue_summary(const VerifiedFile& file) {
  if (!file.dialogue_summary) return nullptr;
  const ForcedAnswers& all = file.dialogue_summary->greedy;
  return {{"tokens", all.tokens},       {"conversations", all.conversations},
          {"kl_mean", all.kl_mean},     {"kl_interval", from(all.kl_interval)},
          {"agreement", all.agreement}, {"agreement_interval", from(all.agreement_interval)}};
}

Json files(const Verification& v) {
  Json list = Json::array();
  for (const VerifiedFile& file : v.files) {
    Json json = {{"name", file.name}};
    json.update(identity(file.identity));
    json["dialogue"] = dialogue(file);
    json["dialogue_summary"] = dialogue_summary(file);
    json["speed"] = speeds(file.speed);
    json["first_speed"] = speeds(file.first_speed);
    json["seconds"] = file.seconds;
    list.push_back(std::move(json));
  }
  return list;
}

Json chunks(const FileOnText& file) {
  Json list = Json::array();
  for (const ChunkResult& chunk : file.chunks)
    list.push_back({{"chunk", chunk.chunk},
                    {"cluster", chunk.cluster},
                    {"positions", chunk.positions},
                    {"nll_original", chunk.nll_original},
                    {"nll_variant", chunk.nll_variant},
                    {"kl_mean", chunk.kl_mean},
                    {"same_top", chunk.same_top}});
  return list;
}

Json file_on_text(const std::string& file_name, const FileOnText& file) {
  const KlResult& kl = file.kl;
  const PerplexityResult& p = file.perplexity;
  return {{"file", file_name},
          {"kl",
           {{"mean", kl.mean},
            {"interval", from(kl.interval)},
            {"interval90", from(kl.interval90)},
            {"median", kl.median},
            {"p90", kl.p90},
            {"p95", kl.p95},
            {"p99", kl.p99},
            {"p999", kl.p999},
            {"max", kl.max},
            {"design_effect", from(file.design_effect)}}},
          {"perplexity",
           {{"original", p.original},
            {"variant", p.variant},
            {"log_ratio", p.log_ratio},
            {"log_ratio_interval", from(p.log_ratio_interval)},
            {"log_ratio_interval90", from(p.log_ratio_interval90)},
            {"variant_interval", from(p.variant_interval)}}},
          {"same_top",
           {{"fraction", file.same_top.fraction},
            {"interval", from(file.same_top.interval)},
            {"interval90", from(file.same_top.interval90)},
            {"effective_n", file.same_top.effective_n}}},
          {"logits_identical", file.logits_identical},
          {"verdicts",
           {{"perplexity", name(file.verdicts.perplexity)},
            {"kl", name(file.verdicts.kl)},
            {"same_top", name(file.verdicts.same_top)},
            {"overall", name(file.verdicts.overall)}}},
          {"per_chunk", chunks(file)}};
}

Json texts(const Verification& v) {
  Json list = Json::array();
  for (const VerifiedText& text : v.texts) {
    Json on_files = Json::array(), against = Json::array();
    for (size_t f = 0; f < text.files.size(); ++f)
      on_files.push_back(file_on_text(v.files[f].name, text.files[f]));
    for (const PairOnText& pair : text.against)
      against.push_back({{"file", v.files[pair.file].name},
                         {"difference", from(pair.difference)},
                         {"ratio", from(pair.ratio)},
                         {"design_effect", from(pair.design_effect)},
                         {"chunks_lower", pair.chunks_lower},
                         {"chunks", pair.chunks},
                         {"standing", name(pair.standing)}});
    list.push_back({{"name", text.name},
                    {"path", text.corpus.path},
                    {"sha256", text.corpus.sha256},
                    {"bytes", text.corpus.bytes},
                    {"documents", text.corpus.documents},
                    {"cluster_kind", text.cluster_kind},
                    {"clusters", text.clusters},
                    {"chunks", text.chunks},
                    {"positions", text.positions},
                    {"perplexity", text.perplexity},
                    {"perplexity_interval", from(text.perplexity_interval)},
                    {"planned_on", from(text.planned_on)},
                    {"files", std::move(on_files)},
                    {"against", std::move(against)},
                    {"warnings", text.warnings}});
  }
  return list;
}

Json plan(const Verification& v) {
  if (!v.plan) return nullptr;
  Json frontier = Json::array();
  for (const PlanPoint& point : v.plan->frontier)
    frontier.push_back({{"file_bytes", point.file_bytes}, {"kl", point.kl}});
  return {{"path", v.plan_path},
          {"model_sha256", v.plan->model_sha256},
          {"imatrix", v.plan->imatrix},
          {"corpora", v.plan->corpora},
          {"budget", v.plan->budget},
          {"budget_bytes", v.plan->budget_bytes},
          {"file_bytes", v.plan->file_bytes},
          {"predicted_kl", from(v.plan->predicted_kl)},
          {"measured_kl", from(v.plan->measured_kl)},
          {"measured_interval", from(v.plan->measured_interval)},
          {"frontier", std::move(frontier)}};
}

Json settings(const VerificationSettings& s) {
  return {{"arithmetic", "native"},
          {"n_ctx", s.n_ctx},
          {"n_batch", s.n_batch},
          {"chunks", s.chunks},
          {"threads", s.threads},
          {"seed", s.seed},
          {"margins",
           {{"log_perplexity_ratio", s.margins.log_perplexity_ratio},
            {"kl_nats", s.margins.kl_nats},
            {"top_flips", s.margins.top_flips},
            {"speed_log_ratio", s.margins.speed_log_ratio}}}};
}

}  // namespace
}  // namespace report

std::string verification_json(const Verification& v) {
  report::Json json;
  json["schema_version"] = 1;
  json["kind"] = "verification";
  json["tool"] = {{"name", "fqlab"}, {"version", FQLAB_VERSION}, {"engine", v.engine_version}};
  json["command"] = v.command;
  json["created"] = v.created;
  json["original"] = report::identity(v.original);
  json["files"] = report::files(v);
  json["settings"] = report::settings(v.settings);
  json["texts"] = report::texts(v);
  json["plan"] = report::plan(v);
  const Environment& e = v.environment;
  json["environment"] = {{"cpu", e.cpu},         {"isa", e.isa},
                         {"threads", e.threads}, {"memory_bytes", e.memory_bytes},
                         {"os", e.os},           {"compiler", e.compiler}};
  json["timing"] = {
      {"passes", v.passes}, {"original_seconds", v.original_seconds}, {"total_seconds", v.total_seconds}};
  json["warnings"] = v.warnings;
  json["notes"] = report::Json::array();
  for (const Note& note : v.notes) {
    json["notes"].push_back({{"key", note.key}, {"reason", note.reason}});
    if (!note.detail.empty()) json["notes"].back()["detail"] = note.detail;
  }
  return json.dump(2, ' ', false, report::Json::error_handler_t::replace) + "\n";
}

}  // namespace fqlab
