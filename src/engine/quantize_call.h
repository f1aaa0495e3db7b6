// The one call of llama_model_quantize. What it does to each tensor stands only in its log.
#pragma once

#include <llama.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// Calls it with `parameters` and gives `hear` each piece of its log; kEngine with its first error. Its file
/// always has tensor data aligned to 32 bytes, whatever the source has.
Result<void> call_quantizer(const GgufFile& source, const std::string& output,
                            llama_model_quantize_params parameters,
                            const std::function<void(std::string_view)>& hear);

/// The tensor whose turn it is from here on, where this piece of the log says so; else empty.
std::string_view announced_tensor(std::string_view piece);

/// The mix with that name in any case, llama-quantize's aliases ("Q4_K") included.
std::optional<llama_ftype> find_mix(std::string_view name);

/// The tensors that llama-quantize can quantize, in file order.
Result<std::vector<const TensorInfo*>> quantizable_tensors(const GgufFile& source);

}  // namespace fqlab
