// Reports of a sensitivity map: a web page, Markdown, JSON, CSV and text for a terminal.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/report.h"
#include "fqlab/sensitivity_map.h"

namespace fqlab {

/// The map with ranks and additivity where they were absent (rank_cells, add_up_cells). The functions below
/// show a map as it is given; call this first.
SensitivityMap completed(SensitivityMap map);

/// map.json (kind "sensitivity_map", schema_version 1, docs/report-json.md). Numbers read back to the same
/// double.
std::string map_json(const SensitivityMap& map);
/// Reads map.json. kInput where the text is no such file; `where` names the key.
Result<SensitivityMap> parse_map_json(std::string_view text);
/// Whether the text says of itself that it is a map.json, whatever its version.
bool is_map_json(std::string_view text);

std::string map_markdown(const SensitivityMap& map, Language language);
/// One self-contained page; no script, no request to anywhere.
std::string map_html(const SensitivityMap& map, Language language);

/// cells.csv, ranking.csv, additivity.csv, curves.csv: RFC 4180, full precision.
std::vector<ExportFile> map_csv(const SensitivityMap& map);

struct MapTextOptions {
  Language language = Language::kEnglish;
  size_t top = 10;      ///< cells of each ranking; 0: all
  int columns = 80;     ///< width of the terminal, at least 40
  bool colour = false;  ///< ANSI colours of 256 in the heatmap
  bool unicode = true;  ///< block characters; else digits 0 to 9
};
/// For each format its ranking and a compact heatmap of layers and kinds.
std::string map_text(const SensitivityMap& map, const MapTextOptions& options);

/// Writes map.json, the tables of map_csv() and a page a language (map.html and map.md, map.LANG.* for
/// further ones) into `folder`, which is made where absent. Returns the paths written.
Result<std::vector<std::filesystem::path>> write_map_report(const SensitivityMap& map,
                                                            std::span<const Language> languages,
                                                            const std::filesystem::path& folder);

}  // namespace fqlab
