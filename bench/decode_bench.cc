// Reads and decodes every tensor of a GGUF file to float32, whole tensors into one buffer: the yardstick of
// bench/inspect_bench.py.  bench_decode MODEL TIMES THREADS
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "formats/parallel.h"
#include "fqlab/gguf.h"

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: bench_decode MODEL TIMES THREADS\n", stderr), 2;
  const auto file = fqlab::GgufFile::open(argv[1]);
  if (!file) return std::fprintf(stderr, "%s\n", to_string(file.error()).c_str()), 1;
  const int times = std::atoi(argv[2]), threads = std::atoi(argv[3]);
  uint64_t most = 0;
  for (const auto& tensor : file->tensors()) most = std::max(most, tensor.values());
  std::vector<float> values(most);
  bool fine = true;
  for (int i = 0; i < times; ++i)
    for (const auto& tensor : file->tensors()) {
      const auto& type = *fqlab::ggml_type_info(tensor.type);
      const auto data = file->data(tensor);
      fqlab::share_out(
          tensor.values() / type.block_elements, 4096, threads, [&](int, uint64_t begin, uint64_t end) {
            const auto decoded = fqlab::decode(
                tensor.type, data.subspan(begin * type.block_bytes, (end - begin) * type.block_bytes),
                std::span(values).subspan(begin * type.block_elements, (end - begin) * type.block_elements));
            if (!decoded) fine = false;
          });
    }
  return fine ? 0 : 1;
}
