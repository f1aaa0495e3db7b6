// The language model at work: loading, patching weights in memory, and the logits of a chunk of text.
// Implemented by llama.cpp, which no header of fqlab names. It may abort the process on misuse: run it in a
// child (study/supervise.h). Numbers are reference numbers: flash attention off, KV cache float32, no
// repacked weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// Version of the engine that fqlab was built with, "llama.cpp 0.5.0".
std::string engine_version();
/// The last messages the engine wrote, newest last; for error reports.
std::vector<std::string> engine_messages();
/// Calls `told` with the reason when the engine is about to abort the process; nothing may be assumed intact
/// then.
void on_engine_abort(void (*told)(const char* reason));

/// A GGUF file in memory (no disk), some of its tensors expanded to float32 and open to change. A model
/// loaded from the image computes with what is written here: the image is the one copy of the weights. See
/// docs/decisions/0001.
class WeightImage {
 public:
  /// `expand(tensor)` says which tensors become float32; the others keep their bytes.
  static Result<WeightImage> create(const GgufFile& source,
                                    const std::function<bool(const TensorInfo&)>& expand);
  /// Bytes that create() would need.
  static Result<uint64_t> planned_bytes(const GgufFile& source,
                                        const std::function<bool(const TensorInfo&)>& expand);

  WeightImage(WeightImage&&) noexcept;
  WeightImage& operator=(WeightImage&&) noexcept;
  ~WeightImage();

  /// The values of a float32 tensor, writable; takes effect at the next evaluation. Empty where there is no
  /// such tensor.
  std::span<float> floats(std::string_view tensor);
  uint64_t bytes() const;

