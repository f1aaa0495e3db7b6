#include "report/map_findings.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "fqlab/gguf.h"
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

struct KindSum {
  double kl = 0, weights = 0;

  void add(const MapCell& cell, const MapGroup& group) {
    kl += *cell.kl;
    weights += static_cast<double>(group.values);
  }
};

// The kind whose cells sum to the most, and the one that costs the most for its size.
std::string kinds_sentence(const SensitivityMap& map, const std::vector<const MapCell*>& cells,
                           const Text& text) {
  std::map<std::string, KindSum> sums;
  KindSum all;
  for (const MapCell* cell : cells)
    if (const MapGroup& group = map.groups[cell->group];
        group.kind && (group.grouping == "tensor" || group.grouping == "layer-kind")) {
      sums[*group.kind].add(*cell, group);
      all.add(*cell, group);
    }
  if (sums.size() < 2 || !(all.weights > 0)) return "";
  const auto most = std::ranges::max_element(sums, {}, [](const auto& entry) { return entry.second.kl; });
  const auto dear = std::ranges::max_element(
      sums, {}, [](const auto& entry) { return entry.second.kl / std::max(1.0, entry.second.weights); });
  const auto share = [&](const KindSum& sum) { return margin_percent(sum.weights / all.weights); };
  if (most == dear)
    return text(
        "map.finding.kind",
        {{"most", code(most->first)}, {"kl", number(most->second.kl, 2)}, {"share", share(most->second)}});
  return text("map.finding.kinds", {{"most", code(most->first)},
                                    {"kl", number(most->second.kl, 2)},
                                    {"share", share(most->second)},
                                    {"dear", code(dear->first)},
                                    {"small", number(dear->second.kl, 2)},
                                    {"part", share(dear->second)}});
}

std::string share_sentence(const std::vector<const MapCell*>& cells, const Text& text) {
  const double sum = sum_of(cells);
  const size_t few = std::max<size_t>(1, cells.size() / 20);
  if (cells.size() < 20 || !(sum > 0)) return "";
  const double part = sum_of({cells.begin(), cells.begin() + static_cast<long>(few)});
  return text("map.finding.share",
              {{"few", count(few)}, {"n", count(cells.size())}, {"share", margin_percent(part / sum)}});
}

// What the norms, small and many, add up to.
std::string norms_sentence(const SensitivityMap& map, const std::vector<const MapCell*>& cells,
                           const Text& text) {
  KindSum all, norms;
  uint64_t n = 0;
  for (const MapCell* cell : cells) {
    const MapGroup& group = map.groups[cell->group];
    if (group.grouping != "tensor" || !group.kind) return "";
    all.add(*cell, group);
    if (!is_norm_kind(*group.kind)) continue;
    norms.add(*cell, group);
    ++n;
  }
  if (n < 2 || n == cells.size() || !(all.kl > 0)) return "";
  return text("map.finding.norms", {{"n", count(n)},
                                    {"share", margin_percent(norms.kl / all.kl)},
                                    {"part", margin_percent(norms.weights / all.weights)}});
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
      return text(sum.missing > 0 ? Key("map.finding.sum_partial") : Key("map.finding.sum"),
                  {{"chunks", text.plural(static_cast<uint64_t>(sum.chunks), "unit.chunk", "unit.chunks")},
                   {"ratio", sum.interval ? estimate(*sum.ratio, sum.interval) : number(*sum.ratio, 2)},
                   {"n", count(sum.groups)},
                   {"all", count(sum.groups + sum.missing)}});
  return "";
}

MapMode main_mode(const SensitivityMap& map) {
  const std::vector<MapMode> modes = single_modes(map);
  return modes.empty() ? MapMode::kOnly : modes.front();
}

// Of "--option value" or "--option=value".
std::optional<std::string> option_value(const std::vector<std::string>& command, const std::string& option) {
  for (size_t i = 0; i < command.size(); ++i) {
    if (command[i] == option && i + 1 < command.size()) return command[i + 1];
    if (command[i].starts_with(option + "=")) return command[i].substr(option.size() + 1);
  }
  return std::nullopt;
}

// The study's text, cut into the same chunks; commands have different lengths of their own.
void add_text(std::vector<std::string>& command, const MapStudy& study) {
  for (const std::string& corpus : study.corpora) command.insert(command.end(), {"--corpus", corpus});
  command.insert(command.end(), {"--ctx", std::to_string(study.n_ctx)});
}

// The same map, for these formats; what is asked of it comes after.
std::vector<std::string> sweep_command(const SensitivityMap& map, const std::vector<std::string>& formats) {
  const MapStudy& study = map.study;
  std::string list;
  for (const std::string& format : formats) list += (list.empty() ? "" : ",") + format;
  std::vector<std::string> command = {"fqlab", "sweep", study.model_path, "--formats", list};
  add_text(command, study);
  if (study.score == "all") command.insert(command.end(), {"--score", "all"});
  if (!study.path.empty()) command.insert(command.end(), {"--study", study.path});
  for (const char* option : {"--select", "--workers"})
    if (const auto value = option_value(study.command, option))
      command.insert(command.end(), {option, *value});
  return command;
}

