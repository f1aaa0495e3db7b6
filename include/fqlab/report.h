// Reports: comparisons as Markdown, JSON and a terminal table, in English and Traditional Chinese.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/comparison.h"
#include "fqlab/result.h"

namespace fqlab {

enum class Language { kEnglish, kTraditionalChinese };
/// "en" or "zh-TW"; kUsage otherwise.
Result<Language> parse_language(std::string_view text);

/// report.json of one comparison (schema_version 1, docs/report-json.md), or, for several, an object whose
/// key `comparisons` holds one such object each. Numbers read back to the same double.
std::string comparison_json(std::span<const Comparison> comparisons);

/// Reads report.json back, of one or several comparisons, so that reports can be rendered again or side by
/// side. kInput where the text is no report of schema_version 1; `where` names the key.
Result<std::vector<Comparison>> parse_comparison_json(std::string_view text);

/// report.md of one or several comparisons.
std::string comparison_markdown(std::span<const Comparison> comparisons, Language language);

/// report.html: one self-contained page with figures; no script, no request to anywhere.
std::string comparison_html(std::span<const Comparison> comparisons, Language language);

/// The summary as a plain-text table for a terminal: one row a comparison.
std::string comparison_table(std::span<const Comparison> comparisons, Language language);
/// A sentence a comparison: how its verdict comes about; none for those that changed nothing.
std::vector<std::string> comparison_reasons(std::span<const Comparison> comparisons, Language language);
/// The sentences of their warnings, each once.
std::vector<std::string> comparison_warnings(std::span<const Comparison> comparisons, Language language);

/// Writes report.json and one report a language into `folder`, which is made where absent: report.md for the
/// first language, report.LANG.md for the others. Returns the paths written. Every file is written
/// atomically.
Result<std::vector<std::filesystem::path>> write_report(std::span<const Comparison> comparisons,
                                                        std::span<const Language> languages,
                                                        const std::filesystem::path& folder);

/// A release gate's limit: "kl=0.01" (mean KL divergence, nats), "ppl=1%" (increase of perplexity), "top=1%"
/// (flipped top tokens). A limit on perplexity looks at increases only; all look at the point estimate.
enum class Gate { kKl, kPerplexity, kSameTop };
struct Threshold {
  Gate gate = Gate::kKl;
  double limit = 0;  ///< nats, or a fraction
};
/// "kl=0.01,ppl=1%,top=1%"; a number without % is a fraction for ppl and top. kUsage for anything else.
Result<std::vector<Threshold>> parse_thresholds(std::string_view text);

/// How one comparison stands to one limit. `crossed`: the point estimate exceeds the limit. `clear`: the
/// whole 95 % interval lies on that side of it; absent where there is no interval.
struct ThresholdCheck {
  Threshold threshold;
  double value = 0;
  std::optional<Interval> interval;
  bool crossed = false;
  std::optional<bool> clear;
};
std::vector<ThresholdCheck> check_thresholds(const Comparison& comparison,
                                             std::span<const Threshold> thresholds);
/// One line for a person: value with interval, limit, and whether the interval is clear of it.
std::string describe(const ThresholdCheck& check, Language language);

/// Shapes that other tools read.
enum class ExportFormat { kCsv, kJsonLines, kLlamaBench, kLmEval };
/// "csv", "jsonl", "llama-bench" or "lm-eval"; kUsage otherwise.
Result<ExportFormat> parse_export_format(std::string_view text);

struct ExportFile {
  std::string name;
  std::string content;
};
/// csv: one file a table (comparisons, tensors, chunks, controls, dialogue, speed) with full-precision
/// numbers and the recipe in each row; jsonl: one report.json object a line; llama-bench: the JSON list of
/// `llama-bench -o json`, one test a measured speed and file (an empty list where no speed was measured);
/// lm-eval: one results_*.json a model with token_perplexity, kl_mean and same_top. What a shape has no place
/// for is left out.
std::vector<ExportFile> export_comparisons(std::span<const Comparison> comparisons, ExportFormat format);
/// The names of these files, for so many comparisons.
std::vector<std::string> export_file_names(ExportFormat format, size_t comparisons);

}  // namespace fqlab
