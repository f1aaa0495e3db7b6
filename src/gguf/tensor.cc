// Shapes and names of tensors.
#include <algorithm>
#include <charconv>

#include "fqlab/gguf.h"

namespace fqlab {

uint64_t TensorInfo::values() const {
  uint64_t product = 1;
  for (const uint64_t size : shape) product *= size;
  return product;
}

uint64_t TensorInfo::matrices() const {
  uint64_t product = 1;
  for (size_t i = 2; i < shape.size(); ++i) product *= shape[i];
  return product;
}

bool TensorInfo::is_matrix() const {
  return std::ranges::count_if(shape, [](uint64_t size) { return size > 1; }) > 1;
}

TensorName parse_tensor_name(std::string_view name) {
  constexpr std::string_view kBlock = "blk.", kWeight = ".weight";
  TensorName parsed;
  if (name.starts_with(kBlock)) {
    int layer = 0;
    const char* begin = name.data() + kBlock.size();
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(begin, end, layer);
    if (error == std::errc() && layer >= 0 && *begin != '-' && rest != end && *rest == '.') {
      parsed.layer = layer;
      name.remove_prefix(static_cast<size_t>(rest + 1 - name.data()));
    }
  }
  if (name.ends_with(kWeight)) name.remove_suffix(kWeight.size());
  parsed.kind = name;
  return parsed;
}

bool is_norm_kind(std::string_view kind) {
  constexpr std::string_view kNorm = "_norm";
  const size_t at = kind.rfind(kNorm);
  if (at == std::string_view::npos || kind.find('.') != std::string_view::npos)
    return false;  // a bias keeps its suffix
  const std::string_view rest = kind.substr(at + kNorm.size());
  return rest.empty() || rest.starts_with('_');
}

}  // namespace fqlab
