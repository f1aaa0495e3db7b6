// Which of ggml's types a format spec may name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fqlab/ggml_type.h"

namespace fqlab {

/// Lower-case names of the types that ggml can quantize to, in ggml's order.
std::vector<std::string> quantizable_ggml_names();
/// The type with that lower-case name, or nullptr where ggml has no quantizer for it.
const GgmlTypeInfo* quantizable_ggml_type(std::string_view name);

}  // namespace fqlab
