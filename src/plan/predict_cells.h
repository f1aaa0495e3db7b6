// Predictions put into a map: for formats that were not measured, and beside what was, so that a reader sees
// how far to trust them.
#pragma once

#include <vector>

#include "fqlab/sensitivity_map.h"
#include "fqlab/weight_damage.h"
#include "plan/prediction.h"

namespace fqlab {

/// Gives every group that the map measured alone a cell in every format of `damage`: predicted where it was
/// not measured and predict_damage() can say something, left out where it cannot. Measured cells get
/// `predicted_kl` too, made without what it is compared with: without the whole format where the map has all
/// of it, as for a format that was not measured; else without that cell. `damage` must hold the tensors of
/// the groups, under the map's formats and those to predict; its importance, where it has one, weighs the
/// errors. Returns how good the predictions of each predicted format are.
std::vector<FormatPrediction> predict_cells(SensitivityMap& map, const WeightDamage& damage);

}  // namespace fqlab
