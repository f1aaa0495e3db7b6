// fqlab inspect MODEL --format SPEC[,SPEC...]: what number formats do to the weights.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/app.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab::cli {

struct DamageRequest {
  std::vector<std::string> formats, languages = {"en"};
  std::string imatrix, out;
  bool json = false, csv = false, force = false;
  int threads = 1;
  size_t top = 10;  ///< tensors listed for each format
};

/// Everything wrong with the options is found before the weights are read.
Result<ExitCode> inspect_damage(const GgufFile& file, std::span<const size_t> tensors,
                                const DamageRequest& request);

}  // namespace fqlab::cli
