// A plan that a command is given.
#pragma once

#include <string>

#include "fqlab/quantization_plan.h"
#include "fqlab/result.h"

namespace fqlab::cli {

/// The plan in a file. kSystem: it cannot be read; kInput: it is no text, or no plan.
Result<QuantizationPlan> read_plan_file(const std::string& path);

}  // namespace fqlab::cli
