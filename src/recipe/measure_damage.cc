// One pass over the weights of a model for all formats.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "fqlab/weight_damage.h"
#include "recipe/importance.h"
#include "recipe/tensor_stream.h"

namespace fqlab {
namespace {

struct BatchResult {
  WeightProfile profile;
  std::vector<DamageSums> formats;
  std::vector<std::optional<Error>> refused;  ///< by format
};

void lower_to(std::atomic<uint64_t>& least, uint64_t value) {
  for (uint64_t now = least.load(); value < now && !least.compare_exchange_weak(now, value);) {
  }
}

/// What a format needs beside its spec for one tensor.
struct FormatInput {
  std::vector<float> importance;  ///< of its own imatrix=
  std::optional<Error> refused;
  bool whole = false;
};

class Measurement {
 public:
  Measurement(const GgufFile& file, std::span<const FormatSpec> formats, const DamageOptions& options)
      : file_(file), formats_(formats), options_(options) {}

  Result<void> open_imatrix_files() {
    if (options_.importance != nullptr)
      if (Result<void> fits = options_.importance->fits_equalized(file_); !fits) return fits;
    for (const FormatSpec& format : formats_) {
      Result<std::optional<ImportanceMatrix>> named = imatrix_of(file_, format);
      if (!named) return tl::unexpected(named.error());
      matrices_.push_back(std::move(*named));
    }
    return {};
  }

  Result<TensorDamage> measure(const TensorInfo& tensor) {
    TensorDamage damage{
        tensor, parse_tensor_name(tensor.name), {}, std::vector<FormatDamage>(formats_.size())};
    std::vector<float> weights;
    if (options_.importance != nullptr) {
      Result<std::vector<float>> read = options_.importance->importance(tensor);
      if (!read) return tl::unexpected(read.error());
      weights = std::move(*read);
    }
    Result<std::vector<FormatInput>> inputs = inputs_for(tensor);
    if (!inputs) return tl::unexpected(inputs.error());
    if (Result<void> done = stream_batches(tensor, weights, *inputs, damage); !done)
      return tl::unexpected(done.error());
    for (size_t i = 0; i < formats_.size(); ++i)
      if ((*inputs)[i].whole && !(*inputs)[i].refused) stream_whole(tensor, weights, i, damage);
    return damage;
  }

 private:
  Result<std::vector<FormatInput>> inputs_for(const TensorInfo& tensor) const {
    std::vector<FormatInput> inputs(formats_.size());
    for (size_t i = 0; i < formats_.size(); ++i) {
      inputs[i].whole = needs_whole_tensor(formats_[i]);
      if (inputs[i].whole && options_.sampled_rows > 0) {
        inputs[i].refused =
            Error{ErrorCode::kUsage, "rows of this format cannot be sampled", formats_[i].print(), ""};
        continue;
      }
      if (!matrices_[i]) continue;
      Result<std::vector<float>> importance = matrices_[i]->importance(tensor);
      if (!importance) return tl::unexpected(importance.error());
      inputs[i].importance = std::move(*importance);
    }
    return inputs;
  }

  Result<void> stream_batches(const TensorInfo& tensor, std::span<const float> weights,
                              std::span<const FormatInput> inputs, TensorDamage& damage) const {
    const uint64_t columns = std::max<uint64_t>(1, tensor.columns());
    uint64_t matrices = weights.empty() ? 1 : weights.size() / columns;
    for (const FormatInput& input : inputs)
      matrices = std::max<uint64_t>(matrices, input.importance.size() / columns);
    const uint64_t rows = tensor.values() / columns;
    const uint64_t row_step =
        options_.sampled_rows == 0 ? 1 : std::max<uint64_t>(1, rows / options_.sampled_rows);
    const TensorStream stream(file_, tensor, options_.threads, matrices, row_step);
    std::vector<BatchResult> results(stream.batches());
    std::vector<std::atomic<uint64_t>> first_refused(formats_.size());  // batches after it are not needed
    for (std::atomic<uint64_t>& first : first_refused) first = stream.batches();
    auto done = stream.each(
        [&](const RowBatch& batch, std::span<const float> values, std::span<float> room) -> Result<void> {
          BatchResult& result = results[batch.index];
          result.profile.add(values);
          if (formats_.empty()) return {};
          // An imatrix with one row for all matrices serves each of them.
          const auto part_of = [&](std::span<const float> all) {
            return importance_of(all, all.size() > columns ? batch.matrix : 0, columns);
          };
          const std::span<const float> weight = part_of(weights);
          DamageSums original;
          original.add_original(values, columns, weight);
          result.formats.resize(formats_.size(), original);
          result.refused.resize(formats_.size());
          for (size_t i = 0; i < formats_.size(); ++i) {
            if (inputs[i].whole || inputs[i].refused || first_refused[i] < batch.index) continue;
            const auto counts =
                fake_quantize(formats_[i], values, room, columns, {1, part_of(inputs[i].importance)});
            if (!counts) {
              result.refused[i] = counts.error();
              lower_to(first_refused[i], batch.index);
              continue;
            }
            result.formats[i].counts = *counts;
            result.formats[i].add_error(values, room, columns, weight);
          }
          return {};
        });
    for (size_t i = 0; i < formats_.size(); ++i) {
      if (const uint64_t first = first_refused[i]; first < results.size())
        damage.formats[i].refused = results[first].refused[i];
      if (inputs[i].refused) damage.formats[i].refused = inputs[i].refused;
    }
    if (!done) return done;
    for (const BatchResult& result : results) {
      damage.profile.merge(result.profile);
      for (size_t i = 0; i < formats_.size(); ++i)
        if (!damage.formats[i].refused) damage.formats[i].sums.merge(result.formats[i]);
    }
    return {};
  }

