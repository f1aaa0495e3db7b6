#include "formats/ggml_names.h"

namespace fqlab {

std::vector<std::string> quantizable_ggml_names() { return {}; }
const GgmlTypeInfo* quantizable_ggml_type(std::string_view) { return nullptr; }

}  // namespace fqlab
