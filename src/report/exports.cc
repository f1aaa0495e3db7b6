// Comparisons in the shapes that other tools read: CSV tables, JSON lines, llama-bench, lm-eval.
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fqlab/report.h"
#include "report/sections.h"

namespace fqlab {
namespace {

using Json = nlohmann::ordered_json;

// One row of RFC 4180 CSV; numbers in the shortest form that reads back to the same double.
class Csv {
 public:
  explicit Csv(std::string_view header) : text_(header) { text_ += '\n'; }
  Csv& operator<<(std::string_view value) {
    if (!first_) text_ += ',';
    first_ = false;
    if (value.find_first_of(",\"\r\n") == std::string_view::npos) {
      text_ += value;
      return *this;
    }
    text_ += '"';
    for (const char c : value) text_ += c == '"' ? std::string("\"\"") : std::string(1, c);
    text_ += '"';
    return *this;
  }
  Csv& operator<<(double value) {
    return *this << std::string_view(std::isfinite(value) ? Json(value).dump() : "");
  }
  Csv& operator<<(uint64_t value) { return *this << std::string_view(std::to_string(value)); }
  Csv& operator<<(int value) { return *this << std::string_view(std::to_string(value)); }
  template <class T>
  Csv& operator<<(const std::optional<T>& value) {
    return value ? *this << *value : *this << std::string_view();
  }
  Csv& operator<<(const std::optional<Interval>& interval) {
    return interval ? *this << interval->low << interval->high
                    : *this << std::string_view() << std::string_view();
  }
  void end_row() {
    text_ += '\n';
    first_ = true;
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
  bool first_ = true;
};

std::string comparisons_csv(std::span<const Comparison> all) {
  Csv csv(
      "variant,original,arithmetic,n_ctx,chunks,scored_positions,values_total,values_changed,ppl_as_stored,"
      "ppl_original,ppl_variant,"
      "log_ratio,log_ratio_low,log_ratio_high,kl_mean,kl_low,kl_high,kl_median,kl_p90,kl_p95,kl_p99,kl_p999,"
      "kl_max,kl_floor,"
      "kl_floor_low,kl_floor_high,kl_matched,kl_matched_low,kl_matched_high,same_top,same_top_low,same_top_"
      "high,same_top_floor,verdict");
  const auto add = [&](const std::optional<Estimate>& estimate) {
    if (estimate)
      csv << estimate->value << estimate->interval;
    else
      csv << ""
          << ""
          << "";
  };
  for (const Comparison& c : all) {
    const ComparisonSettings& s = c.settings;
    csv << report::variant_name(c) << c.original.path
        << (s.arithmetic == Arithmetic::kReference ? "reference" : "native") << s.n_ctx << s.chunks
        << s.scored_positions << c.values_total << c.values_changed << c.as_stored_perplexity
        << c.perplexity.original << c.perplexity.variant << c.perplexity.log_ratio
        << c.perplexity.log_ratio_interval << c.kl.mean << c.kl.interval << c.kl.median << c.kl.p90
        << c.kl.p95 << c.kl.p99 << c.kl.p999 << c.kl.max;
    add(c.kl.noise_floor);
    add(c.kl.matched_control);
    csv << c.same_top.fraction << c.same_top.interval << c.same_top.noise_floor << name(c.verdicts.overall);
    csv.end_row();
  }
  return std::move(csv).text();
}

std::string tensors_csv(std::span<const Comparison> all) {
  Csv csv(
      "variant,tensor,kind,layer,from,format,stored_as,values,changed,saturated,flushed_to_zero,relative_mse,"
      "snr_db,max_abs_error");
  for (const Comparison& c : all) {
    for (const TensorReport& t : c.tensors) {
      csv << report::variant_name(c) << t.name << t.kind << t.layer << t.from << t.format << t.stored_as
          << t.values << t.changed << t.saturated << t.flushed_to_zero << t.relative_mse << t.snr_db
          << t.max_abs_error;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string chunks_csv(std::span<const Comparison> all) {
  Csv csv("variant,chunk,cluster,positions,nll_original,nll_variant,log_ratio,kl_mean,same_top");
  for (const Comparison& c : all) {
    for (const ChunkResult& k : c.chunks) {
      csv << report::variant_name(c) << k.chunk << k.cluster << k.positions << k.nll_original << k.nll_variant
          << k.nll_variant - k.nll_original << k.kl_mean << k.same_top;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string controls_csv(std::span<const Comparison> all) {
  Csv csv("variant,kind,change,seed,chunks,kl_mean,same_top");
  for (const Comparison& c : all) {
    for (const ControlRun& r : c.kl.controls) {
      csv << report::variant_name(c) << r.kind << r.change << r.seed << r.chunks << r.kl_mean << r.same_top;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string dialogue_csv(std::span<const Comparison> all) {
  Csv csv(
      "variant,prompt,original_answer,variant_answer,identical,first_divergent_token,teacher_forced_"
      "agreement");
  for (const Comparison& c : all) {
    for (const DialogueResult& d : c.dialogue) {
      csv << report::variant_name(c) << d.prompt << d.original << d.variant
          << (d.identical ? "true" : "false") << d.first_divergent_token << d.teacher_forced_agreement;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string speed_csv(std::span<const Comparison> all) {
  Csv csv("variant,metric,original,variant_value,ratio,ratio_low,ratio_high,aa_low,aa_high");
  for (const Comparison& c : all) {
    const std::pair<const char*, const std::optional<SpeedResult>*> metrics[] = {
        {"load_ms", &c.load_ms}, {"prompt_tps", &c.prompt_tps}, {"generation_tps", &c.generation_tps}};
    for (const auto& [metric, speed] : metrics) {
      if (!*speed) continue;
      const SpeedResult& s = **speed;
      csv << report::variant_name(c) << metric << s.original << s.variant << s.ratio << s.interval
          << s.aa_interval;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string json_lines(std::span<const Comparison> all) {
  std::string text;
  for (const Comparison& c : all) text += Json::parse(comparison_json({&c, 1})).dump() + "\n";
  return text;
}

// The fields of `llama-bench -o json` that a comparison knows; speeds are means over blocks, hence no
// samples.
Json bench_test(const Comparison& c, bool variant, int n_prompt, int n_gen, double tokens_per_second) {
  const ModelIdentity& model = variant && c.variant_file ? *c.variant_file : c.original;
  const std::string file =
      variant && !c.variant_file ? model.path + " with " + report::variant_name(c) : model.path;
  const double tokens = n_prompt + n_gen;
  return {{"cpu_info", c.environment.cpu},
          {"backends", "CPU"},
          {"model_filename", file},
          {"model_type", model.architecture},
          {"model_size", model.bytes},
          {"model_n_params", model.parameters},
          {"n_threads", c.settings.threads},
          {"n_gpu_layers", 0},
          {"n_prompt", n_prompt},
          {"n_gen", n_gen},
          {"n_depth", 0},
          {"test_time", c.created},
          {"avg_ns", static_cast<uint64_t>(1e9 * tokens / tokens_per_second)},
          {"avg_ts", tokens_per_second}};
}

Result<std::vector<ExportFile>> llama_bench(std::span<const Comparison> all) {
  constexpr int kPromptTokens = 512,
                kGeneratedTokens = 128;  // llama-bench's own defaults; only the rate was measured
  Json list = Json::array();
  for (const Comparison& c : all) {
    if (c.prompt_tps) {
      list.push_back(bench_test(c, false, kPromptTokens, 0, c.prompt_tps->original));
      list.push_back(bench_test(c, true, kPromptTokens, 0, c.prompt_tps->variant));
    }
    if (c.generation_tps) {
      list.push_back(bench_test(c, false, 0, kGeneratedTokens, c.generation_tps->original));
      list.push_back(bench_test(c, true, 0, kGeneratedTokens, c.generation_tps->variant));
    }
  }
  if (list.empty()) {
    return fail(ErrorCode::kUsage, "there is no speed to export", "--export llama-bench",
                "measure speed, or export csv or jsonl");
  }
  return std::vector<ExportFile>{{"llama-bench.json", list.dump(2) + "\n"}};
}

// lm-eval's results file: results.TASK["METRIC,FILTER"], with stderr as half a 95 % interval over 1.96.
Json lm_eval_results(const Comparison& c, bool variant) {
  const std::string task = std::filesystem::path(c.settings.corpus.path).stem().string();
  const auto stderr_of = [](const std::optional<Interval>& i) {
    return i ? Json((i->high - i->low) / 2 / 1.959964) : Json("N/A");
  };
  Json metrics = {{"alias", task}};
  metrics["token_perplexity,none"] = variant ? c.perplexity.variant : c.perplexity.original;
  metrics["token_perplexity_stderr,none"] =
      stderr_of(variant ? c.perplexity.variant_interval : c.perplexity.original_interval);
  if (variant) {
    metrics["kl_mean,none"] = c.kl.mean;
    metrics["kl_mean_stderr,none"] = stderr_of(c.kl.interval);
    metrics["same_top,none"] = c.same_top.fraction;
    metrics["same_top_stderr,none"] = stderr_of(c.same_top.interval);
  }
  const ModelIdentity& model = variant && c.variant_file ? *c.variant_file : c.original;
  Json arguments = "pretrained=" + model.path;
  if (variant && c.recipe) arguments = "pretrained=" + model.path + ",recipe=" + *c.recipe;
  Json higher = {{"token_perplexity", false}};
  if (variant) higher.update({{"kl_mean", false}, {"same_top", true}});
  const uint64_t chunks = static_cast<uint64_t>(c.settings.chunks);
  return {{"results", {{task, metrics}}},
          {"group_subtasks", {{task, Json::array()}}},
          {"configs",
           {{task,
             {{"task", task},
              {"dataset_path", c.settings.corpus.path},
              {"output_type", "loglikelihood_rolling"}}}}},
          {"versions", {{task, 1}}},
          {"n-shot", {{task, 0}}},
          {"higher_is_better", {{task, higher}}},
          {"n-samples", {{task, {{"original", chunks}, {"effective", chunks}}}}},
          {"config", {{"model", "fqlab"}, {"model_args", arguments}, {"batch_size", c.settings.n_batch}}},
          {"model_source", "fqlab"},
          {"model_name", std::filesystem::path(model.path).filename().string()}};
}

std::vector<ExportFile> lm_eval(std::span<const Comparison> all) {
  std::vector<ExportFile> files;
  if (!all.empty())
    files.push_back({"results_original.json", lm_eval_results(all.front(), false).dump(2) + "\n"});
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string index = all.size() == 1 ? "" : "_" + std::to_string(i + 1);
    files.push_back({"results_variant" + index + ".json", lm_eval_results(all[i], true).dump(2) + "\n"});
  }
  return files;
}

}  // namespace

Result<ExportFormat> parse_export_format(std::string_view text) {
  if (text == "csv") return ExportFormat::kCsv;
  if (text == "jsonl") return ExportFormat::kJsonLines;
  if (text == "llama-bench") return ExportFormat::kLlamaBench;
  if (text == "lm-eval") return ExportFormat::kLmEval;
  return fail(ErrorCode::kUsage, "there is no export '" + std::string(text) + "'", "--export",
              "use csv, jsonl, llama-bench or lm-eval");
}

Result<std::vector<ExportFile>> export_comparisons(std::span<const Comparison> all, ExportFormat format) {
  switch (format) {
    case ExportFormat::kJsonLines:
      return std::vector<ExportFile>{{"report.jsonl", json_lines(all)}};
    case ExportFormat::kLlamaBench:
      return llama_bench(all);
    case ExportFormat::kLmEval:
      return lm_eval(all);
    case ExportFormat::kCsv:
      break;
  }
  return std::vector<ExportFile>{
      {"comparisons.csv", comparisons_csv(all)}, {"tensors.csv", tensors_csv(all)},
      {"chunks.csv", chunks_csv(all)},           {"controls.csv", controls_csv(all)},
      {"dialogue.csv", dialogue_csv(all)},       {"speed.csv", speed_csv(all)}};
}

}  // namespace fqlab
