#include "study/identity.h"

#include <set>

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
  std::set<std::string> kinds;
  for (const TensorInfo& tensor : file.tensors())
    if (const TensorName name = parse_tensor_name(tensor.name); name.layer) kinds.insert(name.kind);
  identity.kinds.assign(kinds.begin(), kinds.end());
  identity.layers = static_cast<int>(file.metadata_uint(file.architecture() + ".block_count").value_or(0));
  return identity;
}

Environment this_environment() {
  return {cpu_name(), cpu_isa(), hardware_threads(), memory_total_bytes(), operating_system(), compiler()};
}

}  // namespace fqlab
