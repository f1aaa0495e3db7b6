// map.json: writing and reading with one list of fields.
#include <map>

#include "fqlab/map_report.h"
#include "report/json_fields.h"

namespace fqlab {

// Found by argument-dependent lookup, so they stand beside their types.
template <class Archive>
void fields(Archive& archive, MapFloor& floor) {
  archive("change", floor.change);
  archive("seeds", floor.seeds);
  archive("kl", floor.kl);
  archive("interval", floor.interval);
}

template <class Archive>
void fields(Archive& archive, MapStudy& study) {
  archive("path", study.path);
  archive("command", study.command);
  archive("commands", study.commands);
  archive("open_command", study.open_command);
  archive("failed_command", study.failed_command);
  archive("created", study.created);
  archive("model_path", study.model_path);
  archive("model_name", study.model_name);
  archive("model_sha256", study.model_sha256);
  archive("architecture", study.architecture);
  archive("layers", study.layers);
  archive("corpus_path", study.corpus_path);
  archive("corpus_sha256", study.corpus_sha256);
  archive("corpora", study.corpora);
  archive("corpus_bytes", study.corpus_bytes);
  archive("corpus_documents", study.corpus_documents);
  archive("chunks", study.chunks);
  archive("n_ctx", study.n_ctx);
  archive("positions_per_chunk", study.positions_per_chunk);
  archive("score", study.score);
  archive("arithmetic", study.arithmetic);
  archive("engine", study.engine);
  archive("version", study.version);
  archive("floor", study.floor);
  archive("trials", study.trials);
  archive("trials_failed", study.trials_failed);
  archive("tokens", study.tokens);
  archive("seconds", study.seconds);
  archive("warnings", study.warnings);
}

template <class Archive>
void fields(Archive& archive, MapGroup& group) {
  archive("name", group.name);
  archive("grouping", group.grouping);
  archive("layer", group.layer);
  archive("kind", group.kind);
  archive("selector", group.selector);
  archive("values", group.values);
  archive("tensors", group.tensors);
}

template <class Archive>
void fields(Archive& archive, ChunkMean& chunk) {
  archive("chunk", chunk.chunk);
  archive("cluster", chunk.cluster);
  archive("positions", chunk.positions);
  archive("kl", chunk.kl);
}

namespace report {
namespace {

constexpr int kSchemaVersion = 1;
constexpr const char* kKind = "sensitivity_map";

// Cells name their format and group, so that a reader of the file needs no indices.
struct NamedCell {
  std::string format, group, mode, state;
  MapCell cell;
};
struct NamedAdditivity {
  std::string format;
  MapAdditivity sum;
};
struct Page {
  MapStudy study;
  std::vector<std::string> formats;
  std::vector<MapGroup> groups;
  std::vector<NamedCell> cells;
  std::vector<NamedAdditivity> additivity;
};

template <class Archive>
void fields(Archive& archive, NamedCell& named) {
  MapCell& cell = named.cell;
  archive("format", named.format);
  archive("group", named.group);
  archive("mode", named.mode);
  archive("state", named.state);
  archive("reason", cell.reason);
  archive("kl", cell.kl);
  archive("kl_interval", cell.kl_interval);
  archive("log_ratio", cell.log_ratio);
  archive("log_ratio_interval", cell.log_ratio_interval);
  archive("same_top", cell.same_top);
  archive("same_top_interval", cell.same_top_interval);
  archive("resolved", cell.resolved);
  archive("values_changed", cell.values_changed);
  archive("predicted_kl", cell.predicted_kl);
  archive("predicted_interval", cell.predicted_interval);
  archive("rank", cell.rank);
  archive("rank_interval", cell.rank_interval);
  archive("chunks", cell.chunks);
}

template <class Archive>
void fields(Archive& archive, NamedAdditivity& named) {
  MapAdditivity& sum = named.sum;
  archive("format", named.format);
  archive("joint_kl", sum.joint_kl);
  archive("sum_of_singles", sum.sum_of_singles);
  archive("groups", sum.groups);
  archive("missing", sum.missing);
  archive("chunks", sum.chunks);
  archive("ratio", sum.ratio);
  archive("interval", sum.interval);
}

template <class Archive>
void fields(Archive& archive, Page& page) {
  archive("study", page.study);
  archive("formats", page.formats);
  archive("groups", page.groups);
  archive("additivity", page.additivity);
  archive("cells", page.cells);
}

tl::unexpected<Error> no_map(std::string what, std::string where) {
  return fail(ErrorCode::kInput, std::move(what), std::move(where),
              "give the map.json of `fqlab report` or `fqlab show --json`");
}

Result<SensitivityMap> from_page(Page page) {
  SensitivityMap map{std::move(page.study), std::move(page.formats), std::move(page.groups), {}, {}};
  std::map<std::string, size_t> formats, groups;
  for (size_t i = 0; i < map.formats.size(); ++i) formats[map.formats[i]] = i;
  for (size_t i = 0; i < map.groups.size(); ++i) {
    constexpr int kMostLayers = 100'000;  // figures have a place for each
    if (const int layer = map.groups[i].layer.value_or(0); layer < 0 || layer > kMostLayers)
      return no_map("there is no such layer", "groups." + std::to_string(i) + ".layer");
    groups[map.groups[i].name] = i;
  }
  for (size_t i = 0; i < page.cells.size(); ++i) {
    NamedCell& named = page.cells[i];
    const std::string where = "cells." + std::to_string(i);
    const auto format = formats.find(named.format), group = groups.find(named.group);
    const auto mode = parse_map_mode(named.mode);
    const auto state = parse_cell_state(named.state);
    if (format == formats.end()) return no_map("the cell's format is not listed", where + ".format");
    if (group == groups.end()) return no_map("the cell's group is not listed", where + ".group");
    if (!mode) return no_map("unknown mode", where + ".mode");
    if (!state) return no_map("unknown state", where + ".state");
    MapCell& cell = map.cells.emplace_back(std::move(named.cell));
    cell.format = format->second;
    cell.group = group->second;
    cell.mode = *mode;
    cell.state = *state;
    if (cell.state == CellState::kPredicted && !cell.predicted_kl)
      return no_map("a predicted cell has no prediction", where + ".predicted_kl");
  }
  for (size_t i = 0; i < page.additivity.size(); ++i) {
    const auto format = formats.find(page.additivity[i].format);
    if (format == formats.end())
      return no_map("the format is not listed", "additivity." + std::to_string(i) + ".format");
    map.additivity.push_back(page.additivity[i].sum);
    map.additivity.back().format = format->second;
  }
  return map;
}

}  // namespace
}  // namespace report

std::string map_json(const SensitivityMap& map) {
  report::Page page{map.study, map.formats, map.groups, {}, {}};
  for (const MapCell& cell : map.cells)
    page.cells.push_back({map.formats[cell.format], map.groups[cell.group].name, std::string(name(cell.mode)),
                          std::string(name(cell.state)), cell});
  for (const MapAdditivity& sum : map.additivity) page.additivity.push_back({map.formats[sum.format], sum});
  nlohmann::ordered_json json = {{"schema_version", report::kSchemaVersion}, {"kind", report::kKind}};
  report::FieldWriter writer(json);
  report::fields(writer, page);
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

bool is_map_json(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  return json.is_object() && json.contains("kind") && json["kind"] == report::kKind;
}

Result<SensitivityMap> parse_map_json(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("kind") || json["kind"] != report::kKind)
    return report::no_map("this is no sensitivity map", "kind");
  if (!json.contains("schema_version") || json["schema_version"] != report::kSchemaVersion)
    return report::no_map("this version of fqlab does not read this schema_version", "schema_version");
  report::Page page;
  try {
    report::FieldReader reader(json);
    report::fields(reader, page);
  } catch (const nlohmann::json::exception& error) {
    return report::no_map(std::string("a value has the wrong type: ") + error.what(), "");
  }
  return report::from_page(std::move(page));
}

}  // namespace fqlab
