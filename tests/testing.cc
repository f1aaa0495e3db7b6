#include "testing.h"

namespace fqlab::testing {

std::filesystem::path source_folder() { return FQLAB_SOURCE_DIR; }
std::filesystem::path program() { return FQLAB_BINARY; }

}  // namespace fqlab::testing
