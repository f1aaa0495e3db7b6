#include "study/trial.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "formats/format_details.h"

namespace fqlab {

std::string_view name(TrialSpec::Kind kind) { return kind == TrialSpec::Kind::kRecipe ? "recipe" : "floor"; }

Result<std::string> trial_key(const TrialSpec& trial, std::span<const TensorInfo> tensors,
                              std::string_view study_identity) {
  std::string text = fmt::format("fqlab trial 1\n{}\n{} {}\n", study_identity, name(trial.kind),
                                 trial.kind == TrialSpec::Kind::kFloor ? trial.seed : 0);
  std::string hashed_file;
  for (const TensorChange& change : trial.changes) {
    // A length before the name: no name can look like two lines.
    const std::string& tensor = tensors[change.tensor].name;
    text += fmt::format("{}:{}={}\n", tensor.size(), tensor, change.format.print());
    const std::string& imatrix = change.format.details().imatrix_file;
    if (imatrix.empty() || imatrix == hashed_file) continue;
    const Result<std::string> hash = sha256_of_file(imatrix);
    if (!hash) return tl::unexpected(hash.error());
    text += *hash + "\n";
    hashed_file = imatrix;
  }
  return sha256(std::as_bytes(std::span(text)));
}

}  // namespace fqlab
