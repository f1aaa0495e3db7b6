#include "report/map_findings.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "report/map_view.h"
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

std::string label_code(const SensitivityMap& map, const MapCell& cell) {
  return code(label_of(map.groups[cell.group]));
}

double sum_of(const std::vector<const MapCell*>& cells) {
  double sum = 0;
  for (const MapCell* cell : cells) sum += *cell->kl;
  return sum;
}

// The kinds whose cells sum to the most and to the least.
std::string kinds_sentence(const SensitivityMap& map, const std::vector<const MapCell*>& cells,
                           const Text& text) {
  std::map<std::string, double> sums;
  for (const MapCell* cell : cells)
    if (const MapGroup& group = map.groups[cell->group]; group.kind && group.layer)
      sums[*group.kind] += *cell->kl;
  if (sums.size() < 2) return "";
  const auto [least, most] =
      std::ranges::minmax_element(sums, {}, [](const auto& entry) { return entry.second; });
  return text("map.finding.kinds", {{"most", code(most->first)},
                                    {"kl", number(most->second, 2)},
                                    {"least", code(least->first)},
                                    {"small", number(least->second, 2)}});
}

std::string share_sentence(const std::vector<const MapCell*>& cells, const Text& text) {
  const double sum = sum_of(cells);
  const size_t few = std::max<size_t>(1, cells.size() / 20);
  if (cells.size() < 20 || !(sum > 0)) return "";
  const double part = sum_of({cells.begin(), cells.begin() + static_cast<long>(few)});
  return text("map.finding.share",
              {{"few", count(few)}, {"n", count(cells.size())}, {"share", margin_percent(part / sum)}});
}

// How sure the first place is.
std::string first_sentence(const MapCell& first, const Text& text) {
  if (!first.rank_interval) return "";
  const auto others = static_cast<uint64_t>(std::max(0.0, first.rank_interval->high - 1));
  if (others == 0) return text("map.finding.first_sure");
  return text.plural(others, "map.finding.first_open_one", "map.finding.first_open");
}

std::string additivity_sentence(const SensitivityMap& map, size_t format, const Text& text) {
  for (const MapAdditivity& sum : map.additivity)
    if (sum.format == format && sum.ratio)
      return text("map.finding.sum", {{"ratio", estimate(*sum.ratio, sum.interval)}});
  return "";
}

MapMode main_mode(const SensitivityMap& map) {
  const std::vector<MapMode> modes = single_modes(map);
  return modes.empty() ? MapMode::kOnly : modes.front();
}

std::vector<std::string> sweep_command(const SensitivityMap& map, const std::vector<std::string>& formats) {
  const MapStudy& study = map.study;
  std::string list;
  for (const std::string& format : formats) list += (list.empty() ? "" : ",") + format;
  std::vector<std::string> command = {"fqlab", "sweep",    study.model_path, "--formats",
                                      list,    "--corpus", study.corpus_path};
  if (study.n_ctx != 512) command.insert(command.end(), {"--ctx", std::to_string(study.n_ctx)});
  if (study.score == "all") command.insert(command.end(), {"--score", "all"});
  if (!study.path.empty()) command.insert(command.end(), {"--study", study.path});
  return command;
}

// Every kind that the map changed alone: "attn_q,attn_k,ffn_down".
std::string all_kinds(const SensitivityMap& map) {
  std::vector<std::string> kinds;
  for (const MapCell& cell : map.cells)
    if (const auto& kind = map.groups[cell.group].kind;
        kind && cell.mode == main_mode(map) && std::ranges::find(kinds, *kind) == kinds.end())
      kinds.push_back(*kind);
  std::string list;
  for (const std::string& kind : kinds) list += (list.empty() ? "" : ",") + kind;
  return list;
}

}  // namespace

std::string format_list(const SensitivityMap& map, const Text& text) {
  std::vector<std::string> formats;
  for (const std::string& format : map.formats) formats.push_back(code(format));
  return text.list(formats);
}

std::string group_count(const SensitivityMap& map, MapMode mode, size_t n, const Text& text) {
  const std::vector<std::string> kinds = groupings(map, mode);
  const std::string grouping = kinds.size() == 1 ? kinds.front() : "";
  const Key key = grouping == "tensor"  ? Key("unit.tensors")
                  : grouping == "layer" ? Key("map.unit.layers")
                  : grouping == "kind"  ? Key("map.unit.kinds")
                                        : Key("map.unit.groups");
  return text(key, {{"n", count(n)}});
}

std::string question(const SensitivityMap& map, const Text& text) {
  const MapStudy& study = map.study;
  const MapMode mode = main_mode(map);
  const size_t n = map.formats.empty() ? 0 : cells_of(map, 0, mode).size();
  return text(mode == MapMode::kOnly ? Key("map.asked_only") : Key("map.asked_except"),
              {{"model", code(study.model_name)},
               {"formats", format_list(map, text)},
               {"groups", group_count(map, mode, n, text)},
               {"chunks", text.plural(static_cast<uint64_t>(study.chunks), "unit.chunk", "unit.chunks")},
               {"n_ctx", count(static_cast<uint64_t>(study.n_ctx))},
               {"corpus", code(std::filesystem::path(study.corpus_path).filename().string())}});
}

