// The map of a model: what each part of it costs in each number format. Pure data, filled by study/, shown by
// report/; every number can be recomputed from the means of the chunks that it keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab {

/// What a cell's trial changes.
enum class MapMode {
  kOnly,             ///< the group alone, all else original
  kExcept,           ///< every selected tensor but the group
  kCumulativeFront,  ///< the group holds layers first..k together
  kCumulativeBack,   ///< the group holds layers k..last together
  kAll,              ///< every selected tensor together
};
/// "only", "except", "cumulative_front", "cumulative_back", "all".
std::string_view name(MapMode mode);
std::optional<MapMode> parse_map_mode(std::string_view text);

enum class CellState {
  kMeasured,
  kFailed,       ///< `reason` says how
  kNotMeasured,  ///< asked for, but not run (yet)
  kPredicted,    ///< not run; `predicted_kl` stands for it
};
/// "measured", "failed", "not_measured", "predicted".
std::string_view name(CellState state);
std::optional<CellState> parse_cell_state(std::string_view text);

/// A set of tensors that are changed together.
struct MapGroup {
  std::string name;  ///< unique in the map: "blk.3.attn_q.weight", "3/attn_q", "layer 3", "layers 0-3", "all"
  std::string grouping;             ///< "tensor", "kind", "layer", "layer-kind", "cumulative" or "all"
  std::optional<int> layer;         ///< of a cumulative group: the layer added last
  std::optional<std::string> kind;  ///< absent where several kinds are in it
  std::string selector;             ///< selects it on a command line; empty where that cannot be said
  std::vector<std::string> tensors;
  uint64_t values = 0;
};

/// One trial on one chunk.
struct ChunkMean {
  int chunk = 0;
  int cluster = 0;         ///< its document where the corpus has documents, else the chunk
  uint64_t positions = 0;  ///< scored
  double kl = 0;           ///< mean over them, nats
};

/// One group in one format.
struct MapCell {
  size_t format = 0;  ///< index into SensitivityMap::formats
  size_t group = 0;   ///< index into SensitivityMap::groups
  MapMode mode = MapMode::kOnly;
  CellState state = CellState::kNotMeasured;
  std::string reason;  ///< of a failed one, in the engine's or the system's words

  std::optional<double> kl;  ///< mean KL divergence (original || changed) in nats, see estimate_cells();
                             ///< present where measured
  std::optional<Interval> kl_interval;
  // These four are of the measured chunks alone, also where kl is an estimate for all chunks.
  std::optional<double> log_ratio;  ///< ln(PPL changed / PPL original)
  std::optional<Interval> log_ratio_interval;
  std::optional<double> same_top;  ///< fraction of positions with the same most likely token
  std::optional<Interval> same_top_interval;
  std::optional<bool> resolved;  ///< told from the noise floor; absent where no floor was measured
  uint64_t values_changed = 0;
  std::vector<ChunkMean> chunks;  ///< those measured, ascending by chunk

  std::optional<double> predicted_kl;
  std::optional<Interval> predicted_interval;

  std::optional<double> rank;  ///< among the cells of its format and mode; 1 = largest KL
  std::optional<Interval> rank_interval;

  bool measured() const { return state == CellState::kMeasured && kl.has_value(); }
};

/// Do the single groups of a format add up to all of them together?
struct MapAdditivity {
  size_t format = 0;
  double joint_kl = 0;          ///< the cell of mode `all`, on the chunks counted here
  double sum_of_singles = 0;    ///< of the cells of mode `only`
  uint64_t groups = 0;          ///< in the sum
  uint64_t missing = 0;         ///< groups without a measured cell: the sum lacks them
  int chunks = 0;               ///< that joint and all singles have in common
  std::optional<double> ratio;  ///< sum over joint: 1 = no interactions; absent where the joint effect is 0
  std::optional<Interval> interval;
};

struct MapFloor {
  std::string change;  ///< key of a `change.` message: "ulp", "2^-23", "2^-18", "2^-13"
  int seeds = 0;
  double kl = 0;
  std::optional<Interval> interval;
};

/// What was measured, and on what.
struct MapStudy {
  std::string path;                                ///< of the study file; empty where there is none
  std::vector<std::string> command;                ///< of the last sweep
  std::vector<std::vector<std::string>> commands;  ///< of all sweeps, each once, in order
  /// Of the last sweep with cells that are not measured, and of the last with failed ones; empty where there
  /// is none.
  std::vector<std::string> open_command, failed_command;
  std::string created;  ///< ISO 8601, UTC
  std::string model_path, model_name, model_sha256, architecture;
  int layers = 0;
  std::string corpus_path, corpus_sha256;
  std::vector<std::string> corpora;  ///< what --corpus was given, "PATH" or "NAME=PATH"
  uint64_t corpus_bytes = 0;
  int corpus_documents = 0;
  int chunks = 0;  ///< the most that a cell got
  int n_ctx = 0;
  uint64_t positions_per_chunk = 0;  ///< scored
  std::string score;                 ///< "second-half" or "all"
  std::string arithmetic;            ///< "reference" or "native"
  std::string engine, version;
  std::optional<MapFloor> floor;
  uint64_t trials = 0, trials_failed = 0, tokens = 0;
  double seconds = 0;                 ///< of work, summed over all runs of the study
  std::vector<std::string> warnings;  ///< keys of `warning.` messages
};

struct SensitivityMap {
  MapStudy study;
  std::vector<std::string> formats;  ///< canonical format specs, in the order asked for
  std::vector<MapGroup> groups;
  std::vector<MapCell> cells;
  std::vector<MapAdditivity> additivity;
};

/// Gives cells that were measured on few chunks what the others' chunks say: `kl` becomes the mean over all
/// chunks that any cell of the format and mode has, the missing ones filled in by the chunks' effects
/// (plan/chunk_model.h), and `kl_interval` is made of the scatter that all these cells share and of the
/// chunks' effects: ln KL -+ t sqrt(scatter^2 / n + variance of the mean effect), Welch-Satterthwaite. Cells
/// with every chunk keep their own mean and clustered interval, and so do all where no scatter is known.
/// Blind spots: chunks count as independent, also of one document; one scatter for all cells, moved towards a
/// cell's own where it has several chunks.
void estimate_cells(SensitivityMap& map);

/// Ranks the measured cells of every format and mode that has no ranks yet, by their mean KL with the chunks'
/// effects taken out (plan/chunk_model.h), so that a cell is not ranked by which chunks it got. Equal means
/// share the mean of their ranks. The interval counts the cells that are certainly larger and certainly
/// smaller: a paired Student t interval of the difference of log KL on the chunks that both have excludes 0;
/// where fewer than four are common, with the scatter that all cells of the format share. Blind spot: pair by
/// pair 95 %, not for all pairs at once; with one chunk everywhere no scatter is known and no interval given.
void rank_cells(SensitivityMap& map);

/// The grouping with the most measured cells of a format and mode; empty where none is measured. What is
/// summed or counted over a map is taken of one grouping: tensors and their layers must not count twice.
std::string main_grouping(const SensitivityMap& map, size_t format, MapMode mode);

/// Fills `additivity` for each format without one, from the per-chunk means of its `all` cell and its `only`
/// cells of the main grouping; the interval is a clustered one of the ratio.
void add_up_cells(SensitivityMap& map);

}  // namespace fqlab