// Every kind that the map changed alone to the format: "attn_q,attn_k,ffn_down". Others may not fit it.
std::string measured_kinds(const SensitivityMap& map, size_t format) {
  std::vector<std::string> kinds;
  for (const MapCell* cell : cells_of(map, format, main_mode(map)))
    if (const auto& kind = map.groups[cell->group].kind;
        kind && cell->measured() && std::ranges::find(kinds, *kind) == kinds.end())
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

namespace {

std::string how_changed(const SensitivityMap& map, const Text& text) {
  const size_t fake = fake_formats(map).size();
  return text(fake == map.formats.size() ? Key("map.how_fake")
              : fake == 0                ? Key("map.how_real")
                                         : Key("map.how_both"));
}

}  // namespace

std::string question(const SensitivityMap& map, const Text& text) {
  const MapStudy& study = map.study;
  const MapMode mode = main_mode(map);
  size_t n = 0;
  for (size_t format = 0; format < map.formats.size(); ++format)
    n = std::max(n, cells_of(map, format, mode).size());
  return text(mode == MapMode::kOnly ? Key("map.asked_only") : Key("map.asked_except"),
              {{"model", code(study.model_name)},
               {"how", how_changed(map, text)},
               {"formats", format_list(map, text)},
               {"groups", group_count(map, mode, n, text)},
               {"chunks", text.plural(static_cast<uint64_t>(study.chunks), "unit.chunk", "unit.chunks")},
               {"n_ctx", count(static_cast<uint64_t>(study.n_ctx))},
               {"corpus", code(file_name_of(study.corpus_path))}});
}

std::string headline(const SensitivityMap& map, const Text& text) {
  constexpr size_t kNamed = 3, kHigh = 10;
  const MapMode mode = main_mode(map);
  std::string sentences;
  std::map<size_t, size_t> high_in;  // group -> formats that have it among the first
  size_t formats = 0, smallest = 0;
  for (size_t format = 0; format < map.formats.size(); ++format) {
    const std::vector<const MapCell*> cells = by_need(map, format, mode);
    if (cells.empty()) continue;
    ++formats;
    smallest = smallest == 0 ? cells.size() : std::min(smallest, cells.size());
    std::vector<std::string> names;
    for (size_t i = 0; i < std::min(kHigh, cells.size()); ++i) {
      if (i < kNamed) names.push_back(label_code(map, *cells[i]));
      ++high_in[cells[i]->group];
    }
    const Key key = mode == MapMode::kExcept ? Key("map.headline_except") : Key("map.headline");
    sentences = text.sentences(
        sentences, text(key, {{"format", code(map.formats[format])}, {"names", text.list(names)}}));
  }
  if (formats == 0) return "";
  sentences = "**" + sentences + "**";
  // The blank lets Markdown end the bold part after a full stop of Chinese.
  if (mode == MapMode::kOnly) sentences += " " + text("map.headline_cost");
  if (formats < 2 || formats < map.formats.size() || smallest < 2 * kHigh) return sentences;
  std::vector<std::string> common;
  for (const auto& [group, n] : high_in)
    if (n == formats) common.push_back(code(label_of(map.groups[group])));
  if (common.empty()) return sentences;
  return sentences + " " +
         text("map.headline_common", {{"high", count(kHigh)}, {"names", text.list(common)}});
}

std::string text_per_cell(const SensitivityMap& map, const Text& text) {
  const std::map<size_t, uint64_t> cells = cells_by_chunks(map);
  if (cells.size() < 2) return "";
  uint64_t one = 0, few = 0, more = 0;
  for (const auto& [chunks, n] : cells) (chunks < 2 ? one : chunks < 4 ? few : more) += n;
  const std::string amount = text("map.text_per_cell", {{"n", count(one + few + more)},
                                                        {"one", count(one)},
                                                        {"positions", count(map.study.positions_per_chunk)},
                                                        {"few", count(few)},
                                                        {"more", count(more)}});
  // A plan measures no more than it needs.
  return fake_formats(map).empty() ? amount : text.sentences(amount, text("map.every_chunk"));
}

std::string findings(const SensitivityMap& map, size_t format, const Text& text) {
  const MapMode mode = main_mode(map);
  const std::vector<const MapCell*> cells = ranked_of_main_grouping(map, format, mode);
  if (cells.empty()) return "";
  const std::string form = code(map.formats[format]);
  const std::vector<const MapCell*> needy = by_need(map, format, mode);
  if (needy.empty()) return text("map.finding.none", {{"format", form}});
  const MapCell& first = *needy.front();
  const std::string name = label_code(map, first), kl = kl_estimate(first);
  if (mode == MapMode::kExcept)
    return text("map.finding.first_except", {{"format", form}, {"name", name}, {"kl", kl}});
  std::vector<double> values;
  values.reserve(cells.size());
  for (const MapCell* cell : cells) values.push_back(*cell->kl);
  const double median = quantile(values, 0.5);
  const Key largest =
      needy.front() == cells.front() ? Key("map.finding.first") : Key("map.finding.first_told");
  std::string sentence = text(largest, {{"format", form}, {"name", name}, {"kl", kl}});
  if (cells.size() >= 5 && median > 0)
    sentence = text.sentences(sentence, text("map.finding.median", {{"times", number(*first.kl / median, 2)},
                                                                    {"median", number(median, 2)}}));
  for (const std::string& next :
       {first_sentence(first, text), share_sentence(cells, text), kinds_sentence(map, cells, text),
        norms_sentence(map, cells, text), additivity_sentence(map, format, text)})
    sentence = text.sentences(sentence, next);
  return sentence;
}

constexpr size_t kLargest = 10;  // parts that a race is proposed for

// Whether another might belong among the largest.
bool largest_are_open(const std::vector<const MapCell*>& cells) {
  if (cells.size() <= kLargest) return false;
  return std::any_of(cells.begin(), cells.begin() + kLargest, [](const MapCell* cell) {
    return cell->rank_interval && cell->rank_interval->high > double{kLargest};
  });
}

std::vector<NextStep> next_steps(const SensitivityMap& map, const Text& text) {
  std::vector<NextStep> steps;
  const MapMode mode = main_mode(map);
  size_t missing = 0, failed = 0;
  for (const MapCell& cell : map.cells) {
    missing += cell.state == CellState::kNotMeasured;
    failed += cell.state == CellState::kFailed;
  }
  const auto add = [&](Key why, const std::vector<std::string>& command, const std::string& format = "") {
    steps.push_back({text(why, {{"format", code(format)}}), shell_command(command)});
  };
  const auto of_sweep =
      [&](const std::vector<std::string>& command) {  // maps of earlier versions know the last only
        return command.empty() ? map.study.command : command;
      };
  if (const auto command = of_sweep(map.study.open_command); missing > 0 && !command.empty())
    add("map.next.resume", command);
  if (std::vector<std::string> command = of_sweep(map.study.failed_command);
      failed > 0 && command.size() > 1 && command[1] == "sweep") {
    command.push_back("--retry-failed");
    add("map.next.retry", command);
  }
  for (size_t format = 0; format < map.formats.size(); ++format) {
    const std::vector<const MapCell*> cells = by_need(map, format, mode);
    if (cells.size() < 4 || is_real_type(map.formats[format])) continue;
    const std::string kinds = measured_kinds(map, format);
    std::string keep = kinds.empty() ? "" : kinds + "=" + map.formats[format];
    for (size_t i = 0; i < 3; ++i)
      if (const std::string& selector = map.groups[cells[i]->group].selector; !selector.empty())
        keep += ";" + selector + "=f32";
    if (!keep.empty() && keep.front() != ';') {
      std::vector<std::string> command = {"fqlab", "compare", map.study.model_path, "--recipe", keep};
      add_text(command, map.study);
      const int texts = std::max(1, static_cast<int>(map.study.corpora.size()));  // --chunks counts each
      command.insert(command.end(), {"--chunks", std::to_string((map.study.chunks + texts - 1) / texts),
                                     "--out", "protected"});
      add("map.next.protect", command, map.formats[format]);
    }
    if (mode == MapMode::kOnly && largest_are_open(cells)) {
      std::vector<std::string> command = sweep_command(map, {map.formats[format]});
      if (const auto grouping = option_value(map.study.command, "--group"))
        command.insert(command.end(), {"--group", *grouping});
      command.insert(command.end(),
                     {"--top", std::to_string(kLargest), "--chunks", std::to_string(map.study.chunks)});
      add("map.next.more", command, map.formats[format]);
    }
    break;  // one format shows the way
  }
  const bool has_curve = std::ranges::any_of(map.cells, [](const MapCell& cell) {
    return cell.mode == MapMode::kCumulativeFront || cell.mode == MapMode::kCumulativeBack;
  });
  const std::vector<std::string> fake = fake_formats(map);
  if (!has_curve && map.study.layers > 1 && !fake.empty()) {
    std::vector<std::string> command = sweep_command(map, fake);
    // A curve over the layers has use for kinds, not for single layers.
    if (const auto select = std::ranges::find(command, "--select");
        select != command.end() && (select + 1)->find('/') != std::string::npos)
      command.erase(select, select + 2);
    command.insert(command.end(), {"--mode", "cumulative"});
    add("map.next.cumulative", command);
  }
  if (!fake.empty() && !cells_of(map, 0, mode).empty() && !map.study.corpus_path.empty()) {
    std::vector<std::string> command = {"fqlab", "plan", "ORIGINAL.gguf", "--budget", "like:Q4_K_M"};
    add_text(command, map.study);
    command.insert(command.end(), {"-o", "model.plan"});
    add("map.next.plan", command);
  }
  return steps;
}

}  // namespace fqlab::report