  // The energies are known from the batches; here the errors are added.
  void stream_whole(const TensorInfo& tensor, std::span<const float> weights, size_t i,
                    TensorDamage& damage) {
    const uint64_t columns = std::max<uint64_t>(1, tensor.columns());
    const QuantizedStream stream{file_, tensor, formats_[i], weights, options_.threads};
    const uint64_t matrices = weights.empty() ? 1 : weights.size() / columns;
    std::vector<DamageSums> sums(TensorStream(file_, tensor, 1, matrices).batches());
    const auto counts = stream.each(whole_, [&](const RowBatch& batch, std::span<const float> original,
                                                std::span<const float> quantized) {
      sums[batch.index].add_error(original, quantized, columns,
                                  importance_of(weights, batch.matrix, columns));
    });
    if (!counts) {
      damage.formats[i] = {{}, counts.error()};
      return;
    }
    for (const DamageSums& part : sums) damage.formats[i].sums.merge(part);
    damage.formats[i].sums.counts = *counts;
  }

  const GgufFile& file_;
  std::span<const FormatSpec> formats_;
  const DamageOptions& options_;
  std::vector<std::optional<ImportanceMatrix>> matrices_;
  std::vector<float> whole_;
};

template <class KeyOf>
auto grouped(const WeightDamage& damage, size_t format, const KeyOf& key_of) {
  std::map<typename decltype(key_of(damage.tensors[0].name))::value_type, DamageSums> groups;
  for (const TensorDamage& tensor : damage.tensors)
    if (const auto key = key_of(tensor.name); key && !tensor.formats[format].refused)
      groups[*key].merge(tensor.formats[format].sums);
  return groups;
}

}  // namespace

Result<WeightDamage> measure_damage(const GgufFile& file, std::span<const size_t> tensors,
                                    std::span<const FormatSpec> formats, const DamageOptions& options) {
  WeightDamage damage{{formats.begin(), formats.end()}, {}};
  Measurement measurement(file, formats, options);
  if (Result<void> opened = measurement.open_imatrix_files(); !opened) return tl::unexpected(opened.error());
  for (const size_t index : tensors) {
    const TensorInfo& tensor = file.tensors()[index];
    Result<TensorDamage> measured = measurement.measure(tensor);
    if (!measured) return tl::unexpected(measured.error());
    damage.tensors.push_back(std::move(*measured));
    if (options.progress) options.progress(damage.tensors.size(), tensor);
  }
  return damage;
}

std::vector<size_t> by_damage(const WeightDamage& damage, size_t format) {
  std::vector<size_t> order;
  for (size_t i = 0; i < damage.tensors.size(); ++i)
    if (!damage.tensors[i].formats[format].refused) order.push_back(i);
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](size_t i) { return damage.tensors[i].formats[format].sums.damage(); });
  return order;
}

DamageSums total_damage(const WeightDamage& damage, size_t format) {
  DamageSums total;
  for (const TensorDamage& tensor : damage.tensors)
    if (!tensor.formats[format].refused) total.merge(tensor.formats[format].sums);
  return total;
}

std::map<std::string, DamageSums> damage_by_kind(const WeightDamage& damage, size_t format) {
  return grouped(damage, format, [](const TensorName& name) { return std::optional(name.kind); });
}

std::map<int, DamageSums> damage_by_layer(const WeightDamage& damage, size_t format) {
  return grouped(damage, format, [](const TensorName& name) { return name.layer; });
}

Result<WeightHistogram> measure_histogram(const GgufFile& file, const TensorDamage& tensor,
                                          const FormatSpec& format, size_t bins, int threads) {
  const Result<std::vector<float>> importance = importance_for(file, format, tensor.tensor);
  if (!importance) return tl::unexpected(importance.error());
  WeightHistogram histogram{tensor.profile.largest(), std::vector<uint64_t>(bins),
                            std::vector<uint64_t>(bins)};
  if (histogram.limit == 0) return histogram;
  const std::unique_ptr<std::atomic<uint64_t>[]> sums(new std::atomic<uint64_t>[2 * bins]());
  const double per_unit = static_cast<double>(bins) / (2 * histogram.limit);
  const auto count = [&](std::span<const float> values, size_t first) {
    std::vector<uint64_t> part(bins);
    for (const float x : values) {
      if (!std::isfinite(x)) continue;
      const double at = std::clamp((static_cast<double>(x) + histogram.limit) * per_unit, 0.0,
                                   static_cast<double>(bins - 1));
      ++part[static_cast<size_t>(at)];
    }
    for (size_t bin = 0; bin < bins; ++bin) sums[first + bin] += part[bin];
  };
  std::vector<float> whole;
  const QuantizedStream stream{file, tensor.tensor, format, *importance, threads};
  const auto counts = stream.each(
      whole, [&](const RowBatch&, std::span<const float> original, std::span<const float> quantized) {
        count(original, 0);
        count(quantized, bins);
      });
  if (!counts) return tl::unexpected(counts.error());
  for (size_t bin = 0; bin < bins; ++bin) {
    histogram.original[bin] = sums[bin];
    histogram.quantized[bin] = sums[bins + bin];
  }
  return histogram;
}

}  // namespace fqlab
