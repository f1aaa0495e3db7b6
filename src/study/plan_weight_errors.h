// What every type does to the weights of every group of a plan, from a sample of their rows.
#pragma once

#include <vector>

#include "fqlab/result.h"
#include "study/plan_options.h"

namespace fqlab {

/// Relative mean squared error by group and option, weighted by the imatrix where it has an entry; 0 for what
/// stays as it is, and in groups of too few options to predict any (kLeastPredicted). Seconds for a hundred
/// million weights: kSampledRows rows of each tensor are quantized, for all types the same.
Result<std::vector<std::vector<double>>> plan_weight_errors(const PlanSpace& space, int threads);

}  // namespace fqlab
