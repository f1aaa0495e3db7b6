// Reports: comparisons as Markdown, JSON and a terminal table, in English and Traditional Chinese.
#pragma once

#include <filesystem>
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

/// report.json of one comparison (schema_version 1, docs/report-json.md), or, for several, an object whose key
/// `comparisons` holds one such object each. Numbers read back to the same double.
std::string comparison_json(std::span<const Comparison> comparisons);

/// report.md of one or several comparisons.
std::string comparison_markdown(std::span<const Comparison> comparisons, Language language);

/// The summary as a plain-text table for a terminal: one row a comparison.
std::string comparison_table(std::span<const Comparison> comparisons, Language language);

/// Writes report.json and one report a language into `folder`, which is made where absent: report.md for the first
/// language, report.LANG.md for the others. Returns the paths written. Every file is written atomically.
Result<std::vector<std::filesystem::path>> write_report(std::span<const Comparison> comparisons,
                                                        std::span<const Language> languages,
                                                        const std::filesystem::path& folder);

}  // namespace fqlab
