#include <fmt/format.h>
#include <llama.h>

#include <vector>

#include "base/random.h"
#include "base/stopwatch.h"
#include "engine/runtime.h"
#include "fqlab/engine.h"

namespace fqlab {
namespace {

// Generated before the clock starts: where models take turns, the caches are full of another one's weights.
constexpr int kWarmUpTokens = 3;

}  // namespace

struct TimedModel::State {
  llama_model* model = nullptr;
  llama_context* context = nullptr;
  std::string path;
  double load_ms = 0, first_token_ms = 0;

  ~State() {
    if (context != nullptr) llama_free(context);
    llama_model_free(model);
  }
  const llama_vocab* vocabulary() const { return llama_model_get_vocab(model); }
  void clear() const { llama_memory_clear(llama_get_memory(context), /*data=*/false); }
  int32_t random_token(Random& random) const {
    return static_cast<int32_t>(random.below(static_cast<uint64_t>(llama_vocab_n_tokens(vocabulary()))));
  }
  int32_t start_token(Random& random) const {
    return llama_vocab_get_add_bos(vocabulary()) ? llama_vocab_bos(vocabulary()) : random_token(random);
  }
  Result<void> decode(std::vector<int32_t>& tokens) const {
    if (const int status =
            llama_decode(context, llama_batch_get_one(tokens.data(), static_cast<int32_t>(tokens.size())));
        status != 0)
      return fail(ErrorCode::kEngine,
                  fmt::format("llama.cpp could not evaluate the tokens (status {})", status) + engine_said(),
                  path);
    llama_synchronize(context);
    return {};
  }
};

TimedModel::TimedModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
TimedModel::TimedModel(TimedModel&&) noexcept = default;
TimedModel& TimedModel::operator=(TimedModel&&) noexcept = default;
TimedModel::~TimedModel() = default;

Result<TimedModel> TimedModel::load(const std::string& path, int threads, int n_ctx) {
  start_engine();
  clear_engine_messages();
  auto state = std::make_unique<State>();
  state->path = path;
  const Stopwatch stopwatch;
  llama_model_params model_parameters = llama_model_default_params();
  model_parameters.n_gpu_layers = 0;
  state->model = llama_model_load_from_file(path.c_str(), model_parameters);
  if (state->model == nullptr)
    return fail(ErrorCode::kEngine, "llama.cpp cannot load the model" + engine_said(), path);
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = static_cast<uint32_t>(n_ctx);
  parameters.n_batch = static_cast<uint32_t>(n_ctx);
  parameters.n_threads = parameters.n_threads_batch = threads;
  parameters.no_perf = true;
  state->context = llama_init_from_model(state->model, parameters);
  if (state->context == nullptr)
    return fail(ErrorCode::kEngine, "llama.cpp cannot evaluate the model" + engine_said(), path);
  state->load_ms = 1000 * stopwatch.seconds();
  Random random(0);
  std::vector<int32_t> first = {state->start_token(random)};
  if (Result<void> decoded = state->decode(first); !decoded) return tl::unexpected(decoded.error());
  state->first_token_ms = 1000 * stopwatch.seconds();
  return TimedModel(std::move(state));
}

double TimedModel::load_ms() const { return state_->load_ms; }
double TimedModel::first_token_ms() const { return state_->first_token_ms; }

Result<double> TimedModel::prompt_tokens_per_second(int tokens, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> prompt(static_cast<size_t>(tokens));
  for (int32_t& token : prompt) token = state_->random_token(random);
  prompt[0] = state_->start_token(random);
  state_->clear();
  const Stopwatch stopwatch;
  if (Result<void> decoded = state_->decode(prompt); !decoded) return tl::unexpected(decoded.error());
  return tokens / stopwatch.seconds();
}

Result<double> TimedModel::generation_tokens_per_second(int tokens, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> token = {state_->start_token(random)};
  state_->clear();
  for (int i = 0; i < kWarmUpTokens; ++i)
    if (Result<void> decoded = state_->decode(token); !decoded) return tl::unexpected(decoded.error());
  state_->clear();
  const Stopwatch stopwatch;
  for (int i = 0; i < tokens; ++i) {
    if (Result<void> decoded = state_->decode(token); !decoded) return tl::unexpected(decoded.error());
    token[0] = state_->random_token(random);
  }
  return tokens / stopwatch.seconds();
}

}  // namespace fqlab