std::string headline(const SensitivityMap& map, const Text& text) {
  constexpr size_t kNamed = 3;
  const MapMode mode = main_mode(map);
  std::map<size_t, std::pair<double, size_t>> ranks;  // group -> sum of ranks, formats
  size_t formats = 0;
  for (size_t format = 0; format < map.formats.size(); ++format) {
    const std::vector<const MapCell*> cells = ranked(map, format, mode);
    formats += cells.empty() ? 0 : 1;
    for (size_t i = 0; i < cells.size(); ++i) {
      auto& [sum, n] = ranks[cells[i]->group];
      sum += static_cast<double>(i);
      ++n;
    }
  }
  std::vector<std::pair<double, size_t>> order;
  for (const auto& [group, rank] : ranks)
    if (rank.second == formats) order.emplace_back(rank.first, group);
  std::ranges::sort(order);
  if (order.empty()) return "";
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(kNamed, order.size()); ++i)
    names.push_back(code(label_of(map.groups[order[i].second])));
  if (formats == 1) return text("map.headline_one", {{"names", text.list(names)}});
  return text("map.headline", {{"names", text.list(names)}, {"n", count(formats)}});
}

std::string findings(const SensitivityMap& map, size_t format, const Text& text) {
  const MapMode mode = main_mode(map);
  const std::vector<const MapCell*> cells = ranked(map, format, mode);
  if (cells.empty()) return "";
  const MapCell& first = *cells.front();
  const double median = *cells[cells.size() / 2]->kl;
  std::string sentence = text(
      "map.finding.first",
      {{"format", code(map.formats[format])}, {"name", label_code(map, first)}, {"kl", kl_estimate(first)}});
  if (cells.size() >= 5 && median > 0)
    sentence = text.sentences(sentence, text("map.finding.median", {{"times", number(*first.kl / median, 2)},
                                                                    {"median", number(median, 2)}}));
  for (const std::string& next :
       {first_sentence(first, text), share_sentence(cells, text), kinds_sentence(map, cells, text),
        mode == MapMode::kOnly ? additivity_sentence(map, format, text) : std::string()})
    sentence = text.sentences(sentence, next);
  return sentence;
}

std::vector<NextStep> next_steps(const SensitivityMap& map, const Text& text) {
  std::vector<NextStep> steps;
  const MapMode mode = main_mode(map);
  size_t missing = 0, failed = 0;
  for (const MapCell& cell : map.cells) {
    missing += cell.state == CellState::kNotMeasured;
    failed += cell.state == CellState::kFailed;
  }
  const auto add = [&](Key why, std::vector<std::string> command) {
    steps.push_back({text(why), shell_command(command)});
  };
  if (missing > 0 && !map.study.command.empty()) add("map.next.resume", map.study.command);
  if (failed > 0 && !map.study.command.empty()) {
    std::vector<std::string> command = map.study.command;
    command.push_back("--retry-failed");
    add("map.next.retry", command);
  }
  for (size_t format = 0; format < map.formats.size(); ++format) {
    const std::vector<const MapCell*> cells = ranked(map, format, mode);
    if (cells.size() < 4) continue;
    std::string keep = all_kinds(map).empty() ? "" : all_kinds(map) + "=" + map.formats[format];
    for (size_t i = 0; i < 3; ++i)
      if (const std::string& selector = map.groups[cells[i]->group].selector; !selector.empty())
        keep += ";" + selector + "=f32";
    if (!keep.empty() && keep.front() != ';')
      add("map.next.protect",
          {"fqlab", "compare", map.study.model_path, "--recipe", keep, "--corpus", map.study.corpus_path,
           "--chunks", std::to_string(map.study.chunks), "--out", "protected"});
    const bool open = cells.front()->rank_interval && cells.front()->rank_interval->high > 1;
    if (const std::string& selector = map.groups[cells.front()->group].selector; open && !selector.empty()) {
      std::vector<std::string> command = sweep_command(map, {map.formats[format]});
      command.insert(command.end(), {"--top", "10", "--chunks", std::to_string(4 * map.study.chunks)});
      add("map.next.more", command);
    }
    break;  // one format shows the way
  }
  const bool has_curve = std::ranges::any_of(map.cells, [](const MapCell& cell) {
    return cell.mode == MapMode::kCumulativeFront || cell.mode == MapMode::kCumulativeBack;
  });
  if (!has_curve && map.study.layers > 1) {
    std::vector<std::string> command = sweep_command(map, map.formats);
    command.insert(command.end(), {"--mode", "cumulative"});
    add("map.next.cumulative", command);
  }
  return steps;
}

}  // namespace fqlab::report
