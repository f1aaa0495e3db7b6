// Writes a GGUF file with some tensors and metadata replaced; everything else keeps its bytes.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/atomic_file.h"
#include "fqlab/gguf.h"
#include "gguf/header.h"
#include "gguf/names.h"
#include "gguf/new_header.h"

namespace fqlab {
namespace {

/// A rewrite that has been checked: the bytes before the data section, and who fills each tensor.
struct Plan {
  GgufLayout layout;
  std::string header;                                  // up to and including the padding before the data
  std::vector<const TensorReplacement*> replacements;  // one a tensor; nullptr: unchanged
};

Result<std::vector<GgufMetadata>> new_metadata(const GgufFile& source,
                                               std::span<const GgufMetadata> changes) {
  std::vector<GgufMetadata> entries(source.metadata().begin(), source.metadata().end());
  for (const GgufMetadata& change : changes) {
    if (std::string problem = name_problem(change.key, kLongestKey); !problem.empty())
      return fail(ErrorCode::kUsage, "a metadata key cannot be " + problem, in_quotes(change.key));
    if (change.key == "general.alignment")
      return fail(ErrorCode::kUsage, "a rewrite keeps the file's alignment", change.key);
    const auto found = std::ranges::find(entries, change.key, &GgufMetadata::key);
    if (found != entries.end()) {
      found->value = change.value;
    } else {
      entries.push_back(change);
    }
  }
  return entries;
}

Result<void> plan_tensors(const GgufFile& source, const GgufRewrite& rewrite, Plan& plan) {
  std::unordered_map<std::string_view, const TensorReplacement*> by_name;
  for (const TensorReplacement& replacement : rewrite.replacements) {
    if (source.find_tensor(replacement.name) == nullptr)
      return fail(ErrorCode::kUsage, "the source has no tensor " + in_quotes(replacement.name));
    if (!by_name.emplace(replacement.name, &replacement).second)
      return fail(ErrorCode::kUsage, "the tensor " + in_quotes(replacement.name) + " is replaced twice");
  }
  uint64_t offset = 0;
  for (TensorInfo tensor : source.tensors()) {
    const auto found = by_name.find(tensor.name);
    plan.replacements.push_back(found == by_name.end() ? nullptr : found->second);
    if (plan.replacements.back() != nullptr) {
      tensor.type = plan.replacements.back()->type;
      const Result<uint64_t> bytes = stored_bytes(tensor, tensor.type);
      if (!bytes) return tl::unexpected(bytes.error());
      tensor.bytes = *bytes;
    }
    tensor.offset = offset;
    offset += align_up(tensor.bytes, source.alignment());
    plan.layout.tensors.push_back(std::move(tensor));
  }
  return {};
}

// The bytes between the end of the source's tensor `index` and the next one; fewer after the last where the
// file ends early.
std::span<const std::byte> padding_after(const GgufFile& source, size_t index) {
  const TensorInfo& tensor = source.tensors()[index];
  const uint64_t end = source.data_offset() + tensor.offset + tensor.bytes;
  const uint64_t padding = align_up(tensor.bytes, source.alignment()) - tensor.bytes;
  return source.bytes().subspan(end, std::min(padding, source.file_bytes() - end));
}

bool ends_without_padding(const GgufFile& source) {
  const auto tensors = source.tensors();
  return !tensors.empty() && tensors.back().bytes % source.alignment() != 0 &&
         padding_after(source, tensors.size() - 1).empty();
}

Result<Plan> make_plan(const GgufFile& source, const GgufRewrite& rewrite) {
  Plan plan;
  const auto metadata = new_metadata(source, rewrite.set_metadata);
  if (!metadata) return tl::unexpected(metadata.error());
  if (Result<void> planned = plan_tensors(source, rewrite, plan); !planned)
    return tl::unexpected(planned.error());

  Result<std::string> text = header_text(source.version(), *metadata, plan.layout.tensors);
  if (!text) return tl::unexpected(text.error());
  std::string& header = plan.header = std::move(*text);
  // Whatever stands in the source's padding is kept while the header keeps its length: an unchanged file
  // stays the same.
  const uint64_t padded =
      plan.layout.tensors.empty() ? header.size() : align_up(header.size(), source.alignment());
  const uint64_t length = header.size();
  header.resize(padded, '\0');
  if (rewrite.set_metadata.empty())
    std::memcpy(header.data() + length, source.bytes().data() + length, padded - length);

  plan.layout.data_offset = padded;
  plan.layout.file_bytes = padded;
  if (!plan.layout.tensors.empty()) {
    const TensorInfo& last = plan.layout.tensors.back();
    plan.layout.file_bytes +=
        last.offset + (ends_without_padding(source) ? last.bytes : align_up(last.bytes, source.alignment()));
  } else if (source.file_bytes() > source.data_offset()) {
    plan.layout.file_bytes = align_up(padded, source.alignment());
  }
  return plan;
}

Result<void> write_tensor(const GgufFile& source, const Plan& plan, size_t index, const GgufSink& sink) {
  const TensorInfo& tensor = plan.layout.tensors[index];
  const TensorReplacement* replacement = plan.replacements[index];
  const uint64_t end = plan.layout.data_offset + tensor.offset + tensor.bytes;
  const bool last = index + 1 == plan.layout.tensors.size();
  const uint64_t next =
      last ? plan.layout.file_bytes : plan.layout.data_offset + plan.layout.tensors[index + 1].offset;
  if (replacement == nullptr) {
    if (Result<void> written = sink(source.data(source.tensors()[index])); !written) return written;
    const std::span<const std::byte> padding = padding_after(source, index);
    return padding.empty() ? Result<void>() : sink(padding);
  }
  std::vector<std::byte> data(tensor.bytes);
  if (Result<void> filled = replacement->fill(data); !filled) return filled;
  if (Result<void> written = sink(data); !written) return written;
  return write_zeros(next - end, sink);
}

}  // namespace

Result<GgufLayout> plan_rewrite(const GgufFile& source, const GgufRewrite& rewrite) {
  Result<Plan> plan = make_plan(source, rewrite);
  if (!plan) return tl::unexpected(plan.error());
  return std::move(plan->layout);
}

Result<GgufLayout> write_gguf(const GgufFile& source, const GgufRewrite& rewrite, const GgufSink& sink) {
  Result<Plan> plan = make_plan(source, rewrite);
  if (!plan) return tl::unexpected(plan.error());
  if (Result<void> written = sink(std::as_bytes(std::span(plan->header))); !written)
    return tl::unexpected(written.error());
  for (size_t i = 0; i < plan->layout.tensors.size(); ++i)
    if (Result<void> written = write_tensor(source, *plan, i, sink); !written)
      return tl::unexpected(written.error());
  if (plan->layout.tensors.empty()) {
    const uint64_t rest = plan->layout.file_bytes - plan->layout.data_offset;
    const bool same = rewrite.set_metadata.empty();
    Result<void> written =
        same ? sink(source.bytes().subspan(source.data_offset())) : write_zeros(rest, sink);
    if (!written) return tl::unexpected(written.error());
  }
  return std::move(plan->layout);
}

Result<void> check_gguf_output(const GgufFile& source, const std::filesystem::path& path, bool overwrite) {
  const InputFile model{"model", source.path()};
  return check_output(path, overwrite ? Existing::kReplace : Existing::kRefuse, std::span(&model, 1));
}

Result<GgufLayout> write_gguf_file(const GgufFile& source, const GgufRewrite& rewrite,
                                   const std::filesystem::path& path, bool overwrite) {
  if (Result<void> possible = check_gguf_output(source, path, overwrite); !possible)
    return tl::unexpected(possible.error());
  Result<AtomicFile> file = AtomicFile::create(path, overwrite ? Existing::kReplace : Existing::kRefuse);
  if (!file) return tl::unexpected(file.error());
  Result<GgufLayout> layout =
      write_gguf(source, rewrite, [&](std::span<const std::byte> piece) { return file->write(piece); });
  if (!layout) return layout;
  if (Result<void> committed = file->commit(); !committed) return tl::unexpected(committed.error());
  return layout;
}

}  // namespace fqlab
