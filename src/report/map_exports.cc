// The tables of a map as CSV, and the files of a map report.
#include "fqlab/map_report.h"
#include "report/csv.h"
#include "report/map_view.h"
#include "report/report_files.h"

namespace fqlab {
namespace {

using report::Csv;

void place(Csv& csv, const SensitivityMap& map, const MapCell& cell) {
  const MapGroup& group = map.groups[cell.group];
  csv << std::string_view(map.formats[cell.format]) << name(cell.mode) << std::string_view(group.name)
      << group.layer << std::string_view(group.kind.value_or(""));
}

std::string cells_csv(const SensitivityMap& map) {
  Csv csv(
      "format,mode,group,layer,kind,grouping,selector,tensors,values,values_changed,state,reason,chunks,"
      "kl_mean,kl_low,kl_high,log_ratio,log_ratio_low,log_ratio_high,same_top,same_top_low,same_top_high,"
      "resolved,predicted_kl,predicted_low,predicted_high");
  for (const MapCell& cell : map.cells) {
    const MapGroup& group = map.groups[cell.group];
    place(csv, map, cell);
    csv << std::string_view(group.grouping) << std::string_view(group.selector)
        << static_cast<uint64_t>(group.tensors.size()) << group.values << cell.values_changed
        << name(cell.state) << std::string_view(cell.reason) << static_cast<uint64_t>(cell.chunks.size())
        << cell.kl << cell.kl_interval << cell.log_ratio << cell.log_ratio_interval << cell.same_top
        << cell.same_top_interval
        << std::string_view(!cell.resolved   ? ""
                            : *cell.resolved ? "true"
                                             : "false")
        << cell.predicted_kl << cell.predicted_interval;
    csv.end_row();
  }
  return std::move(csv).text();
}

std::string ranking_csv(const SensitivityMap& map) {
  Csv csv("format,mode,group,layer,kind,rank,rank_low,rank_high,kl_mean,kl_low,kl_high,chunks");
  for (size_t format = 0; format < map.formats.size(); ++format)
    for (const MapMode mode : report::single_modes(map))
      for (const MapCell* cell : report::ranked(map, format, mode)) {
        place(csv, map, *cell);
        csv << cell->rank << cell->rank_interval << cell->kl << cell->kl_interval
            << static_cast<uint64_t>(cell->chunks.size());
        csv.end_row();
      }
  return std::move(csv).text();
}

std::string additivity_csv(const SensitivityMap& map) {
  Csv csv("format,joint_kl,sum_of_singles,groups,missing,chunks,ratio,ratio_low,ratio_high");
  for (const MapAdditivity& sum : map.additivity) {
    csv << std::string_view(map.formats[sum.format]) << sum.joint_kl << sum.sum_of_singles << sum.groups
        << sum.missing << sum.chunks << sum.ratio << sum.interval;
    csv.end_row();
  }
  return std::move(csv).text();
}

std::string curves_csv(const SensitivityMap& map) {
  Csv csv("format,mode,group,layer,state,kl_mean,kl_low,kl_high,chunks");
  for (size_t format = 0; format < map.formats.size(); ++format)
    for (const MapMode mode : {MapMode::kCumulativeFront, MapMode::kCumulativeBack})
      for (const MapCell* cell : report::cells_of(map, format, mode)) {
        const MapGroup& group = map.groups[cell->group];
        csv << std::string_view(map.formats[format]) << name(mode) << std::string_view(group.name)
            << group.layer << name(cell->state) << cell->kl << cell->kl_interval
            << static_cast<uint64_t>(cell->chunks.size());
        csv.end_row();
      }
  return std::move(csv).text();
}

}  // namespace

SensitivityMap completed(SensitivityMap map) {
  rank_cells(map);
  add_up_cells(map);
  return map;
}

std::vector<ExportFile> map_csv(const SensitivityMap& map) {
  return {{"cells.csv", cells_csv(map)},
          {"ranking.csv", ranking_csv(map)},
          {"additivity.csv", additivity_csv(map)},
          {"curves.csv", curves_csv(map)}};
}

Result<std::vector<std::filesystem::path>> write_map_report(const SensitivityMap& map,
                                                            std::span<const Language> languages,
                                                            const std::filesystem::path& folder) {
  std::vector<ExportFile> files = {{"map.json", map_json(map)}};
  for (size_t i = 0; i < languages.size(); ++i) {
    const std::string stem = "map" + report::language_suffix(languages, i);
    files.push_back({stem + ".html", map_html(map, languages[i])});
    files.push_back({stem + ".md", map_markdown(map, languages[i])});
  }
  for (ExportFile& file : map_csv(map)) files.push_back(std::move(file));
  return report::write_files(files, folder);
}

}  // namespace fqlab
