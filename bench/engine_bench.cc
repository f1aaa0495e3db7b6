// The engine's own time for a chunk, as stored and expanded to float32: the yardstick of
// bench/compare_vs_decode.py.  bench_engine MODEL F32_MODEL TEXT CHUNKS THREADS
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "base/stopwatch.h"
#include "fqlab/engine.h"

namespace {

constexpr int kTokens = 512;

/// Seconds of llama_decode alone, one context with all threads, in float32 or as stored.
double decode_seconds(const char* path, const std::vector<int32_t>& tokens, int chunks, int threads) {
  llama_model_params model_parameters = llama_model_default_params();
  model_parameters.use_extra_bufts = false;
  llama_model* model = llama_model_load_from_file(path, model_parameters);
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = kTokens;
  parameters.n_threads = parameters.n_threads_batch = threads;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  llama_context* context = llama_init_from_model(model, parameters);
  llama_batch batch = llama_batch_init(kTokens, 0, 1);
  double seconds = 0;
  for (int chunk = -1; chunk < chunks; ++chunk) {  // the first is warm-up
    llama_memory_clear(llama_get_memory(context), false);
    batch.n_tokens = kTokens - 1;  // as a scored chunk: the last token predicts nothing
    for (int i = 0; i < batch.n_tokens; ++i) {
      batch.token[i] = tokens[static_cast<size_t>(std::max(chunk, 0) * kTokens + i)];
      batch.pos[i] = i;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = i >= kTokens / 2;
    }
    const fqlab::Stopwatch stopwatch;
    if (llama_decode(context, batch) != 0) return -1;
    llama_synchronize(context);
    if (chunk >= 0) seconds += stopwatch.seconds();
  }
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);
  return seconds / chunks;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return std::fputs("usage: bench_engine MODEL F32_MODEL TEXT CHUNKS THREADS\n", stderr), 2;
  const int chunks = std::atoi(argv[4]), threads = std::atoi(argv[5]);
  std::ostringstream text;
  text << std::ifstream(argv[3]).rdbuf();
  const auto file = fqlab::GgufFile::open(argv[1]);
  if (!file) return std::fprintf(stderr, "%s\n", to_string(file.error()).c_str()), 1;
  const auto tokens = fqlab::Model::load(*file).value().tokenize(text.str().substr(0, 6000 * (chunks + 1)));
  if (!tokens || tokens->size() < static_cast<size_t>(chunks * kTokens))
    return std::fputs("the text is too short\n", stderr), 1;
  std::printf("%.6f %.6f\n", decode_seconds(argv[1], *tokens, chunks, threads),
              decode_seconds(argv[2], *tokens, chunks, threads));
}
