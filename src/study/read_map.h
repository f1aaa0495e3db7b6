// The sensitivity map of a study: everything that its sweeps asked for and its trials gave.
#pragma once

#include <filesystem>

#include "fqlab/result.h"
#include "fqlab/sensitivity_map.h"
#include "study/study_store.h"

namespace fqlab {

/// Cells of all sweeps, each once; means over all chunks that the study holds, computed as compare does.
Result<SensitivityMap> read_map(StudyStore& store);
Result<SensitivityMap> read_map(const std::filesystem::path& study);

}  // namespace fqlab
