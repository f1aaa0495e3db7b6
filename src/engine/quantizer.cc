// One file through llama_model_quantize, every tensor pinned: its own mixes count tensors, and an override of
// one changes others.
#include "fqlab/quantizer.h"

#include <fmt/format.h>
#include <ggml.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/scratch_file.h"
#include "base/system.h"
#include "engine/imatrix_values.h"
#include "engine/quantize_call.h"
#include "formats/ggml_names.h"
#include "gguf/names.h"

namespace fqlab {
namespace {

namespace fs = std::filesystem;

/// Overrides are ignored unless the base type is a quantized one. Pinned everywhere, it decides nothing else.
constexpr llama_ftype kBaseMix = LLAMA_FTYPE_MOSTLY_Q8_0;

std::string name_of(GgmlType type) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  return info != nullptr ? std::string(info->name) : fmt::format("type {}", static_cast<uint32_t>(type));
}

Result<void> check_type(const TensorInfo& tensor, GgmlType type, const ImatrixValues& imatrix) {
  if (tensor.type == type) return {};
  if (type != GgmlType::kF32 && quantizable_ggml_type(name_of(type)) == nullptr)
    return fail(ErrorCode::kUsage, fmt::format("llama.cpp cannot quantize to {}", name_of(type)), tensor.name,
                fmt::format("it can to f32, {}", fmt::join(quantizable_ggml_names(), ", ")));
  if (Result<void> whole = check_not_quantized(tensor); !whole) return whole;
  if (needs_imatrix(tensor.name, type) && !imatrix.contains(tensor.name))
    return fail(ErrorCode::kUsage,
                fmt::format("{} needs an imatrix with an entry for this tensor", name_of(type)), tensor.name,
                "give an imatrix that has one, or take another type");
  return {};
}

Result<void> check_request(const GgufFile& source, const std::vector<TensorType>& types,
                           const ImatrixValues& imatrix) {
  const auto quantizable = quantizable_tensors(source);
  if (!quantizable) return tl::unexpected(quantizable.error());
  std::set<std::string_view> left;
  for (const TensorInfo* tensor : *quantizable) left.insert(tensor->name);
  for (const TensorType& wanted : types) {
    if (left.erase(wanted.name) == 0)
      return fail(ErrorCode::kUsage, "llama.cpp does not quantize this tensor", wanted.name, "leave it out");
    if (Result<void> possible = check_type(*source.find_tensor(wanted.name), wanted.type, imatrix); !possible)
      return possible;
  }
  if (!left.empty())
    return fail(ErrorCode::kUsage, fmt::format("{} tensors have no type, the first is", left.size()),
                std::string(*left.begin()), "give one to every tensor that llama.cpp can quantize");
  return {};
}

Result<void> check_room(const fs::path& folder, uint64_t bytes) {
  std::error_code unknown;
  const fs::space_info space = fs::space(folder, unknown);
  if (unknown || space.available / 2 >= bytes) return {};
  return fail(ErrorCode::kSystem,
              fmt::format("the disk has {} left; while the file is made it takes {}",
                          human_bytes(space.available), human_bytes(2 * bytes)),
              folder.string(), "free some space, or choose another disk");
}

/// The mix that is named after a type.
llama_ftype mix_of(GgmlType type) {
  switch (static_cast<ggml_type>(type)) {
    case GGML_TYPE_F32:
      return LLAMA_FTYPE_ALL_F32;
    case GGML_TYPE_F16:
      return LLAMA_FTYPE_MOSTLY_F16;
    case GGML_TYPE_BF16:
      return LLAMA_FTYPE_MOSTLY_BF16;
    case GGML_TYPE_MXFP4:
      return LLAMA_FTYPE_MOSTLY_MXFP4_MOE;
    default:
      return find_mix(name_of(type)).value_or(kBaseMix);
  }
}

/// general.file_type: the mix that is named after the type of most values. llama.cpp only shows it.
GgufMetadata file_type(const GgufFile& source, const std::vector<TensorType>& types) {
  std::map<GgmlType, uint64_t> values;
  for (const TensorType& each : types)
    if (const TensorInfo* tensor = source.find_tensor(each.name)) values[each.type] += tensor->values();
  const auto most = std::ranges::max_element(values, {}, [](const auto& entry) { return entry.second; });
  return {"general.file_type", static_cast<uint32_t>(most == values.end() ? kBaseMix : mix_of(most->first))};
}

/// Everything of the new file but its data.
GgufRewrite describe_output(const GgufFile& source, const QuantizeRequest& request,
                            std::vector<GgufMetadata> metadata) {
  GgufRewrite rewrite;
  rewrite.set_metadata = std::move(metadata);
  rewrite.set_metadata.push_back(file_type(source, request.types));  // the last one counts
  rewrite.set_metadata.insert(rewrite.set_metadata.end(), request.metadata.begin(), request.metadata.end());
  for (const TensorType& wanted : request.types)
    rewrite.replacements.push_back({wanted.name, wanted.type, {}});
  return rewrite;
}

/// Source bytes of the tensors that are done, from the log.
class ByteCount {
 public:
  ByteCount(const GgufFile& source, const std::function<void(size_t, size_t)>& progress)
      : source_(source), progress_(progress) {
    for (const TensorInfo& tensor : source.tensors()) all_ += tensor.bytes;
  }
  void hear(std::string_view piece) {
    const std::string_view name = announced_tensor(piece);
    if (name.empty()) return;
    next(source_.find_tensor(name));
  }
  void next(const TensorInfo* tensor) {
    if (current_ != nullptr) done_ += current_->bytes;
    current_ = tensor;
    if (progress_) progress_(done_, all_);
  }

