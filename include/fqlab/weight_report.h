// What number formats do to a model's weights, as JSON, CSV and a web page (fqlab inspect --format).
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fqlab/report.h"
#include "fqlab/weight_damage.h"

namespace fqlab {

struct WeightReport {
  std::string model_path;
  std::string model_name;  ///< general.name, or empty
  std::string architecture;
  std::string imatrix_path;  ///< of the weighted distances, or empty
  WeightDamage damage;
  /// For each format its worst tensors (indices into damage.tensors) with their values before and after.
  std::vector<std::vector<std::pair<size_t, WeightHistogram>>> histograms;
};

/// schema_version 1, docs/inspect.md; the tensors of a format are sorted by damage. Infinite distances are
/// null.
std::string weight_json(const WeightReport& report);
/// One row for each tensor and format, the formats in the order given, their tensors sorted by damage.
std::string weight_csv(const WeightReport& report);
/// One self-contained page: a heatmap of layers and kinds for each format, histograms, every number in a
/// table.
std::string weight_html(const WeightReport& report, Language language);

/// Writes inspect.json, inspect.csv and a page a language (inspect.html, inspect.LANG.html for further ones)
/// into `folder`, which is made where absent. Returns the paths written.
Result<std::vector<std::filesystem::path>> write_weight_report(const WeightReport& report,
                                                               std::span<const Language> languages,
                                                               const std::filesystem::path& folder);

}  // namespace fqlab
