// What a plan says beside the file that was made by it, and whether it has seen a text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fqlab/quantization_plan.h"
#include "fqlab/verification.h"
#include "study/corpus.h"

namespace fqlab {

/// Message keys: "plan_other_model" where the plan was made for another original, "plan_other_types" where a
/// tensor of the file has another type than planned or is missing.
std::vector<std::string> plan_warnings(const QuantizationPlan& plan, const ModelIdentity& original,
                                       const GgufFile& output);

/// The documents that the plan was made on; absent where they cannot be read (any more).
std::optional<Corpus> planning_text(const QuantizationPlan& plan);

/// Whether the texts have a document in common.
bool share_a_document(const Corpus& a, const Corpus& b);

}  // namespace fqlab
