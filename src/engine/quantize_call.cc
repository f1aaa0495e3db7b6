#include "engine/quantize_call.h"

#include <array>
#include <cstring>

#include "engine/runtime.h"

namespace fqlab {

Result<void> call_quantizer(const GgufFile& source, const std::string& output,
                            llama_model_quantize_params parameters,
                            const std::function<void(std::string_view)>& hear) {
  start_engine();
  clear_engine_messages();
  // llama.cpp pads the data to 32 bytes and copies general.alignment all the same.
  std::array<llama_model_kv_override, 2> overrides{};  // the second one, without a key, ends the list
  std::strcpy(overrides[0].key, "general.alignment");
  overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
  overrides[0].val_i64 = 32;
  if (source.alignment() != 32) parameters.kv_overrides = overrides.data();
  const EngineListener listener(hear);
  if (llama_model_quantize(source.path().c_str(), output.c_str(), &parameters) != 0)
    return fail(ErrorCode::kEngine, "llama.cpp cannot quantize the model" + engine_said(),
                source.path().string(), "see whether llama-quantize of the same version takes the file");
  return {};
}

std::string_view announced_tensor(std::string_view piece) {
  // "[   3/ 272] blk.0.attn_k.weight                  - [   576,    192,      1,      1], type =    f16, "
  const size_t name = piece.find("] "), shape = piece.rfind(" - [");
  if (!piece.starts_with('[') || name == piece.npos || shape == piece.npos || name + 2 >= shape) return {};
  piece = piece.substr(name + 2, shape - name - 2);
  return piece.substr(0, piece.find_last_not_of(' ') + 1);
}

}  // namespace fqlab
