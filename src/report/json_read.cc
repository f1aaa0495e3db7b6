// Reads report.json back into comparisons; keys that this version does not know are ignored.
#include <nlohmann/json.hpp>

#include "fqlab/report.h"
#include "report/json_fields.h"
#include "report/json_judgement.h"

namespace fqlab {
namespace {

using report::plain;

// Reads `json[key]` into `out`; what is absent leaves it as it is, as does null, but for a number: null is
// one that is not finite.
template <class T>
void read(const nlohmann::json& json, const char* key, T& out) {
  const auto it = json.find(key);
  if (it == json.end()) return;
  if constexpr (std::is_same_v<T, double>)
    out = it->is_null() ? std::numeric_limits<double>::quiet_NaN() : plain<T>(*it);
  else if (!it->is_null())
    out = plain<T>(*it);
}
template <class T>
void read(const nlohmann::json& json, const char* key, std::optional<T>& out) {
  if (const auto it = json.find(key); it != json.end() && !it->is_null()) out = plain<T>(*it);
}
void read(const nlohmann::json& json, const char* key, std::optional<Interval>& out) {
  if (const auto it = json.find(key); it != json.end() && !it->is_null() && !it->at(0).is_null() &&
                                      !it->at(1).is_null())  // a number that is not finite is null in JSON
    out = Interval{it->at(0), it->at(1)};
}

Verdict verdict_of(const std::string& text) {
  for (const Verdict verdict :
       {Verdict::kIdentical, Verdict::kVacuous, Verdict::kEquivalent, Verdict::kDifferent}) {
    if (text == name(verdict)) return verdict;
  }
  if (text == name(Verdict::kInconclusive) || text.empty()) return Verdict::kInconclusive;
  throw nlohmann::json::out_of_range::create(406, "'" + text + "' is no verdict", nullptr);
}
void read(const nlohmann::json& json, const char* key, Verdict& out) {
  out = verdict_of(json.value(key, std::string()));
}
void read(const nlohmann::json& json, const char* key, std::optional<Verdict>& out) {
  if (const auto it = json.find(key); it != json.end() && !it->is_null())
    out = verdict_of(it->get<std::string>());
}

const nlohmann::json& part(const nlohmann::json& json, const char* key) {
  static const nlohmann::json kEmpty = nlohmann::json::object();
  const auto it = json.find(key);
  return it == json.end() || it->is_null() ? kEmpty : *it;
}

ModelIdentity identity(const nlohmann::json& json) {
  ModelIdentity model;
  read(json, "path", model.path);
  read(json, "sha256", model.sha256);
  read(json, "architecture", model.architecture);
  read(json, "parameters", model.parameters);
  read(json, "bytes", model.bytes);
  read(json, "layers", model.layers);
  read(json, "kinds", model.kinds);
  return model;
}

void read_settings(const nlohmann::json& json, ComparisonSettings& s) {
  s.arithmetic = json.value("arithmetic", "") == "native" ? Arithmetic::kNative : Arithmetic::kReference;
  if (const nlohmann::json& gelu = part(json, "gelu"); gelu.is_string())
    s.gelu = gelu == "engine" ? Gelu::kEngine : Gelu::kExact;
  read(json, "n_ctx", s.n_ctx);
  read(json, "n_batch", s.n_batch);
  read(json, "chunks", s.chunks);
  if (s.n_ctx < 0 || s.chunks < 0)
    throw nlohmann::json::out_of_range::create(406, "a length and a number of chunks are not negative",
                                               &json);
  read(json, "scored_positions", s.scored_positions);
  read(json, "threads", s.threads);
  read(json, "seed", s.seed);
  read(json, "replay_from", s.replay_from);
  const nlohmann::json& corpus = part(json, "corpus");
  read(corpus, "path", s.corpus.path);
  read(corpus, "sha256", s.corpus.sha256);
  read(corpus, "bytes", s.corpus.bytes);
  read(corpus, "documents", s.corpus.documents);
  const nlohmann::json& margins = part(json, "margins");
  read(margins, "log_perplexity_ratio", s.margins.log_perplexity_ratio);
  read(margins, "kl_nats", s.margins.kl_nats);
  read(margins, "top_flips", s.margins.top_flips);
  read(margins, "speed_log_ratio", s.margins.speed_log_ratio);
}

void read_changes(const nlohmann::json& json, Comparison& c) {
  read(json, "values_total", c.values_total);
  read(json, "values_changed", c.values_changed);
  read(json, "vacuous", c.vacuous);
  for (const nlohmann::json& item : part(json, "tensors")) {
    TensorReport t;
    read(item, "name", t.name);
    read(item, "kind", t.kind);
    read(item, "layer", t.layer);
    read(item, "from", t.from);
    read(item, "format", t.format);
    read(item, "stored_as", t.stored_as);
    read(item, "values", t.values);
    read(item, "changed", t.changed);
    read(item, "saturated", t.saturated);
    read(item, "flushed_to_zero", t.flushed_to_zero);
    read(item, "relative_mse", t.relative_mse);
    read(item, "snr_db", t.snr_db);
    read(item, "max_abs_error", t.max_abs_error);
    c.tensors.push_back(std::move(t));
  }
}

void read_storage(const nlohmann::json& json, std::optional<StorageEffect>& storage) {
  const nlohmann::json& effect = part(json, "storage_effect");
  std::optional<double> kl;
  read(effect, "kl_mean", kl);
  if (!kl) return;
  storage.emplace();
  read(part(json, "as_stored"), "perplexity", storage->perplexity);
  read(effect, "chunks", storage->chunks);
  storage->kl.value = *kl;
  read(effect, "kl_interval", storage->kl.interval);
  read(effect, "log_ratio", storage->log_ratio.value);
  read(effect, "log_ratio_interval", storage->log_ratio.interval);
}

void read_perplexity(const nlohmann::json& json, PerplexityResult& p) {
  read(json, "original", p.original);
  read(json, "variant", p.variant);
  read(json, "difference", p.difference);
  read(json, "log_ratio", p.log_ratio);
  read(json, "log_ratio_interval", p.log_ratio_interval);
  read(json, "log_ratio_interval90", p.log_ratio_interval90);
  read(json, "original_interval", p.original_interval);
  read(json, "variant_interval", p.variant_interval);
  read(part(json, "seconds"), "original", p.original_seconds);
  read(part(json, "seconds"), "variant", p.variant_seconds);
}

std::optional<Estimate> read_estimate(const nlohmann::json& json) {
  if (part(json, "mean").is_object()) return std::nullopt;  // absent or null
  Estimate estimate;
  read(json, "mean", estimate.value);
  read(json, "interval", estimate.interval);
  return estimate;
}

void read_kl(const nlohmann::json& json, KlResult& kl) {
  read(json, "mean", kl.mean);
  read(json, "interval", kl.interval);
  read(json, "interval90", kl.interval90);
  read(json, "median", kl.median);
  read(json, "p90", kl.p90);
  read(json, "p95", kl.p95);
  read(json, "p99", kl.p99);
  read(json, "p999", kl.p999);
  read(json, "max", kl.max);
  read(json, "resolved", kl.resolved);
  kl.noise_floor = read_estimate(part(json, "noise_floor"));
  kl.matched_control = read_estimate(part(json, "matched_control"));
  for (const nlohmann::json& item : part(part(json, "noise_floor"), "controls")) {
    ControlRun run;
    read(item, "kind", run.kind);
    read(item, "change", run.change);
    read(item, "seed", run.seed);
    read(item, "kl_mean", run.kl_mean);
    read(item, "same_top", run.same_top);
    read(item, "chunks", run.chunks);
    kl.controls.push_back(std::move(run));
  }
}

void read_figures(const nlohmann::json& json, KlResult& kl) {
  if (const nlohmann::json& item = part(json, "histogram"); !item.empty()) {
    KlHistogram& histogram = kl.histogram.emplace();
    read(item, "first_log10", histogram.first_log10);
    read(item, "decades_per_bin", histogram.decades_per_bin);
    read(item, "counts", histogram.counts);
    read(item, "zeros", histogram.zeros);
  }
  for (const nlohmann::json& item : part(json, "by_position")) {
    PositionBin bin;
    read(item, "first", bin.first);
    read(item, "last", bin.last);
    read(item, "kl_mean", bin.kl_mean);
    read(item, "interval", bin.interval);
    kl.by_position.push_back(bin);
  }
}

void read_dialogue(const nlohmann::json& json, Comparison& c) {
  for (const nlohmann::json& item : json) {
    DialogueResult d;
    read(item, "prompt", d.prompt);
    read(item, "original", d.original);
    read(item, "variant", d.variant);
    read(item, "identical", d.identical);
    read(item, "first_divergent_token", d.first_divergent_token);
    read(item, "teacher_forced_agreement", d.teacher_forced_agreement);
    read(item, "chat_template", d.chat_template);
    report::read_turn(item, d);
    c.dialogue.push_back(std::move(d));
  }
}

std::optional<SpeedResult> read_speed(const nlohmann::json& json) {
  if (json.empty()) return std::nullopt;
  SpeedResult speed;
  read(json, "original", speed.original);
  read(json, "variant", speed.variant);
  read(json, "ratio", speed.ratio);
  read(json, "interval", speed.interval);
  read(json, "interval90", speed.interval90);
  read(json, "aa_interval", speed.aa_interval);
  read(json, "aa_interval90", speed.aa_interval90);
  for (const nlohmann::json& item : part(json, "blocks"))
    speed.blocks.push_back({item.value("aa", false), item.value("ratio", 1.0)});
  return speed;
}

void read_verdicts(const nlohmann::json& json, Verdicts& v) {
  read(json, "weights", v.weights);
  read(json, "perplexity", v.perplexity);
  read(json, "kl", v.kl);
  read(json, "same_top", v.same_top);
  read(json, "dialogue", v.dialogue);
  read(json, "load", v.load);
  read(json, "prompt", v.prompt);
  read(json, "generation", v.generation);
  read(json, "overall", v.overall);
}

void read_chunks(const nlohmann::json& json, Comparison& c) {
  for (const nlohmann::json& item : json) {
    ChunkResult chunk;
    read(item, "chunk", chunk.chunk);
    read(item, "cluster", chunk.cluster);
    read(item, "positions", chunk.positions);
    read(item, "nll_original", chunk.nll_original);
    read(item, "nll_variant", chunk.nll_variant);
    read(item, "kl_mean", chunk.kl_mean);
    read(item, "same_top", chunk.same_top);
    read(item, "corpus", chunk.corpus);
    c.chunks.push_back(chunk);
  }
}

void read_environment(const nlohmann::json& json, Environment& e) {
  read(json, "cpu", e.cpu);
  read(json, "isa", e.isa);
  read(json, "threads", e.threads);
  read(json, "memory_bytes", e.memory_bytes);
  read(json, "os", e.os);
  read(json, "compiler", e.compiler);
}

Comparison read_comparison(const nlohmann::json& json) {
  // Without these there is nothing to report; `at` throws, and the message names the key.
  json.at("perplexity").at("original"), json.at("kl").at("mean"), json.at("same_top").at("fraction");
  json.at("verdicts").at("overall");
  Comparison c;
  read(part(json, "tool"), "version", c.fqlab_version);
  read(part(json, "tool"), "engine", c.engine_version);
  read(json, "command", c.command);
  read(json, "created", c.created);
  c.original = identity(part(json, "original"));
  const nlohmann::json& variant = part(json, "variant");
  read(variant, "recipe", c.recipe);
  if (!part(variant, "path").is_object()) c.variant_file = identity(variant);
  read_settings(part(json, "settings"), c.settings);
  read_changes(part(json, "changes"), c);
  read_storage(json, c.storage);
  read_perplexity(json.at("perplexity"), c.perplexity);
  read_kl(json.at("kl"), c.kl);
  read_figures(json.at("kl"), c.kl);
  const nlohmann::json& same_top = json.at("same_top");
  read(same_top, "fraction", c.same_top.fraction);
  read(same_top, "interval", c.same_top.interval);
  read(same_top, "interval90", c.same_top.interval90);
  read(same_top, "noise_floor", c.same_top.noise_floor);
  read(part(json, "clusters"), "kind", c.cluster_kind);
  read(part(json, "clusters"), "count", c.clusters);
  read(part(json, "clusters"), "design_effect", c.design_effect);
  read_dialogue(part(json, "dialogue"), c);
  const nlohmann::json& speed = part(json, "speed");
  c.load_ms = read_speed(part(speed, "load_ms"));
  c.first_token_ms = read_speed(part(speed, "first_token_ms"));
  c.cold_load_ms = read_speed(part(speed, "cold_load_ms"));
  c.prompt_tps = read_speed(part(speed, "prompt_tps"));
  c.generation_tps = read_speed(part(speed, "generation_tps"));
  read_verdicts(json.at("verdicts"), c.verdicts);
  read_environment(part(json, "environment"), c.environment);
  read(json, "logits_identical", c.logits_identical);
  read_chunks(part(json, "per_chunk"), c);
  report::read_judgement(json, c);
  read(part(json, "timing"), "passes", c.passes);
  read(part(json, "timing"), "total_seconds", c.total_seconds);
  read(json, "warnings", c.warnings);
  for (const nlohmann::json& item : part(json, "notes"))
    c.notes.push_back({item.value("key", ""), item.value("reason", ""), item.value("detail", "")});
  return c;
}

}  // namespace

Result<std::vector<Comparison>> parse_comparison_json(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded())
    return fail(ErrorCode::kInput, "this is no JSON, or only a part of it", "",
                "give the report.json of `fqlab compare`");
  try {
    if (!json.is_object() || !json.contains("schema_version")) {
      return fail(ErrorCode::kInput, "this is no report of fqlab", "schema_version",
                  "give the report.json of `fqlab compare`");
    }
    if (json["schema_version"] != 1) {
      return fail(ErrorCode::kInput, "this report has another schema version than 1", "schema_version",
                  "use the fqlab that wrote it");
    }
    if (json.contains("kind")) {
      return fail(ErrorCode::kInput, "this is no report of a comparison", "kind " + json["kind"].dump(),
                  "give the report.json of `fqlab compare`; `fqlab verify` writes its pages itself");
    }
    std::vector<Comparison> comparisons;
    if (json.contains("comparisons")) {
      for (const nlohmann::json& item : json["comparisons"]) comparisons.push_back(read_comparison(item));
    } else {
      comparisons.push_back(read_comparison(json));
    }
    if (comparisons.empty())
      return fail(ErrorCode::kInput, "the report holds no comparison", "comparisons",
                  "give the report.json of `fqlab compare`");
    return comparisons;
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kInput, "the report cannot be read", error.what(),
                "give the report.json of `fqlab compare`");
  }
}

}  // namespace fqlab
