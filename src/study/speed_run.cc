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

constexpr int kWarmUpTokens = 16;  // of a prompt: enough to touch every weight and to wake every thread
constexpr int kColdBlocks = 2;

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

/// The subjects of a block, three forward and three backward: A A' B B A' A.
constexpr std::array<int, 6> kOrder = {0, 1, 2, 2, 1, 0};

/// What is measured on one load of a file.
struct Sample {
  double load_ms = 0, first_token_ms = 0, prompt_tps = 0, generation_tps = 0;
};
using Block = std::array<Sample, kOrder.size()>;

void add_block(Series& series, const Block& block, double Sample::*value) {
  const auto at = [&](size_t i) { return block[i].*value; };
  series.against_variant.push_back({at(0), at(2), at(3), at(5)});
  series.against_itself.push_back({at(0), at(1), at(4), at(5)});
}

/// Loads the file anew: where the system puts a load's pages shifts its speeds by more than their noise, so
/// that each number comes from a load of its own.
Result<Sample> measure_sample(const std::string& path, const SpeedSettings& settings) {
  const int n_ctx = std::max(settings.prompt_tokens, settings.generated_tokens + 1);
  Result<TimedModel> model = TimedModel::load(path, settings.threads, n_ctx);
  if (!model) return tl::unexpected(model.error());
  Sample sample{model->load_ms(), model->first_token_ms()};
  const Result<double> warm_up = model->prompt_tokens_per_second(kWarmUpTokens, settings.seed);
  if (!warm_up) return tl::unexpected(warm_up.error());
  const Result<double> prompt = model->prompt_tokens_per_second(settings.prompt_tokens, settings.seed);
  if (!prompt) return tl::unexpected(prompt.error());
  const Result<double> generation =
      model->generation_tokens_per_second(settings.generated_tokens, settings.seed);
  if (!generation) return tl::unexpected(generation.error());
  sample.prompt_tps = *prompt;
  sample.generation_tps = *generation;
  return sample;
}

/// False where a file's pages could not be dropped from the page cache.
bool add_cold_block(Series& cold, const std::array<std::string, 3>& paths, const SpeedSettings& settings) {
  Block block;
  for (size_t i = 0; i < kOrder.size(); ++i) {
    const std::string& path = paths[static_cast<size_t>(kOrder[i])];
    if (!drop_page_cache(path)) return false;
    const Result<TimedModel> model = TimedModel::load(path, settings.threads, settings.prompt_tokens);
    if (!model) return false;
    block[i].load_ms = model->load_ms();
  }
  add_block(cold, block, &Sample::load_ms);
  return true;
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
  SpeedRun run;
  if (busy_share() > 0.1) run.warnings.push_back("busy_machine");
  for (const std::string& path : {paths[0], paths[2]})  // unmeasured, so that both are in the page cache
    if (const auto model = TimedModel::load(path, settings.threads, settings.prompt_tokens); !model)
      return tl::unexpected(model.error());

  Series load, first_token, prompt, generation, cold;
  for (int done = 0; done < settings.blocks; ++done) {
    tell(done, settings.blocks + 1);
    Block block;
    for (size_t i = 0; i < kOrder.size(); ++i) {
      const Result<Sample> sample = measure_sample(paths[static_cast<size_t>(kOrder[i])], settings);
      if (!sample) return tl::unexpected(sample.error());
      block[i] = *sample;
    }
    add_block(load, block, &Sample::load_ms);
    add_block(first_token, block, &Sample::first_token_ms);
    add_block(prompt, block, &Sample::prompt_tps);
    add_block(generation, block, &Sample::generation_tps);
  }
  tell(settings.blocks, settings.blocks + 1);
  bool cold_works = true;
  for (int block = 0; block < kColdBlocks && cold_works; ++block)
    cold_works = add_cold_block(cold, paths, settings);

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
