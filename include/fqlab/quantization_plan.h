// A plan: which ggml type each tensor of a model is to have, and what that is known to cost. A text file that
// people read, edit and diff.
#pragma once

#include <cstdint>
#include <optional>
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
  std::optional<double> kl;  ///< measured of this tensor alone in this type, nats
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
  std::string corpus;  ///< the path as given, of the text that was planned on
  std::string budget;  ///< as asked, "105MB" or "like:Q4_K_M"
  uint64_t budget_bytes = 0;
  uint64_t file_bytes = 0;             ///< of the file that `fqlab build` makes
  std::optional<double> predicted_kl;  ///< nats, on the planning text
  std::optional<double> measured_kl;   ///< nats, on the planning text
  std::optional<Interval> measured_interval;
  int measured_chunks = 0;
  std::vector<PlannedTensor> tensors;  ///< every tensor that can be quantized, in file order
  std::vector<PlanPoint> frontier;     ///< by size
};

/// The text of a plan. What a person changes by hand are the lines "NAME = TYPE".
std::string print_plan(const QuantizationPlan& plan);
/// Reads it back: parse_plan(print_plan(p)) gives p. Errors name the line. `where` is the file's name, for
/// messages.
Result<QuantizationPlan> parse_plan(std::string_view text, const std::string& where);

/// llama-quantize's --tensor-type-file: one line a tensor, names as anchored regular expressions.
std::string tensor_type_file(const QuantizationPlan& plan);

/// Refuses a plan that does not go with the file: another model (hash), a tensor that is missing or not
/// planned, a type that does not fit a row.
Result<void> check_plan(const QuantizationPlan& plan, const GgufFile& file, std::string_view file_sha256);

}  // namespace fqlab
