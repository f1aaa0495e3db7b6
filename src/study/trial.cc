#include "study/trial.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "formats/format_details.h"

namespace fqlab {

std::string_view name(TrialSpec::Kind kind) {
  switch (kind) {
    case TrialSpec::Kind::kRecipe:
      return "recipe";
    case TrialSpec::Kind::kFloor:
      return "floor";
    case TrialSpec::Kind::kReal:
      return "real";
  }
  return "";
}

Result<std::string> ImportanceHashes::of(const std::string& imatrix_file, const TensorInfo& tensor) {
  auto found = files_.find(imatrix_file);
  if (found == files_.end()) {
    Result<ImportanceMatrix> opened = ImportanceMatrix::open(imatrix_file);
    if (!opened) return tl::unexpected(opened.error());
    found = files_.emplace(imatrix_file, std::move(*opened)).first;
  }
  const Result<std::vector<float>> importance = found->second.importance(tensor);
  if (!importance) return tl::unexpected(importance.error());
  return sha256(std::as_bytes(std::span(*importance)));
}

Result<std::string> trial_key(const TrialSpec& trial, std::span<const TensorInfo> tensors,
                              std::string_view study_identity, ImportanceHashes& hashes) {
  std::string text = fmt::format("fqlab trial 1\n{}\n{} {}\n", study_identity, name(trial.kind),
                                 trial.kind == TrialSpec::Kind::kFloor ? trial.seed : 0);
  for (const TensorChange& change : trial.changes) {
    const TensorInfo& tensor = tensors[change.tensor];
    // A length before the name: no name can look like two lines.
    text += fmt::format("{}:{}=", tensor.name.size(), tensor.name);
    const std::string& imatrix = change.format.details().imatrix_file;
    if (imatrix.empty()) {
      text += change.format.print() + "\n";
      continue;
    }
    const Result<std::string> importance = hashes.of(imatrix, tensor);
    if (!importance) return tl::unexpected(importance.error());
    text += fmt::format("{} with importance {}\n", change.format.details().base, *importance);
  }
  return sha256(std::as_bytes(std::span(text)));
}

}  // namespace fqlab
