// Which file and which machine numbers belong to.
#pragma once

#include "fqlab/comparison.h"
#include "fqlab/gguf.h"

namespace fqlab {

/// Hashes the whole file.
Result<ModelIdentity> identify(const GgufFile& file);
Environment this_environment();

}  // namespace fqlab
