// The image is an anonymous memory file: written once as a GGUF file, mapped writable here, and loaded by
// llama.cpp through a shared read-only map of the same pages. A write through our map is what the next
// evaluation reads.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "engine/model_state.h"
#include "engine/weight_image_state.h"
#include "fqlab/engine.h"

namespace fqlab {
namespace {

GgufRewrite expansion(const GgufFile& source, const std::function<bool(const TensorInfo&)>& expand) {
  GgufRewrite rewrite;
  for (const TensorInfo& tensor : source.tensors()) {
    if (tensor.type == GgmlType::kF32 || !expand(tensor)) continue;
    rewrite.replacements.push_back(
        {tensor.name, GgmlType::kF32, [&source, &tensor](std::span<std::byte> out) {
           return decode(tensor.type, source.data(tensor),
                         {reinterpret_cast<float*>(out.data()), out.size() / sizeof(float)});
         }});
  }
  return rewrite;
}

Error system_error(const std::string& what, const std::string& model) {
  return {ErrorCode::kSystem, what + ": " + std::strerror(errno), model,
          "see whether memory or open files are limited: ulimit -a"};
}

}  // namespace

WeightImage::State::~State() {
  if (memory != nullptr) munmap(memory, size);
  if (descriptor >= 0) close(descriptor);
}

Result<uint64_t> WeightImage::planned_bytes(const GgufFile& source,
                                            const std::function<bool(const TensorInfo&)>& expand) {
  Result<GgufLayout> layout = plan_rewrite(source, expansion(source, expand));
  if (!layout) return tl::unexpected(layout.error());
  return layout->file_bytes;
}

Result<WeightImage> WeightImage::create(const GgufFile& source,
                                        const std::function<bool(const TensorInfo&)>& expand) {
  if (Result<void> aligned = check_engine_alignment(source); !aligned) return tl::unexpected(aligned.error());
  const GgufRewrite rewrite = expansion(source, expand);
  Result<GgufLayout> layout = plan_rewrite(source, rewrite);
  if (!layout) return tl::unexpected(layout.error());

  auto state = std::make_unique<State>();
  state->size = layout->file_bytes;
  state->shown_name = source.path().string();
  state->descriptor = memfd_create("fqlab-weights", MFD_CLOEXEC);
  if (state->descriptor < 0)
    return tl::unexpected(system_error("cannot create a file in memory", state->shown_name));
  if (ftruncate(state->descriptor, static_cast<off_t>(state->size)) != 0)
    return tl::unexpected(system_error(
        fmt::format("cannot reserve {} bytes of memory for the weights", state->size), state->shown_name));
  void* memory = mmap(nullptr, state->size, PROT_READ | PROT_WRITE, MAP_SHARED, state->descriptor, 0);
  if (memory == MAP_FAILED) return tl::unexpected(system_error("cannot map the weights", state->shown_name));
  state->memory = static_cast<std::byte*>(memory);

  uint64_t at = 0;
  const auto copy = [&](std::span<const std::byte> piece) -> Result<void> {
    std::memcpy(state->memory + at, piece.data(), piece.size());
    at += piece.size();
    return {};
  };
  if (Result<GgufLayout> written = write_gguf(source, rewrite, copy); !written)
    return tl::unexpected(written.error());

  for (const TensorInfo& tensor : layout->tensors)
    if (tensor.type == GgmlType::kF32)
      state->floats.emplace(
          tensor.name,
          std::span<float>(reinterpret_cast<float*>(state->memory + layout->data_offset + tensor.offset),
                           tensor.values()));
  return WeightImage(std::move(state));
}

WeightImage::WeightImage(std::unique_ptr<State> state) : state_(std::move(state)) {}
WeightImage::WeightImage(WeightImage&&) noexcept = default;
WeightImage& WeightImage::operator=(WeightImage&&) noexcept = default;
WeightImage::~WeightImage() = default;

std::span<float> WeightImage::floats(std::string_view tensor) {
  const auto found = state_->floats.find(std::string(tensor));
  return found == state_->floats.end() ? std::span<float>() : found->second;
}

uint64_t WeightImage::bytes() const { return state_->size; }

}  // namespace fqlab
