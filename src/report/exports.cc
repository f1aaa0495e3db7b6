// Comparisons in the shapes that other tools read: JSON lines, llama-bench, lm-eval; export_csv.cc has the
// CSV tables.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fqlab/report.h"
#include "report/export_csv.h"
#include "report/sections.h"

namespace fqlab {
namespace {

using Json = nlohmann::ordered_json;

std::string json_lines(std::span<const Comparison> all) {
  std::string text;
  for (const Comparison& c : all) text += Json::parse(comparison_json({&c, 1})).dump() + "\n";
  return text;
}

// One entry of `llama-bench -o json`: all its keys in its order, null where a comparison does not know.
Json bench_test(const Comparison& c, bool variant, int n_prompt, int n_gen, double tokens_per_second) {
  Json test;
  for (const char* key : {"build_commit",   "build_number",
                          "cpu_info",       "gpu_info",
                          "backends",       "model_filename",
                          "model_type",     "model_size",
                          "model_n_params", "n_batch",
                          "n_ubatch",       "n_threads",
                          "cpu_mask",       "cpu_strict",
                          "poll",           "type_k",
                          "type_v",         "n_gpu_layers",
                          "n_cpu_moe",      "split_mode",
                          "main_gpu",       "no_kv_offload",
                          "flash_attn",     "devices",
                          "tensor_split",   "tensor_buft_overrides",
                          "load_mode",      "lazy_mode",
                          "embeddings",     "no_op_offload",
                          "no_host",        "fit_target",
                          "fit_min_ctx",    "n_prompt",
                          "n_gen",          "n_depth",
                          "test_time",      "avg_ns",
                          "stddev_ns",      "avg_ts",
                          "stddev_ts"}) {
    test[key] = nullptr;
  }
  const ModelIdentity& model = variant && c.variant_file ? *c.variant_file : c.original;
  const std::string recipe = variant && !c.variant_file ? " with " + report::variant_name(c) : "";
  test["build_commit"] = c.engine_version;
  test["cpu_info"] = c.environment.cpu;
  test["gpu_info"] = "";
  test["backends"] = "CPU";
  test["model_filename"] = model.path + recipe;
  test["model_type"] = model.architecture + recipe;  // compare-llama-bench.py groups by it
  test["model_size"] = model.bytes;
  test["model_n_params"] = model.parameters;
  test["n_threads"] = c.settings.threads;
  test["n_gpu_layers"] = 0;
  test["n_prompt"] = n_prompt;
  test["n_gen"] = n_gen;
  test["n_depth"] = 0;
  test["test_time"] = c.created;
  test["avg_ns"] = static_cast<uint64_t>(1e9 * (n_prompt + n_gen) / tokens_per_second);
  test["avg_ts"] = tokens_per_second;
  test["samples_ns"] = test["samples_ts"] = Json::array();
  return test;
}

std::vector<ExportFile> llama_bench(std::span<const Comparison> all) {
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
  return {{"llama-bench.json", list.dump(2) + "\n"}};
}

// lm-eval's results file: results.TASK["METRIC,FILTER"], with stderr as half a 95 % interval over 1.96.
Json lm_eval_results(const Comparison& c, bool variant) {
  const std::string task = report::text_name(c);
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

std::vector<ExportFile> export_comparisons(std::span<const Comparison> all, ExportFormat format) {
  switch (format) {
    case ExportFormat::kJsonLines:
      return {{"report.jsonl", json_lines(all)}};
    case ExportFormat::kLlamaBench:
      return llama_bench(all);
    case ExportFormat::kLmEval:
      return lm_eval(all);
    case ExportFormat::kCsv:
      break;
  }
  return report::csv_tables(all);
}

std::vector<std::string> export_file_names(ExportFormat format, size_t comparisons) {
  std::vector<std::string> names;
  for (const ExportFile& file : export_comparisons(std::vector<Comparison>(comparisons), format))
    names.push_back(file.name);
  return names;
}

}  // namespace fqlab
