// From what a person asks for to the list of cells and trials. Pure: reads the file's tensor list only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/recipe.h"
#include "fqlab/result.h"
#include "fqlab/weight_damage.h"
#include "study/trial.h"

namespace fqlab {

enum class Grouping { kTensor, kKind, kLayer, kLayerKind };
enum class SweepMode { kOnly, kExcept, kCumulative };

std::string_view name(Grouping grouping);  ///< "tensor", "kind", "layer", "layer-kind"
std::string_view name(SweepMode mode);     ///< "only", "except", "cumulative"
Result<Grouping> parse_grouping(std::string_view text);
Result<SweepMode> parse_sweep_mode(std::string_view text);

/// Tensors that are changed together.
struct TensorGroup {
  std::string label;  ///< as SweepCell's
  std::optional<int> layer;
  std::string kind;  ///< empty where the group has several
  std::vector<size_t> tensors;
};
/// In order of first appearance in `selected` (indices into `tensors`).
std::vector<TensorGroup> group_tensors(std::span<const size_t> selected, std::span<const TensorInfo> tensors,
                                       Grouping grouping);

/// Why a format cannot hold a tensor: its rows, or what the imatrix (or nullptr) says of it.
Result<void> check_fit(const TensorInfo& tensor, const FormatSpec& format, const ImportanceMatrix* matrix);

/// A trial with real types that is asked for as it is, instead of by selecting.
struct RealTrial {
  std::string label;
  size_t format = 0;  ///< of a single group: index into the selection's formats
  bool mix = false;   ///< several types together: measured on every chunk, and no cell of a map
  std::vector<TensorChange> changes;
};

/// What is to be mapped.
struct SweepSelection {
  std::vector<FormatSpec> formats;
  std::vector<RealTrial> real;     ///< instead of all that follows
  std::optional<Selector> select;  ///< absent: all matrices and all norms
  Grouping grouping = Grouping::kTensor;
  SweepMode mode = SweepMode::kOnly;
  uint64_t seed = 1;  ///< of the noise floors
};

/// One cell of the map: one group of tensors in one format, in one mode.
struct SweepCell {
  size_t format = 0;  ///< index into the selection's formats
  std::string mode;   ///< "only", "except", "front", "back", "all", "mix"
  std::string label;  ///< "blk.3.attn_q.weight", "attn_q", "layer 3", "3/attn_q", "layers 0-3", "all"
  std::optional<int> layer;
  std::string kind;                ///< empty where a group has several
  std::vector<size_t> tensors;     ///< of the group; with "except" those left as they are
  std::string selector;            ///< of the group, for a command line; empty where there is none
  size_t trial = 0;                ///< index into the plan's trials
  std::vector<size_t> own_floors;  ///< trials; of "only" cells
};

struct SweepPlan {
  std::vector<TrialSpec> trials;  ///< without duplicates
  std::vector<std::string> keys;  ///< of the trials
  std::vector<SweepCell> cells;   ///< format by format; "all" first in each
  std::vector<size_t>
      joint_floors;  ///< trials: all selected tensors with noise that means nothing, one a seed
  std::vector<std::string> warnings;
};

/// kUsage where the selector matches nothing, a format fits none of the tensors, or the mode does not go with
/// the grouping. Tensors that a format does not fit (gguf: types and their rows) are left out of that format,
/// with a warning.
Result<SweepPlan> plan_sweep(const GgufFile& file, const SweepSelection& selection,
                             std::string_view study_identity);

}  // namespace fqlab
