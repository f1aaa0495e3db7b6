#include "study/read_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <sstream>
#include <tuple>
#include <utility>

#include "study/chunk_passes.h"
#include "study/floor_rule.h"

namespace fqlab {
namespace {

/// Everything of a study in memory.
struct StudyContents {
  std::map<std::string, std::string> property;
  std::vector<int> cluster_of_chunk;
  std::map<int64_t, StoredTrial> trials;
  std::map<int64_t, MeasuredChunks> measured;
  std::map<int64_t, std::string> failures;
};

Result<StudyContents> read_contents(StudyStore& store) {
  StudyContents contents;
  const auto properties = store.properties();
  if (!properties) return tl::unexpected(properties.error());
  for (const StudyProperty& property : *properties) contents.property[property.name] = property.value;
  const auto chunks = store.chunks();
  if (!chunks) return tl::unexpected(chunks.error());
  for (const StudyChunk& chunk : *chunks) contents.cluster_of_chunk.push_back(chunk.cluster);
  const auto trials = store.trials();
  if (!trials) return tl::unexpected(trials.error());
  for (const StoredTrial& trial : *trials) contents.trials.emplace(trial.id, trial);
  const auto results = store.results();
  if (!results) return tl::unexpected(results.error());
  for (const StoredResult& result : *results)
    contents.measured[result.trial].emplace(result.chunk, result.measured);
  const auto failures = store.failures();
  if (!failures) return tl::unexpected(failures.error());
  for (const StoredFailure& failure : *failures) contents.failures.emplace(failure.trial, failure.reason);
  return contents;
}

uint64_t number_of(StudyContents& contents, const char* name) {
  const std::string& text = contents.property[name];
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<MeasuredChunks> measured_floors(StudyContents& contents, std::span<const int64_t> trials) {
  std::vector<MeasuredChunks> floors;
  for (const int64_t trial : trials)
    if (const auto found = contents.measured.find(trial); found != contents.measured.end())
      floors.push_back(found->second);
  return floors;
}

/// Told from round-off: from the floor of everything, which is above that of any part; else from its own.
std::optional<bool> is_resolved(StudyContents& contents, const StoredCell& cell,
                                std::span<const MeasuredChunks> joint) {
  const MeasuredChunks& effect = contents.measured[cell.trial];
  const std::optional<bool> from_joint = effect_is_resolved(effect, joint, contents.cluster_of_chunk);
  if (from_joint.value_or(false)) return true;
  const std::vector<MeasuredChunks> own = measured_floors(contents, cell.own_floors);
  const std::optional<bool> from_own = effect_is_resolved(effect, own, contents.cluster_of_chunk);
  return from_own ? from_own : from_joint;
}

void fill_measured(StudyContents& contents, const StoredCell& stored, std::span<const MeasuredChunks> joint,
                   MapCell& cell) {
  const MeasuredChunks& measured = contents.measured[stored.trial];
  cell.state = CellState::kMeasured;
  const std::vector<int> chunks = common_chunks(measured, {});
  const auto by_cluster = [&](const auto& value) {
    return sums_by_cluster(measured, contents.cluster_of_chunk, chunks, value);
  };
  const ClusteredMean kl = clustered_mean(kl_by_cluster(measured, contents.cluster_of_chunk, chunks));
  const ClusteredMean ratio =
      clustered_mean(by_cluster([](const PairedSums& sums) { return sums.nll_difference_nats; }));
  const Agreement same_top =
      agreement(by_cluster([](const PairedSums& sums) { return static_cast<double>(sums.same_top); }));
  cell.kl = kl.mean;
  cell.kl_interval = kl.interval;
  cell.log_ratio = ratio.mean;
  cell.log_ratio_interval = ratio.interval;
  cell.same_top = same_top.fraction;
  cell.same_top_interval = same_top.interval;
  if (const auto& change = contents.trials[stored.trial].change) cell.values_changed = change->changed;
  if (cell.values_changed > 0) cell.resolved = is_resolved(contents, stored, joint);
  for (const auto& [chunk, one] : measured)
    cell.chunks.push_back(
        {chunk, contents.cluster_of_chunk[static_cast<size_t>(chunk)], one.sums.n, one.kl_mean()});
}

MapMode mode_of(const std::string& mode) {
  return mode == "only"     ? MapMode::kOnly
         : mode == "except" ? MapMode::kExcept
         : mode == "front"  ? MapMode::kCumulativeFront
         : mode == "back"   ? MapMode::kCumulativeBack
                            : MapMode::kAll;
}

MapStudy describe(StudyContents& contents, const std::string& path) {
  MapStudy study;
  study.path = path;
  auto& property = contents.property;
  study.model_path = property["model"];
  study.model_name = std::filesystem::path(study.model_path).stem().string();
  study.model_sha256 = property["model_sha256"];
  study.architecture = property["architecture"];
  study.layers = static_cast<int>(number_of(contents, "layers"));
  study.corpus_path = property["corpus"];
  std::istringstream sources(property["corpora"]);
  for (std::string source; std::getline(sources, source);) study.corpora.push_back(source);
  if (study.corpora.empty()) study.corpora = {study.corpus_path};  // a study of an older version
  study.corpus_sha256 = property["corpus_sha256"];
  study.corpus_bytes = number_of(contents, "corpus_bytes");
  study.corpus_documents = static_cast<int>(number_of(contents, "corpus_documents"));
  study.n_ctx = static_cast<int>(number_of(contents, "tokens_per_chunk"));
  const uint64_t first = number_of(contents, "scored_positions");  // "256-510"
  study.score = first == static_cast<uint64_t>(second_half(study.n_ctx).first) ? "second-half" : "all";
  study.positions_per_chunk = static_cast<uint64_t>(study.n_ctx) - 1 - first;
  study.arithmetic = property["arithmetic"];
  study.engine = property["engine"];
  study.version = property["fqlab_version"];
  study.trials_failed = contents.failures.size();
  for (const auto& [trial, measured] : contents.measured) {
    ++study.trials;
    study.tokens += measured.size() * static_cast<uint64_t>(study.n_ctx);
  }
  return study;
}

std::optional<MapFloor> describe_floor(const StudyContents& contents, std::span<const MeasuredChunks> joint) {
  if (joint.empty()) return std::nullopt;
  std::vector<int> common = common_chunks(joint.front(), joint);
  if (common.empty()) return std::nullopt;
  std::vector<ClusterSum> mean;  // of the seeds
  for (const MeasuredChunks& seed : joint) {
    const std::vector<ClusterSum> sums = kl_by_cluster(seed, contents.cluster_of_chunk, common);
    mean.resize(sums.size());
    for (size_t g = 0; g < sums.size(); ++g) {
      mean[g].sum += sums[g].sum / static_cast<double>(joint.size());
      mean[g].n = sums[g].n;
    }
  }
  const ClusteredMean floor = clustered_mean(mean);
  return MapFloor{"ulp", static_cast<int>(joint.size()), floor.mean, floor.interval};
}

/// Puts groups and formats into the map, each once.
class MapBuilder {
 public:
  explicit MapBuilder(SensitivityMap& map) : map_(map) {}

  size_t format(const std::string& text) {
    const auto found = std::ranges::find(map_.formats, text);
    if (found != map_.formats.end()) return static_cast<size_t>(found - map_.formats.begin());
    map_.formats.push_back(text);
    return map_.formats.size() - 1;
  }

  size_t group(const StoredCell& cell) {
    std::string unique = cell.label;
    for (int copy = 2;; ++copy) {  // "all" of two selections; all layers from the front and from the back
      const auto found = std::ranges::find(map_.groups, unique, &MapGroup::name);
      if (found == map_.groups.end()) break;
      if (found->tensors == cell.tensors && found->layer == cell.layer)
        return static_cast<size_t>(found - map_.groups.begin());
      unique = fmt::format("{} ({})", cell.label, copy);
    }
    MapGroup group{unique, cell.grouping, cell.layer};
    if (!cell.kind.empty()) group.kind = cell.kind;
    group.selector = cell.selector;
    group.tensors = cell.tensors;
    group.values = cell.values;
    map_.groups.push_back(std::move(group));
    return map_.groups.size() - 1;
  }

  /// Where the cell is to stand: at the end, or in place of one with the same name that a later sweep
  /// measured anew, such as with another imatrix; null where that one is of the same trial.
  MapCell* place(MapCell cell, int64_t trial) {
    const auto [at, added] =
        cells_.try_emplace({cell.format, cell.group, cell.mode}, map_.cells.size(), trial);
    if (added) return &map_.cells.emplace_back(std::move(cell));
    if (std::exchange(at->second.second, trial) == trial) return nullptr;
    return &(map_.cells[at->second.first] = std::move(cell));
  }

 private:
  SensitivityMap& map_;
  std::map<std::tuple<size_t, size_t, MapMode>, std::pair<size_t, int64_t>> cells_;  // index and trial
};

/// By format: the trial that changes everything a sweep selected.
std::map<std::string, int64_t> joint_trials_of(std::span<const StoredCell> cells) {
  std::map<std::string, int64_t> trials;
  for (const StoredCell& cell : cells) trials.try_emplace(cell.format, -1);
  for (const StoredCell& cell : cells)
    if (cell.mode == "all") trials[cell.format] = cell.trial;
  return trials;
}

/// "Everything but the group" means another thing with every selection: by format, what the last sweep of
/// that kind changed. Cells of others would stand beside its own as if they were of the same.
std::map<std::string, int64_t> joint_of_last_except(std::span<const std::vector<StoredCell>> sweeps) {
  std::map<std::string, int64_t> last;
  for (const std::vector<StoredCell>& cells : sweeps) {
    const std::map<std::string, int64_t> joint = joint_trials_of(cells);
    for (const StoredCell& cell : cells)
      if (cell.mode == "except") last[cell.format] = joint.at(cell.format);
  }
  return last;
}

}  // namespace

Result<SensitivityMap> read_map(StudyStore& store) {
  Result<StudyContents> contents = read_contents(store);
  if (!contents) return tl::unexpected(contents.error());
  const auto sweeps = store.sweeps();
  if (!sweeps) return tl::unexpected(sweeps.error());
  SensitivityMap map;
  map.study = describe(*contents, store.path());
  const Result<double> seconds = store.measured_seconds();
  if (!seconds) return tl::unexpected(seconds.error());
  map.study.seconds = *seconds;
  MapBuilder builder(map);
  std::vector<std::vector<StoredCell>> cells_of_sweep;
  for (const StoredSweep& sweep : *sweeps) {
    auto cells = store.cells(sweep.id);
    if (!cells) return tl::unexpected(cells.error());
    cells_of_sweep.push_back(std::move(*cells));
  }
  const std::map<std::string, int64_t> last_except = joint_of_last_except(cells_of_sweep);
  for (size_t s = 0; s < sweeps->size(); ++s) {
    const StoredSweep& sweep = (*sweeps)[s];
    const std::vector<StoredCell>& cells = cells_of_sweep[s];
    const std::map<std::string, int64_t> joint_cells = joint_trials_of(cells);
    if (map.study.created.empty() || sweep.created < map.study.created) map.study.created = sweep.created;
    map.study.command = sweep.command;
    if (std::ranges::find(map.study.commands, sweep.command) == map.study.commands.end())
      map.study.commands.push_back(sweep.command);
    const auto joint_trials = store.joint_floors(sweep.id);
    if (!joint_trials) return tl::unexpected(joint_trials.error());
    const std::vector<MeasuredChunks> joint = measured_floors(*contents, *joint_trials);
    if (auto floor = describe_floor(*contents, joint)) map.study.floor = floor;
    for (const StoredCell& stored : cells) {
      if (stored.mode == "except" && joint_cells.at(stored.format) != last_except.at(stored.format)) continue;
      MapCell named;
      named.format = builder.format(stored.format);
      named.group = builder.group(stored);
      named.mode = mode_of(stored.mode);
      MapCell* placed = builder.place(std::move(named), stored.trial);
      if (placed == nullptr) continue;
      MapCell& cell = *placed;
      if (const auto failed = contents->failures.find(stored.trial); failed != contents->failures.end()) {
        cell.state = CellState::kFailed;
        map.study.failed_command = sweep.command;
        cell.reason = failed->second;
      } else if (contents->measured.contains(stored.trial)) {
        fill_measured(*contents, stored, joint, cell);
        map.study.chunks = std::max(map.study.chunks, static_cast<int>(cell.chunks.size()));
      } else {
        map.study.open_command = sweep.command;
      }
    }
  }
  std::set<int> clusters;
  for (const MapCell& cell : map.cells)
    for (const ChunkMean& chunk : cell.chunks) clusters.insert(chunk.cluster);
  if (static_cast<int>(clusters.size()) < kReliableClusters) map.study.warnings.push_back("few_chunks");
  estimate_cells(map);
  rank_cells(map);
  add_up_cells(map);
  return map;
}

Result<SensitivityMap> read_map(const std::filesystem::path& study) {
  Result<StudyStore> store = StudyStore::open(study);
  if (!store) return tl::unexpected(store.error());
  return read_map(*store);
}

}  // namespace fqlab
