// Replay: the logits under a change in layer L, computed from the residual stream that entered layer L of the
// original, without the layers before it. See docs/replay.md and docs/decisions/0004.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fqlab/engine.h"
#include "fqlab/gguf.h"
#include "fqlab/result.h"

namespace fqlab {

/// A model that evaluates chunks from any layer on, and whose float32 tensors can be pointed at other values.
/// One model and one context serve every cut: a cut leaves out the nodes of the engine's own graph that only
/// the captured stream needs, so the nodes that remain compute what they compute in the whole model. Several
/// ReplayModels, also in forked processes (create them after the fork), may share one WeightImage: replacing
/// a tensor here never writes to the image.
class ReplayModel {
 public:
  /// `image` holds the weights of `source` and must outlive the model.
  static Result<ReplayModel> create(const GgufFile& source, const WeightImage& image,
                                    const EvaluatorOptions& options);
  ReplayModel(ReplayModel&&) noexcept;
  ReplayModel& operator=(ReplayModel&&) noexcept;
  ~ReplayModel();

  int layers() const;
  int embedding_size() const;
  int vocabulary_size() const;

  /// The whole model on one chunk (at most n_ctx tokens): the logits of the positions first .. first + count
  /// - 1, as Evaluator gives them, valid until the next call. Fills `streams` (empty: nothing is kept) with
  /// layers x tokens x embedding_size values: [L] is what enters layer L, for every L that best_cut() can
  /// give. Left as they were: [0], layers where no cut is possible, and positions from first + count on,
  /// which are not evaluated.
  Result<std::span<const float>> capture(std::span<const int32_t> tokens, int first, int count,
                                         std::span<float> streams);

  /// Points a float32 tensor at the caller's values until restore() or the next replace() of it; no copy, no
  /// write to the image. A tensor that the model uses in several places (tied embeddings) changes in all of
  /// them. Errors (kUsage): no such tensor, not float32 in the image, another number of values.
  Result<void> replace(std::string_view tensor, std::span<const float> values);
  /// The same with values stored in a ggml type: the engine then uses the kernels of that type, which round
  /// the activations too, as it does with a file. `stored` holds the tensor's rows in that type.
  Result<void> replace(std::string_view tensor, GgmlType type, std::span<const std::byte> stored);
  /// All tensors are the image's again.
  void restore();

  /// The first layer whose output depends on `tensor`, as the engine's graph says: N for blk.N.*, 0 for the
  /// embedding (its output use included) and for what every layer reads, layers() for output_norm and output.
  /// 0 where the engine does not name its layers.
  int first_affected_layer(std::string_view tensor) const;
  /// The last cut at or before `layer`: between 0 (the whole model) and layers() - 1, because the engine
  /// drops the rows that nobody scores within the last layer. Whether its logits are exact: cut_problem().
  int best_cut(int layer) const;

  /// The logits given the stream that entered layer `from` (tokens x embedding_size values, the [from] of
  /// capture()), under the replaced tensors; from 0: the whole model, `stream` is not read. kUsage where
  /// best_cut(from) is not `from`. Exact only where cut_problem() found nothing.
  Result<std::span<const float>> logits_from(int from, std::span<const int32_t> tokens,
                                             std::span<const float> stream, int first, int count);

  /// Why a cut at `from` cannot be used, or nothing: the graph has no such cut, or the logits of positions
  /// n/2 .. n-2 differ from the whole model's in a bit, the caches wiped in between. Checked at the first
  /// question about each cut and remembered; costs a suffix (and the whole model once a chunk). The arguments
  /// are those of capture(); no tensor may be replaced meanwhile.
  Result<std::optional<std::string>> cut_problem(int from, std::span<const int32_t> tokens,
                                                 std::span<const float> streams);

  /// Floating-point operations of the matrix products of logits_from() with such a chunk.
  Result<double> operations(int from, int tokens, int first, int count);

  /// Bytes that one model takes besides the image, the streams and the replaced values.
  static uint64_t planned_bytes(const GgufFile& file, const EvaluatorOptions& options, int scored);

 private:
  struct State;
  explicit ReplayModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fqlab