 private:
  const GgufFile& source_;
  const std::function<void(size_t, size_t)>& progress_;
  const TensorInfo* current_ = nullptr;
  size_t done_ = 0, all_ = 0;
};

Result<void> quantize_into(const std::string& path, const GgufFile& source, const QuantizeRequest& request,
                           const ImatrixValues& imatrix,
                           const std::function<void(size_t, size_t)>& progress) {
  std::vector<std::string> patterns;
  patterns.reserve(request.types.size());  // the pins point into it
  std::vector<llama_model_tensor_override> pins;
  for (const TensorType& wanted : request.types) {
    patterns.push_back(exact_pattern(wanted.name));
    pins.push_back({patterns.back().c_str(), static_cast<ggml_type>(wanted.type)});
  }
  pins.push_back({nullptr, GGML_TYPE_COUNT});
  std::vector<llama_model_imatrix_data> importance;
  for (const auto& [name, values] : imatrix)
    importance.push_back({name.c_str(), values.data(), values.size()});
  importance.push_back({nullptr, nullptr, 0});

  llama_model_quantize_params parameters = llama_model_quantize_default_params();
  parameters.ftype = kBaseMix;
  parameters.nthread = std::max(request.threads, 1);
  parameters.tt_overrides = pins.data();
  if (!imatrix.empty()) parameters.imatrix = importance.data();
  ByteCount count(source, progress);
  Result<void> called =
      call_quantizer(source, path, parameters, [&](std::string_view piece) { count.hear(piece); });
  if (called) count.next(nullptr);
  return called;
}

Result<void> check_made(const GgufFile& made, const GgufLayout& wanted) {
  for (const TensorInfo& tensor : wanted.tensors) {
    const TensorInfo* found = made.find_tensor(tensor.name);
    if (found != nullptr && found->type == tensor.type && found->bytes == tensor.bytes) continue;
    return fail(ErrorCode::kCheck,
                fmt::format("llama.cpp made {} of a tensor that is to be {}",
                            found != nullptr ? name_of(found->type) : "nothing", name_of(tensor.type)),
                tensor.name, "this fqlab goes with another version of llama.cpp");
  }
  return {};
}

}  // namespace

bool needs_imatrix(std::string_view tensor, GgmlType type) {
  const auto number = static_cast<ggml_type>(type);
  if (ggml_quantize_requires_imatrix(number)) return true;
  if (tensor == "token_embd.weight" || tensor == "per_layer_token_embd.weight" || tensor == "output.weight")
    return false;
  return number == GGML_TYPE_IQ3_XXS || number == GGML_TYPE_IQ2_S || number == GGML_TYPE_IQ1_M;
}

Result<void> check_not_quantized(const TensorInfo& tensor) {
  if (is_wide_float(tensor.type)) return {};
  return fail(
      ErrorCode::kUsage,
      fmt::format("the tensor is quantized already ({}); another type would be made of what is left of it",
                  name_of(tensor.type)),
      tensor.name,
      "start from an F32, F16 or BF16 file; to take this one all the same, expand it: fqlab quantize "
      "MODEL --recipe '*=f32' -o F32.gguf");
}

Result<GgufLayout> write_quantized(const GgufFile& source, const QuantizeRequest& request,
                                   const std::function<void(size_t done, size_t all)>& progress) {
  auto metadata = quantization_metadata(source, request.imatrix);
  if (!metadata) return tl::unexpected(metadata.error());
  const Result<ImatrixValues> imatrix = read_imatrix(source, request.imatrix);
  if (!imatrix) return tl::unexpected(imatrix.error());
  GgufRewrite rewrite = describe_output(source, request, std::move(*metadata));
  Result<GgufLayout> layout = plan_rewrite(source, rewrite);
  if (!layout) return layout;
  if (Result<void> fits = check_request(source, request.types, *imatrix); !fits)
    return tl::unexpected(fits.error());
  if (Result<void> possible = check_gguf_output(source, request.output, request.overwrite); !possible)
    return tl::unexpected(possible.error());
  const fs::path folder = request.output.has_parent_path() ? request.output.parent_path() : fs::path(".");
  if (Result<void> room = check_room(folder, layout->file_bytes); !room) return tl::unexpected(room.error());

  // llama.cpp's file has its own order, no provenance and, for other alignments than 32, another layout. So
  // it is only where the data come from.
  const Result<ScratchFile> scratch = ScratchFile::create(folder);
  if (!scratch) return tl::unexpected(scratch.error());
  if (Result<void> made = quantize_into(scratch->path().string(), source, request, *imatrix, progress); !made)
    return tl::unexpected(made.error());
  const Result<GgufFile> made = GgufFile::open(scratch->path());
  if (!made)
    return fail(ErrorCode::kEngine, "llama.cpp wrote a damaged file: " + made.error().what,
                request.output.string(), "the disk may be full");
  if (Result<void> as_asked = check_made(*made, *layout); !as_asked) return tl::unexpected(as_asked.error());
  for (TensorReplacement& replacement : rewrite.replacements)
    replacement.fill = [&made, name = replacement.name](std::span<std::byte> out) -> Result<void> {
      const std::span<const std::byte> data = made->data(*made->find_tensor(name));
      std::memcpy(out.data(), data.data(), out.size());
      return {};
    };
  return write_gguf_file(source, rewrite, request.output, request.overwrite);
}

}  // namespace fqlab
