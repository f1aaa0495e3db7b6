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

/// The texts that the plan was made on; absent where one of them cannot be read (any more).
std::optional<std::vector<Corpus>> planning_texts(const QuantizationPlan& plan);

/// Whether the texts have a document in common.
bool share_a_document(const Corpus& a, const Corpus& b);

}  // namespace fqlab