 private:
  friend class Model;
  friend class ReplayModel;
  struct State;
  explicit WeightImage(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// What a model is given to answer.
struct RenderedPrompt {
  std::string text;
  bool chat_template =
      false;  ///< rendered with the file's own template; false: the file has none, the raw last message
};

/// A loaded model. Cheap to copy; freed with its last copy and its last evaluator.
class Model {
 public:
  /// The file as stored, mapped read-only.
  static Result<Model> load(const GgufFile& file);
  /// The weights in `image`, which must outlive the model.
  static Result<Model> load(const WeightImage& image);

  int vocabulary_size() const;
  int layers() const;
  int trained_context() const;  ///< n_ctx the model was trained on

  /// Tokens of a text: special tokens as plain text, BOS by the vocabulary's rule, as llama-perplexity does.
  Result<std::vector<int32_t>> tokenize(std::string_view text) const;
  /// Tokens of a rendered prompt: special tokens become themselves, BOS by the vocabulary's rule.
  Result<std::vector<int32_t>> tokenize_prompt(std::string_view text) const;
  /// The prompt for the next answer, by the file's chat template (llama.cpp's jinja) where it has one.
  Result<RenderedPrompt> render_prompt(std::span<const ChatMessage> messages) const;
  /// True for tokens that end an answer.
  bool ends_answer(int32_t token) const;
  /// The token that llama-perplexity puts in place of a chunk's first one, or -1 where the vocabulary adds
  /// none.
  int32_t chunk_bos() const;
  /// The text of one token, special tokens spelled out.
  std::string token_text(int32_t token) const;

 private:
  friend class Evaluator;
  friend class ReplayModel;
  friend class ChunkContext;
  struct State;
  explicit Model(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static Result<Model> load_path(const std::string& path, const std::string& shown_name);
  std::shared_ptr<State> state_;
};

struct EvaluatorOptions {
  int n_ctx = 512;    ///< tokens a chunk
  int n_batch = 256;  ///< tokens a call of the engine, at most 256; results do not depend on it from 16 on
  int threads = 2;
  bool exact_gelu =
      false;            ///< GELU in full precision instead of the engine's 16-bit table (docs/decisions/0010)
  bool replay = false;  ///< logits_from() will be asked for
  bool fast_attention = false;  ///< the engine's fast kernel for attention scores, where it takes the slow
                                ///< one: other round-off (docs/decisions/0015)
};

/// Evaluates chunks of tokens independently of each other.
class Evaluator {
 public:
  static Result<Evaluator> create(const Model& model, const EvaluatorOptions& options);
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator();

  /// True where exact_gelu was asked for and the model has such an activation: its logits are then not those
  /// of a plain evaluation.
  bool computes_gelu() const;

  /// Logits of the positions first .. first + count - 1 of one chunk (at most n_ctx tokens), row-major, count
  /// x vocabulary. Valid until the next call.
  Result<std::span<const float>> logits(std::span<const int32_t> tokens, int first, int count);

  /// The same of several chunks at once, each computed by its own share of the threads: faster than one after
  /// the other with all threads, bit for bit the same. Each chunk takes the working memory of an evaluator.
  Result<std::vector<std::span<const float>>> logits(std::span<const std::span<const int32_t>> chunks,
                                                     int first, int count);

  /// The same, and keeps what enters the layers `cuts` (of replay_cut()) for logits_from(), until the next
  /// call of this function: as many values a token as the model is wide.
  Result<std::vector<std::span<const float>>> logits_keeping(std::span<const std::span<const int32_t>> chunks,
                                                             int first, int count, std::span<const int> cuts);

  /// The last cut at or before the first layer whose output depends on one of `tensors`, as
  /// ReplayModel::best_cut() gives it; 0: only the whole model will do. Needs the option `replay`.
  int replay_cut(std::span<const std::string> tensors) const;

  /// logits() after a change of such tensors, computed from what entered layer `cut` before it
  /// (docs/replay.md). `chunks`: those of the last logits_keeping() or the first of them, and no later
  /// position than it had. `wipe` zeroes the caches first. Errors: kUsage where nothing was kept for them.
  /// Whether it is exact for a model is for the caller to check, without a change and with wiped caches.
  Result<std::vector<std::span<const float>>> logits_from(int cut,
                                                          std::span<const std::span<const int32_t>> chunks,
                                                          int first, int count, bool wipe = false);

  /// The greedy answer: the largest logit's token (the smallest id among equals), one after the other, until
  /// `most` tokens or a token that ends the answer, which is left out. Each token is decoded by itself, as a
  /// chat does.
  Result<std::vector<int32_t>> generate(std::span<const int32_t> prompt, int most);

  /// An answer drawn at random from the probabilities at a temperature above 0, by llama.cpp's own sampler:
  /// the same seed and the same probabilities give the same answer.
  Result<std::vector<int32_t>> sample(std::span<const int32_t> prompt, int most, double temperature,
                                      uint64_t seed);

  /// Bytes that one evaluator takes besides the weights: KV cache, logits and an upper bound of the scratch
  /// memory. `scored`: positions whose logits are asked for; those of several calls of the engine are
  /// collected.
  static uint64_t planned_bytes(const GgufFile& file, const EvaluatorOptions& options, int scored);

 private:
  struct State;
  struct Chooser;  ///< picks the next token
  Result<std::vector<int32_t>> answer(std::span<const int32_t> prompt, int most, Chooser& chooser);
  explicit Evaluator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A file as people run it, with llama.cpp's own defaults (repacked weights, automatic flash attention, f16
/// KV cache): for times, never for quality numbers.
class TimedModel {
 public:
  /// Loads the file; `load_ms` is the time from opening it to a model that is ready to evaluate,
  /// `first_token_ms` from opening it until the logits after one token are there.
  static Result<TimedModel> load(const std::string& path, int threads, int n_ctx);
  TimedModel(TimedModel&&) noexcept;
  TimedModel& operator=(TimedModel&&) noexcept;
  ~TimedModel();

  double load_ms() const;
  double first_token_ms() const;
  /// Tokens per second of a prompt of `tokens` random tokens, and of generating `tokens` tokens from an empty
  /// context; what llama-bench calls pp and tg.
  Result<double> prompt_tokens_per_second(int tokens, uint64_t seed);
  Result<double> generation_tokens_per_second(int tokens, uint64_t seed);

 private:
  struct State;
  explicit TimedModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fqlab
