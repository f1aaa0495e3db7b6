// `fqlab plan`: measures what each tensor costs in each ggml type, solves for a budget of bytes, and refines
// the solution by measuring whole candidates. See docs/decisions/0008 and 0011.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/quantization_plan.h"
#include "fqlab/result.h"
#include "study/plan_options.h"
#include "study/sweep.h"

namespace fqlab {

struct PlanRequest {
  std::filesystem::path model, study;
  std::vector<CorpusSource> corpora;  ///< at least one; several take turns, chunk by chunk
  std::filesystem::path imatrix;      ///< empty: none
  std::string budget;                 ///< "105MB", "4.8bpw", "like:Q4_K_M" or "like:FILE.gguf"
  std::vector<GgmlType> types;        ///< empty: default_plan_types
  std::vector<TypePin> pins;
  Grouping grouping = Grouping::kTensor;
  int n_ctx = 256;
  int chunks = 2;             ///< on which every type of every group is measured
  int candidate_chunks = 32;  ///< on which candidates are measured
  /// Predicts the types that no plan within the errors would take, instead of measuring them.
  bool quick = false;
  int workers = 1;
  std::optional<uint64_t> limit_bytes;
  std::vector<std::string> command;
};

/// One assignment of types to all tensors, and what became of it.
struct PlanCandidate {
  std::string label;            ///< "sum of singles", "stock Q4_K_M"
  std::vector<GgmlType> types;  ///< parallel to the plan's tensors
  uint64_t file_bytes = 0;
  std::optional<double> raw_kl;  ///< singles and kinds added up, nats; absent where a type was not measured
  std::optional<double> measured_kl;  ///< nats
  std::optional<Interval> measured_interval;
  int chunks = 0;
};

struct PlanOutcome {
  SweepOutcome::State state = SweepOutcome::State::kFinished;
  QuantizationPlan plan;                      ///< of a finished search
  std::vector<PlanCandidate> candidates;      ///< the chosen one first, the others by measured KL
  double fall_per_megabyte = 0;               ///< predicted, of the next 10^6 bytes, nats
  size_t singles = 0, singles_predicted = 0;  ///< types of groups, and those of them that were not measured
  size_t singles_held_out = 0;                ///< measured, and predicted without themselves
  double single_log_error = 0;                ///< root mean square of ln(predicted / measured) over these
  size_t runs_now = 0, runs_before = 0;
  double seconds = 0, solving_seconds = 0;
};

/// A budget in bytes of the whole file. kUsage where the text is none of the forms.
Result<uint64_t> parse_budget(std::string_view text, const PlanSpace& space, bool with_imatrix);

/// ggml's types that plans choose from unless told otherwise: between 2.6 and 8.5 bits a weight, those that
/// every build of llama.cpp has kernels for, and the file's own types of 16 bits: a tensor may stay as it is.
std::vector<GgmlType> default_plan_types(const GgufFile& file);

/// Measures what the study lacks, and plans. Errors as a sweep's; kUsage for an impossible budget, with the
/// smallest possible size.
Result<PlanOutcome> search_plan(
    const PlanRequest& request,
    const std::function<void(const std::string& stage, const SweepProgress&)>& progress,
    const std::function<void(const std::string&)>& warn);

}  // namespace fqlab
