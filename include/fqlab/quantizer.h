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

/// llama-quantize's mixes that quantize, "Q4_K_M" and the like, smallest bits first. Its aliases "Q3_K",
/// "Q4_K" and "Q5_K" are understood but not listed.
std::vector<std::string> stock_mixes();

/// The tensors of `file` that llama-quantize can quantize (norms, biases and small ones it leaves alone), in
/// file order, with the types that `mix` ("Q4_K_M", any case) gives them, fallbacks for rows that do not fit
/// a block included: a dry run of llama-quantize's own code, under a second. `with_imatrix`: some mixes
/// choose other types then. kUsage for a mix that llama.cpp does not have, with the nearest names.
Result<std::vector<TensorType>> stock_mix(const GgufFile& file, std::string_view mix, bool with_imatrix);

/// Whether llama.cpp refuses (or, worse, aborts) to quantize the tensor of this name to `type` without an
/// imatrix that has an entry for it.
bool needs_imatrix(std::string_view tensor, GgmlType type);

/// kUsage where a tensor is quantized already: another type would be made of what is left of it.
Result<void> check_not_quantized(const TensorInfo& tensor);

/// Metadata that write_quantized() sets besides the source's own: with it plan_rewrite() gives the exact size
/// of the file before it is made. `imatrix` is the file's path or empty; kInput where it cannot be read or is
/// of another model. As llama-quantize's keys, except that quantize.imatrix.file and .dataset keep only the
/// last name of a path, and that general.file_type is the mix named after the type of most values (here,
/// where the types are not known, any number).
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

/// llama_model_quantize with every tensor pinned, into a file without a name on the output's disk; then the
/// types that came out are compared with those asked for (kCheck), and its data go into a file that has the
/// source's order and alignment, metadata and a name. `progress`, which may be empty, is told the source
/// bytes of the tensors that are done, and of all. Returns the layout. Errors: kUsage for a tensor that the
/// file lacks, one that has no type, a type that does not fit its rows or needs an imatrix that is not given,
/// a tensor that is quantized already, an existing output; kInput for an imatrix of another model. A wrong
/// model can make llama.cpp abort: run this in a child process.
Result<GgufLayout> write_quantized(const GgufFile& source, const QuantizeRequest& request,
                                   const std::function<void(size_t done, size_t all)>& progress);

}  // namespace fqlab
