// report.json, schema_version 1 (docs/report-json.md). Keys are only ever added.
#include <cmath>

#include "report/json_judgement.h"
#include "report/json_values.h"
#include "report/messages.h"
#include "report/sections.h"

namespace fqlab {
namespace report {
namespace {

void add_identity(const ModelIdentity& model, Json& json) {
  json["path"] = model.path;
  json["sha256"] = model.sha256;
  json["architecture"] = model.architecture;
  json["parameters"] = model.parameters;
  json["bytes"] = model.bytes;
  json["layers"] = model.layers > 0 ? Json(model.layers) : Json(nullptr);
  json["kinds"] = model.kinds;
}

Json variant(const Comparison& c) {
  Json json = {{"recipe", from(c.recipe)}};
  if (c.variant_file) {
    add_identity(*c.variant_file, json);
  } else {
    for (const char* key : {"path", "sha256", "architecture", "parameters", "bytes", "layers", "kinds"})
      json[key] = nullptr;
  }
  return json;
}

Json gelu(const std::optional<Gelu>& gelu) {
  if (!gelu) return nullptr;
  return *gelu == Gelu::kExact ? "exact" : "engine";
}

Json settings(const Comparison& c) {
  const ComparisonSettings& s = c.settings;
  return {{"arithmetic", s.arithmetic == Arithmetic::kReference ? "reference" : "native"},
          {"gelu", gelu(s.gelu)},
          {"n_ctx", s.n_ctx},
          {"chunks", s.chunks},
          {"scored_positions", s.scored_positions},
          {"threads", s.threads},
          {"seed", s.seed},
          {"replay_from", s.replay_from},
          {"corpus",
           {{"path", s.corpus.path},
            {"sha256", s.corpus.sha256},
            {"bytes", s.corpus.bytes},
            {"documents", s.corpus.documents}}},
          {"n_batch", s.n_batch},
          {"margins",
           {{"log_perplexity_ratio", s.margins.log_perplexity_ratio},
            {"kl_nats", s.margins.kl_nats},
            {"top_flips", s.margins.top_flips},
            {"speed_log_ratio", s.margins.speed_log_ratio}}}};
}

Json changes(const Comparison& c) {
  Json tensors = Json::array();
  for (const TensorReport& t : c.tensors) {
    tensors.push_back({{"name", t.name},
                       {"kind", t.kind},
                       {"layer", from(t.layer)},
                       {"from", t.from},
                       {"format", t.format},
                       {"stored_as", t.stored_as},
                       {"values", t.values},
                       {"changed", t.changed},
                       {"saturated", from(t.saturated)},
                       {"flushed_to_zero", t.flushed_to_zero},
                       {"relative_mse", t.relative_mse},
                       {"snr_db", from(t.snr_db)},
                       {"max_abs_error", t.max_abs_error}});
  }
  return {{"values_total", c.values_total},
          {"values_changed", c.values_changed},
          {"vacuous", c.vacuous},
          {"tensors", std::move(tensors)}};
}

Json perplexity(const PerplexityResult& p) {
  return {{"original", p.original},
          {"variant", p.variant},
          {"difference", p.difference},
          {"log_ratio", p.log_ratio},
          {"log_ratio_interval", from(p.log_ratio_interval)},
          {"original_interval", from(p.original_interval)},
          {"variant_interval", from(p.variant_interval)},
          {"seconds", {{"original", p.original_seconds}, {"variant", p.variant_seconds}}},
          {"log_ratio_interval90", from(p.log_ratio_interval90)}};
}

Json estimate_json(const std::optional<Estimate>& e) {
  return e ? Json{{"mean", e->value}, {"interval", from(e->interval)}} : Json(nullptr);
}

Json histogram(const std::optional<KlHistogram>& h) {
  if (!h) return nullptr;
  return {{"first_log10", h->first_log10},
          {"decades_per_bin", h->decades_per_bin},
          {"counts", h->counts},
          {"zeros", h->zeros}};
}

Json by_position(const std::vector<PositionBin>& bins) {
  Json list = Json::array();
  for (const PositionBin& bin : bins) {
    list.push_back({{"first", bin.first},
                    {"last", bin.last},
                    {"kl_mean", bin.kl_mean},
                    {"interval", from(bin.interval)}});
  }
  return list;
}

Json kl(const KlResult& k) {
  Json floor = estimate_json(k.noise_floor);
  Json controls = Json::array();
  for (const ControlRun& run : k.controls) {
    controls.push_back({{"kind", run.kind},
                        {"change", run.change},
                        {"seed", run.seed},
                        {"kl_mean", run.kl_mean},
                        {"same_top", run.same_top},
                        {"chunks", run.chunks}});
  }
  if (floor.is_null()) floor = {{"mean", nullptr}, {"interval", nullptr}};
  floor["controls"] = std::move(controls);
  return {{"mean", k.mean},
          {"interval", from(k.interval)},
          {"median", k.median},
          {"p90", k.p90},
          {"p95", k.p95},
          {"p99", k.p99},
          {"p999", k.p999},
          {"max", k.max},
          {"resolved", from(k.resolved)},
          {"noise_floor", floor},
          {"matched_control", estimate_json(k.matched_control)},
          {"interval90", from(k.interval90)},
          {"histogram", histogram(k.histogram)},
          {"by_position", by_position(k.by_position)}};
}

Json dialogue(const Comparison& c) {
  if (c.dialogue.empty()) return nullptr;
  Json list = Json::array();
  for (const DialogueResult& d : c.dialogue) {
    list.push_back({{"prompt", d.prompt},
                    {"original", d.original},
                    {"variant", d.variant},
                    {"identical", d.identical},
                    {"first_divergent_token", from(d.first_divergent_token)},
                    {"teacher_forced_agreement", from(d.teacher_forced_agreement)},
                    {"chat_template", d.chat_template}});
    write_turn(d, list.back());
  }
  return list;
}

Json speed(const std::optional<SpeedResult>& s) {
  if (!s) return nullptr;
  Json blocks = Json::array();
  for (const SpeedBlockRatio& block : s->blocks) blocks.push_back({{"aa", block.aa}, {"ratio", block.ratio}});
  return {{"original", s->original},
          {"variant", s->variant},
          {"ratio", s->ratio},
          {"interval", from(s->interval)},
          {"interval90", from(s->interval90)},
          {"aa_interval", from(s->aa_interval)},
          {"aa_interval90", from(s->aa_interval90)},
          {"blocks", std::move(blocks)}};
}

Json verdicts(const Verdicts& v) {
  return {{"weights", name(v.weights)},   {"perplexity", name(v.perplexity)}, {"kl", name(v.kl)},
          {"same_top", name(v.same_top)}, {"dialogue", from(v.dialogue)},     {"load", from(v.load)},
          {"prompt", from(v.prompt)},     {"generation", from(v.generation)}, {"overall", name(v.overall)}};
}

Json chunks(const Comparison& c) {
  Json list = Json::array();
  for (const ChunkResult& chunk : c.chunks) {
    list.push_back({{"chunk", chunk.chunk},
                    {"cluster", chunk.cluster},
                    {"positions", chunk.positions},
                    {"nll_original", chunk.nll_original},
                    {"nll_variant", chunk.nll_variant},
                    {"kl_mean", chunk.kl_mean},
                    {"same_top", chunk.same_top},
                    {"corpus", chunk.corpus}});
  }
  return list;
}

// Why a null stands at `path`, where the study left no note.
std::string inferred_reason(const Comparison& c, const std::string& path) {
  if (path.ends_with("snr_db")) return "nothing_changed";
  if (path.ends_with("saturated")) return "not_counted";
  if (path.ends_with(".layer")) return "no_layer";
  if (path.ends_with("first_divergent_token")) return "no_divergence";
  if (path == "variant.recipe") return "variant_file";
  if (path.starts_with("variant.") && !c.variant_file) return "recipe";
  if (path == "speed.first_token_ms" || path == "speed.cold_load_ms")
    return reason_of(c, "speed.load_ms", "not_measured");
  if (path.starts_with("kl.noise_floor") || path == "kl.resolved")
    return c.logits_identical ? "identical_pair" : "no_control";
  if (path.starts_with("kl.matched_control"))
    return c.logits_identical || c.vacuous ? "nothing_changed" : "no_control";
  if (path.ends_with("sampled")) return "not_drawn";
  if (path.starts_with("power.")) return "decided";
  if (path.ends_with("design_effect")) return c.clusters < 2 ? "one_cluster" : "no_variation";
  if (path.find("interval") != std::string::npos) return c.clusters < 2 ? "one_cluster" : "not_measured";
  return "not_measured";
}

std::string below(std::string path, const std::string& key) {
  if (!path.empty()) path += '.';
  return path += key;
}

// Numbers that JSON cannot hold become null; every null gets a path.
void find_nulls(Json& json, const std::string& path, std::vector<Note>& nulls) {
  if (json.is_number_float() && !std::isfinite(json.get<double>())) {
    json = nullptr;
    nulls.push_back({path, "not_finite"});
  } else if (json.is_null()) {
    nulls.push_back({path, ""});
  } else if (json.is_object()) {
    for (auto& [key, value] : json.items()) find_nulls(value, below(path, key), nulls);
  } else if (json.is_array()) {
    for (size_t i = 0; i < json.size(); ++i) find_nulls(json[i], below(path, std::to_string(i)), nulls);
  }
}

// The study's notes, then one for every null that has none.
Json notes(const Comparison& c, Json& json) {
  std::vector<Note> nulls;
  find_nulls(json, "", nulls);
  std::vector<Note> all = c.notes;
  for (Note& null : nulls) {
    if (null.reason.empty() && reason_of(c, null.key, "").empty()) null.reason = inferred_reason(c, null.key);
    if (!null.reason.empty()) all.push_back(null);
  }
  const Text english(Language::kEnglish);
  Json list = Json::array();
  for (const Note& note : all) {
    list.push_back(
        {{"key", note.key}, {"reason", note.reason}, {"text", english.dynamic("reason.", note.reason)}});
    if (!note.detail.empty()) list.back()["detail"] = note.detail;
  }
  return list;
}

void add_storage(const std::optional<StorageEffect>& storage, Json& json) {
  const char* keys[] = {"chunks", "kl_mean", "kl_interval", "log_ratio", "log_ratio_interval"};
  json["as_stored"] = {{"perplexity", nullptr}, {"chunks", nullptr}};
  for (const char* key : keys) json["storage_effect"][key] = nullptr;
  if (!storage) return;
  json["as_stored"] = {{"perplexity", storage->perplexity}, {"chunks", storage->chunks}};
  json["storage_effect"] = {{"chunks", storage->chunks},
                            {"kl_mean", storage->kl.value},
                            {"kl_interval", from(storage->kl.interval)},
                            {"log_ratio", storage->log_ratio.value},
                            {"log_ratio_interval", from(storage->log_ratio.interval)}};
}

Json comparison_object(const Comparison& c) {
  Json json;
  json["schema_version"] = 1;
  json["tool"] = {{"name", "fqlab"}, {"version", c.fqlab_version}, {"engine", c.engine_version}};
  json["command"] = c.command;
  json["created"] = c.created;
  add_identity(c.original, json["original"]);
  json["variant"] = variant(c);
  json["settings"] = settings(c);
  json["changes"] = changes(c);
  add_storage(c.storage, json);
  json["perplexity"] = perplexity(c.perplexity);
  json["kl"] = kl(c.kl);
  json["same_top"] = {{"fraction", c.same_top.fraction},
                      {"interval", from(c.same_top.interval)},
                      {"noise_floor", from(c.same_top.noise_floor)},
                      {"interval90", from(c.same_top.interval90)}};
  json["clusters"] = {
      {"kind", c.cluster_kind}, {"count", c.clusters}, {"design_effect", from(c.design_effect)}};
  json["dialogue"] = dialogue(c);
  json["speed"] = {{"load_ms", speed(c.load_ms)},
                   {"first_token_ms", speed(c.first_token_ms)},
                   {"cold_load_ms", speed(c.cold_load_ms)},
                   {"prompt_tps", speed(c.prompt_tps)},
                   {"generation_tps", speed(c.generation_tps)}};
  json["verdicts"] = verdicts(c.verdicts);
  const Environment& e = c.environment;
  json["environment"] = {{"cpu", e.cpu},         {"isa", e.isa},
                         {"threads", e.threads}, {"memory_bytes", e.memory_bytes},
                         {"os", e.os},           {"compiler", e.compiler}};
  json["logits_identical"] = c.logits_identical;
  json["per_chunk"] = chunks(c);
  json["timing"] = {{"passes", c.passes}, {"total_seconds", c.total_seconds}};
  json["warnings"] = c.warnings;
  write_judgement(c, json);
  json["notes"] = notes(c, json);
  return json;
}

}  // namespace
}  // namespace report

std::string comparison_json(std::span<const Comparison> comparisons) {
  report::Json json;
  if (comparisons.size() == 1) {
    json = report::comparison_object(comparisons.front());
  } else {
    json["schema_version"] = 1;
    json["tool"] = {{"name", "fqlab"}, {"version", FQLAB_VERSION}};
    json["comparisons"] = report::Json::array();
    for (const Comparison& c : comparisons) json["comparisons"].push_back(report::comparison_object(c));
  }
  // A prompt or an answer may hold a broken UTF-8 sequence: it is replaced, never a reason to fail.
  return json.dump(2, ' ', false, report::Json::error_handler_t::replace) + "\n";
}

}  // namespace fqlab
