// Real quantization: llama.cpp's own quantizer, and the types that its mixes give.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/ggml_type.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// The type in which one tensor is stored.
struct TensorType {
  std::string name;
  GgmlType type = GgmlType::kF32;
};

/// llama-quantize's mixes that quantize, "Q4_K_M" and the like, smallest bits first.
std::vector<std::string> stock_mixes();

/// The tensors of `file` that llama-quantize can quantize (norms, biases and small ones it leaves alone), in
/// file order, with the types that `mix` ("Q4_K_M", any case) gives them, fallbacks for rows that do not fit
/// a block included. `with_imatrix`: some mixes choose other types then. kUsage for a mix that llama.cpp does
/// not have, with the nearest names.
Result<std::vector<TensorType>> stock_mix(const GgufFile& file, std::string_view mix, bool with_imatrix);

/// Metadata that write_quantized() sets besides the source's own: with it plan_rewrite() gives the exact size
/// of the file before it is made. `imatrix` is the file's path or empty; kInput where it cannot be read.
Result<std::vector<GgufMetadata>> quantization_metadata(const GgufFile& source,
                                                        const std::filesystem::path& imatrix);

struct QuantizeRequest {
  std::vector<TensorType> types;       ///< of every tensor of stock_mix(); each is pinned
  std::filesystem::path imatrix;       ///< empty: none
  std::vector<GgufMetadata> metadata;  ///< besides quantization_metadata(): where the file comes from
  std::filesystem::path output;
  bool overwrite = false;
  int threads = 2;
};

/// llama_model_quantize with every tensor pinned, into a temporary file; then the types that came out are
/// compared with those asked for (kCheck), and the file gets its metadata and its name. Returns the layout.
/// Errors: kUsage for a tensor that the file lacks, a type that does not fit its rows or needs an imatrix
/// that is not given; kInput for an imatrix of another model.
Result<GgufLayout> write_quantized(const GgufFile& source, const QuantizeRequest& request,
                                   const std::function<void(size_t done, size_t all)>& progress);

}  // namespace fqlab
