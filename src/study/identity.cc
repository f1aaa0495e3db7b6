#include "study/identity.h"

#include "base/hash.h"
#include "base/system.h"

namespace fqlab {

Result<ModelIdentity> identify(const GgufFile& file) {
  Result<std::string> hash = sha256_of_file(file.path());
  if (!hash) return tl::unexpected(hash.error());
  ModelIdentity identity{.path = file.path().string(),
                         .sha256 = *hash,
                         .architecture = file.architecture(),
                         .parameters = file.parameters(),
                         .bytes = file.file_bytes()};
  identity.layers = static_cast<int>(file.metadata_uint(file.architecture() + ".block_count").value_or(0));
  return identity;
}

Environment this_environment() {
  return {cpu_name(), cpu_isa(), hardware_threads(), memory_total_bytes(), operating_system(), compiler()};
}

}  // namespace fqlab
