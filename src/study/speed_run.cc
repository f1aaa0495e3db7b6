#include "study/speed_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

#include "fqlab/engine.h"
#include "fqlab/speed.h"

namespace fqlab {
namespace {

constexpr int kWarmUpTokens = 64;  // of a prompt: enough to touch every weight and to wake every thread

/// The machine's busy share of all cores over a short moment in which we do nothing; 0 where it cannot be
/// read.
double busy_share() {
  const auto read = [] {
    std::ifstream file("/proc/stat");
    std::string label;
    std::array<double, 8> ticks{};  // user nice system idle iowait irq softirq steal
    file >> label;
    for (double& tick : ticks) file >> tick;
    double total = 0;
    for (double tick : ticks) total += tick;
    return std::pair{total, ticks[3] + ticks[4]};
  };
  const auto [total, idle] = read();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto [total_after, idle_after] = read();
  return total_after > total ? 1 - (idle_after - idle) / (total_after - total) : 0;
}

/// Asks the system to forget a file's pages; false where it does not.
bool drop_page_cache(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool dropped = fdatasync(file) == 0 && posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0;
  close(file);
  return dropped;
}

/// Numbers of one quantity: of A, its second load A', and B, in blocks.
struct Series {
  std::vector<SpeedBlock> against_variant, against_itself;
};

/// Three measurements forward and three backward: A A' B B A' A.
Result<void> add_block(Series& series, const std::function<Result<double>(int subject)>& measure) {
  std::array<double, 6> values{};
  constexpr std::array<int, 6> kOrder = {0, 1, 2, 2, 1, 0};
  for (size_t i = 0; i < kOrder.size(); ++i) {
    Result<double> value = measure(kOrder[i]);
    if (!value) return tl::unexpected(value.error());
    values[i] = *value;
  }
  series.against_variant.push_back({values[0], values[2], values[3], values[5]});
  series.against_itself.push_back({values[0], values[1], values[4], values[5]});
  return {};
}

double median(std::vector<double> values) { return quantile(values, 0.5); }

Result<SpeedResult> summary(const Series& series, uint64_t seed, bool& outlier) {
  std::vector<double> original, variant;
  for (const SpeedBlock& block : series.against_variant) {
    original.insert(original.end(), {block.first_a, block.second_a});
    variant.insert(variant.end(), {block.first_b, block.second_b});
  }
  Result<SpeedComparison> effect = compare_speed(series.against_variant, seed);
  if (!effect) return tl::unexpected(effect.error());
  Result<SpeedComparison> noise = compare_speed(series.against_itself, seed);
  if (!noise) return tl::unexpected(noise.error());
  const auto ratio = [](const std::optional<Interval>& logs) -> std::optional<Interval> {
    if (!logs) return std::nullopt;
    return Interval{std::exp(logs->low), std::exp(logs->high)};
  };
  SpeedResult result;
  result.original = median(original);
  result.variant = median(variant);
  result.ratio = std::exp(effect->log_ratio);
  result.interval = ratio(effect->interval);
  result.interval90 = ratio(effect->interval90);
  result.aa_interval = ratio(noise->interval);
  result.aa_interval90 = ratio(noise->interval90);
  for (size_t i = 0; i < effect->block_log_ratios.size(); ++i) {
    result.blocks.push_back({false, std::exp(effect->block_log_ratios[i])});
    result.blocks.push_back({true, std::exp(noise->block_log_ratios[i])});
  }
  // A block far outside the quartiles of its series (hyperfine's and Tukey's rule, 3 quartile distances) is
  // said, not dropped.
  std::vector<double> sorted = effect->block_log_ratios;
  const double q1 = quantile(sorted, 0.25), q3 = quantile(sorted, 0.75), spread = std::max(q3 - q1, 0.005);
  outlier = outlier || sorted.front() < q1 - 3 * spread || sorted.back() > q3 + 3 * spread;
  return result;
}

}  // namespace

Result<SpeedRun> measure_speed(const std::filesystem::path& original, const std::filesystem::path& variant,
                               const SpeedSettings& settings, const std::function<void(int, int)>& tell) {
  const std::array<std::string, 3> paths = {original.string(), original.string(), variant.string()};
  const int n_ctx = std::max(settings.prompt_tokens, settings.generated_tokens + 1);
  SpeedRun run;
  if (busy_share() > 0.1) run.warnings.push_back("busy_machine");

  Series load, first_token, prompt, generation, cold;
  const auto load_time = [&](Series& ready, Series& first, bool drop) -> Result<void> {
    Series firsts;
    std::vector<double> first_values;
    Result<void> added = add_block(ready, [&](int subject) -> Result<double> {
      if (drop && !drop_page_cache(paths[static_cast<size_t>(subject)]))
        return fail(ErrorCode::kSystem, "page cache");
      Result<TimedModel> model =
          TimedModel::load(paths[static_cast<size_t>(subject)], settings.threads, n_ctx);
      if (!model) return tl::unexpected(model.error());
      first_values.push_back(model->first_token_ms());
      return model->load_ms();
    });
    if (!added) return added;
    size_t next = 0;
    return add_block(first, [&](int) -> Result<double> { return first_values[next++]; });
  };

  const int total = 2 * settings.blocks + 1;
  for (int block = 0; block < settings.blocks; ++block) {
    tell(block, total);
    if (Result<void> loaded = load_time(load, first_token, /*drop=*/false); !loaded)
      return tl::unexpected(loaded.error());
  }
  std::vector<TimedModel> subjects;
  for (const std::string& path : paths) {
    Result<TimedModel> model = TimedModel::load(path, settings.threads, n_ctx);
    if (!model) return tl::unexpected(model.error());
    subjects.push_back(std::move(*model));
  }
  const auto prompt_speed = [&](int subject) {
    return subjects[static_cast<size_t>(subject)].prompt_tokens_per_second(settings.prompt_tokens,
                                                                           settings.seed);
  };
  const auto generation_speed = [&](int subject) {
    return subjects[static_cast<size_t>(subject)].generation_tokens_per_second(settings.generated_tokens,
                                                                               settings.seed);
  };
  for (TimedModel& subject : subjects)  // generation warms up by itself
    if (Result<double> speed = subject.prompt_tokens_per_second(kWarmUpTokens, settings.seed); !speed)
      return tl::unexpected(speed.error());
  for (int block = 0; block < settings.blocks; ++block) {
    tell(settings.blocks + block, total);
    if (Result<void> added = add_block(prompt, prompt_speed); !added) return tl::unexpected(added.error());
    if (Result<void> added = add_block(generation, generation_speed); !added)
      return tl::unexpected(added.error());
  }
  subjects.clear();
  tell(2 * settings.blocks, total);
  Series cold_first;
  bool cold_works = true;
  for (int block = 0; block < 2 && cold_works; ++block)
    cold_works = load_time(cold, cold_first, /*drop=*/true).has_value();

  bool outlier = false;
  for (const auto& [series, result] :
       {std::pair{&load, &run.load_ms}, std::pair{&first_token, &run.first_token_ms},
        std::pair{&prompt, &run.prompt_tps}, std::pair{&generation, &run.generation_tps}}) {
    Result<SpeedResult> found = summary(*series, settings.seed, outlier);
    if (!found) return tl::unexpected(found.error());
    *result = std::move(*found);
  }
  if (cold_works) {
    bool ignored = false;
    if (Result<SpeedResult> found = summary(cold, settings.seed, ignored); found)
      run.cold_load_ms = std::move(*found);
  }
  if (outlier) run.warnings.push_back("speed_outliers");
  return run;
}

}  // namespace fqlab
