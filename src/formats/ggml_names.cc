#include "formats/ggml_names.h"

#include "base/text.h"

namespace fqlab {
namespace {

/// ggml's numbers run to 42 in v0.5.0; the table answers nullptr for removed ones.
constexpr uint32_t kTypesToAsk = 64;

/// q8_1 and q8_K are what ggml quantizes activations to inside its kernels: they never stand in a file.
bool is_quantizable(const GgmlTypeInfo& info) {
  const std::string name = lower_case(info.name);
  if (name == "q8_1" || name == "q8_k") return false;
  return info.quantized || info.type == GgmlType::kF16 || info.type == GgmlType::kBf16;
}

}  // namespace

std::vector<std::string> quantizable_ggml_names() {
  std::vector<std::string> names;
  for (uint32_t number = 0; number < kTypesToAsk; ++number)
    if (const GgmlTypeInfo* info = ggml_type_info(static_cast<GgmlType>(number));
        info && is_quantizable(*info))
      names.push_back(lower_case(info->name));
  return names;
}

const GgmlTypeInfo* quantizable_ggml_type(std::string_view name) {
  const GgmlTypeInfo* info = ggml_type_info(name);
  return info != nullptr && is_quantizable(*info) ? info : nullptr;
}

}  // namespace fqlab
