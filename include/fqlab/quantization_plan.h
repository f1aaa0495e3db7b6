// A plan: which ggml type each tensor of a model is to have, and what that is known to cost. A text file that
// people read, edit and diff.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/ggml_type.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"
#include "fqlab/stats.h"

namespace fqlab {

struct PlannedTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::optional<double> kl;   ///< of this tensor alone in this type, nats
  bool kl_predicted = false;  ///< not measured: between the types of this tensor that were
};

/// One point of the curve KL against size.
struct PlanPoint {
  uint64_t file_bytes = 0;
  double kl = 0;  ///< predicted mean KL divergence, nats
};

struct QuantizationPlan {
  std::string model;  ///< the path as given
  std::string model_sha256;
  std::string imatrix;  ///< the path as given; empty: none
  std::string imatrix_sha256;
  std::vector<std::string> corpora;  ///< the paths as given, of the texts that were planned on
  std::string budget;                ///< as asked, "105MB" or "like:Q4_K_M"
  uint64_t budget_bytes = 0;
  uint64_t file_bytes = 0;             ///< of the file that `fqlab build` makes
  std::optional<double> predicted_kl;  ///< nats, on the planning text
  std::optional<double> measured_kl;   ///< nats, on the planning text
  std::optional<Interval> measured_interval;
  int measured_chunks = 0;
  std::vector<PlannedTensor> tensors;  ///< every tensor that can be quantized, in file order
  std::vector<PlanPoint> frontier;     ///< by size
};

/// The text of a plan. What a person changes by hand are the lines "NAME = TYPE". Numbers have all the digits
/// that they need to be read back: round them before where fewer say it. NaN is left out.
std::string print_plan(const QuantizationPlan& plan);
/// Reads it back: parse_plan(print_plan(p)) gives p. kInput errors name the line, and the nearest names for
/// an unknown key or type. `where` is the file's name, for messages. Nothing is required: what a hand-written
/// plan leaves out is as in a new QuantizationPlan.
Result<QuantizationPlan> parse_plan(std::string_view text, const std::string& where);

/// llama-quantize's --tensor-type-file: one line a tensor, names as anchored regular expressions. It needs a
/// quantized type as llama-quantize's own argument (Q8_0), which then decides nothing.
std::string tensor_type_file(const QuantizationPlan& plan);

/// Refuses a plan that does not go with the file (kInput): another model (by hash, where the plan has one), a
/// tensor that is missing, named twice or not planned, a type that does not fit a row. `quantizable`: the
/// names of stock_mix(), all of which must be planned, and no others; where empty, that is not checked.
Result<void> check_plan(const QuantizationPlan& plan, const GgufFile& file, std::string_view file_sha256,
                        std::span<const std::string> quantizable = {});

/// Where a built file comes from: fqlab.version, fqlab.plan (the budget, and a hash of print_plan()) and
/// fqlab.source.sha256. Takes the same number of bytes for every plan with the same budget.
std::vector<GgufMetadata> plan_metadata(const QuantizationPlan& plan, std::string_view source_sha256);

/// Exact size of the file that `fqlab build` makes; `metadata` is quantization_metadata() followed by
/// plan_metadata(). kUsage for a tensor that the file lacks and a type that does not fit a row.
Result<uint64_t> built_file_bytes(const QuantizationPlan& plan, const GgufFile& source,
                                  std::vector<GgufMetadata> metadata);

}  // namespace fqlab
