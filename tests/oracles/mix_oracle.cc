// fqlab's side of check_build.py: what llama-quantize's mixes give each tensor of a model, as JSON.
//   mix_oracle MODEL.gguf MIX[+imatrix]...  ->  {"MIX+imatrix": {TENSOR: TYPE}}
#include <cstdio>
#include <nlohmann/json.hpp>

#include "fqlab/quantizer.h"

int main(int argc, char** argv) {
  using namespace fqlab;
  if (argc < 3) return std::fprintf(stderr, "usage: mix_oracle MODEL.gguf MIX[+imatrix]...\n"), 2;
  const Result<GgufFile> file = GgufFile::open(argv[1]);
  nlohmann::json answer;
  for (int i = 2; i < argc; ++i) {
    const std::string_view text = argv[i];
    constexpr std::string_view kWith = "+imatrix";
    const bool with = text.ends_with(kWith);
    const std::string_view mix = text.substr(0, text.size() - (with ? kWith.size() : 0));
    const auto types =
        file ? stock_mix(*file, mix, with) : Result<std::vector<TensorType>>(tl::unexpected(file.error()));
    if (!types) return std::fprintf(stderr, "%s\n", to_string(types.error()).c_str()), 1;
    for (const TensorType& each : *types) answer[argv[i]][each.name] = ggml_type_info(each.type)->name;
  }
  std::puts(answer.dump().c_str());
  return 0;
}
