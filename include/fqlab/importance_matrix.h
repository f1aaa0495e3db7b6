// Importance matrices: how much each column of a model's matrices matters, in llama.cpp's GGUF files
// (general.type = "imatrix"; for each matrix NAME.in_sum2 and NAME.counts). See docs/imatrix.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// Metadata of an equalized model and of all files made from it: the sha256 of the model as it was before.
inline constexpr const char* kEqualizedFrom = "fqlab.equalized_from.sha256";
/// Metadata of an imatrix: the sha256 of the model that it was computed with.
inline constexpr const char* kImatrixSource = "fqlab.source.sha256";

/// The squares of what entered one weight, summed over tokens.
struct ActivationSquares {
  std::string tensor;       ///< the weight's name
  std::vector<float> sums;  ///< for each matrix of the weight (experts have many) a sum a column
  /// Tokens that were summed: one number for each expert, or one number where all matrices see all tokens.
  /// 0: the expert saw none.
  std::vector<uint64_t> counts;
};

/// On what an importance matrix was computed.
struct ImportanceSource {
  std::vector<std::string> datasets;  ///< names or paths of texts, as the file has them
  uint64_t chunks = 0;                ///< 0 where the file does not say
  uint64_t tokens_per_chunk = 0;
};

class ImportanceMatrix {
 public:
  /// kInput where the file is no imatrix (general.type), or one of its entries lacks its other half.
  static Result<ImportanceMatrix> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  ImportanceSource source() const;
  std::vector<std::string> tensors() const;  ///< the weights that have an entry, in file order
  bool has(std::string_view tensor) const;

  /// in_sum2 / counts, one number a column for each matrix of the tensor (experts have many); 1 for matrices
  /// that saw no input, as llama.cpp does. Empty for a tensor without an entry; kUsage where the sizes are
  /// not the tensor's.
  Result<std::vector<float>> importance(const TensorInfo& tensor) const;

  /// kInput where the model is equalized and this was computed before that. Says nothing about other models.
  Result<void> fits_equalized(const GgufFile& model) const;

  /// kInput where the imatrix is of another model: an entry for a tensor that `model` lacks or that has other
  /// columns, or layers without any entry; or where fits_equalized() says so. It cannot tell
  /// other models of one shape apart, nor should it: a model's imatrix serves its other files too.
  Result<void> goes_with(const GgufFile& model) const;

 private:
  explicit ImportanceMatrix(GgufFile file) : file_(std::move(file)) {}
  GgufFile file_;
};

/// Writes llama.cpp's file, entries sorted by name as llama-imatrix sorts them; `more` is further metadata.
/// An existing `path` is refused unless `overwrite`.
Result<GgufLayout> write_importance_matrix(std::vector<ActivationSquares> entries,
                                           const ImportanceSource& source, std::span<const GgufMetadata> more,
                                           const std::filesystem::path& path, bool overwrite);

}  // namespace fqlab
