#include "study/speed_run.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>
#include <vector>

#include "fqlab/engine.h"
#include "fqlab/speed.h"

namespace fqlab {
namespace {

constexpr int kWarmUpTokens = 16;  // of a prompt: enough to touch every weight and to wake every thread

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

/// The part of a file's pages that the system keeps in memory; 1 where it does not tell.
double cached_part(int file) {
  struct stat about {};
  if (fstat(file, &about) != 0 || about.st_size <= 0) return 1;
  const auto bytes = static_cast<size_t>(about.st_size);
  void* map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  if (map == MAP_FAILED) return 1;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> kept((bytes + page - 1) / page);
  const bool told = mincore(map, bytes, kept.data()) == 0;
  munmap(map, bytes);
  if (!told) return 1;
  return static_cast<double>(std::ranges::count_if(kept, [](unsigned char of_page) { return of_page & 1; })) /
         static_cast<double>(kept.size());
}

/// Asks the system to forget a file's pages; false where it does not. It keeps those that a process has
/// mapped, and says nothing of it.
bool drop_page_cache(const std::filesystem::path& path) {
  constexpr double kMostKept = 0.05;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool dropped = fdatasync(file) == 0 && posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0 &&
                       cached_part(file) <= kMostKept;
  close(file);
  return dropped;
}

constexpr size_t kOriginal = 0, kSecondLoad = 1, kFirstVariant = 2;  // the subjects of a block

/// What is measured on one load of a file.
struct Sample {
  double load_ms = 0, first_token_ms = 0, prompt_tps = 0, generation_tps = 0;
};
/// Each subject's first and second visit.
using Block = std::vector<std::array<Sample, 2>>;

struct Visit {
  size_t subject = 0, turn = 0;
};

/// All subjects forward, then backward: A A' B B A' A.
std::vector<Visit> visits(size_t subjects) {
  std::vector<Visit> order;
  for (size_t subject = 0; subject < subjects; ++subject) order.push_back({subject, 0});
  for (size_t subject = subjects; subject-- > 0;) order.push_back({subject, 1});
  return order;
}

std::vector<SpeedBlock> pairs_of(std::span<const Block> blocks, double Sample::*value, size_t a, size_t b) {
  std::vector<SpeedBlock> pairs;
  for (const Block& block : blocks)
    pairs.push_back({block[a][0].*value, block[b][0].*value, block[b][1].*value, block[a][1].*value});
  return pairs;
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

Result<Block> measure_block(const std::vector<std::string>& paths, const SpeedSettings& settings) {
  Block block(paths.size());
  for (const auto [subject, turn] : visits(paths.size())) {
    const Result<Sample> sample = measure_sample(paths[subject], settings);
    if (!sample) return tl::unexpected(sample.error());
    block[subject][turn] = *sample;
  }
  return block;
}

/// Load times only; absent where a file's pages could not be dropped from the page cache.
std::optional<Block> measure_cold_block(const std::vector<std::string>& paths,
                                        const SpeedSettings& settings) {
  Block block(paths.size());
  for (const auto [subject, turn] : visits(paths.size())) {
    if (!drop_page_cache(paths[subject])) return std::nullopt;
    const Result<TimedModel> model =
        TimedModel::load(paths[subject], settings.threads, settings.prompt_tokens);
    if (!model) return std::nullopt;
    block[subject][turn].load_ms = model->load_ms();
  }
  return block;
}

double median(std::vector<double> values) { return quantile(values, 0.5); }

/// Subject b against subject a.
Result<SpeedResult> summary(std::span<const Block> blocks, double Sample::*value, size_t a, size_t b,
                            bool& outlier) {
  std::vector<double> original, variant;
  const std::vector<SpeedBlock> pairs = pairs_of(blocks, value, a, b);
  for (const SpeedBlock& block : pairs) {
    original.insert(original.end(), {block.first_a, block.second_a});
    variant.insert(variant.end(), {block.first_b, block.second_b});
  }
  Result<SpeedComparison> effect = compare_speed(pairs);
  if (!effect) return tl::unexpected(effect.error());
  Result<SpeedComparison> noise = compare_speed(pairs_of(blocks, value, kOriginal, kSecondLoad));
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

struct Measurements {
  std::vector<Block> warm, cold;
};

Result<SpeedRun> run_of(const Measurements& all, size_t a, size_t b, bool& outlier) {
  SpeedRun run;
  for (const auto& [value, result] :
       {std::pair{&Sample::load_ms, &run.load_ms}, std::pair{&Sample::first_token_ms, &run.first_token_ms},
        std::pair{&Sample::prompt_tps, &run.prompt_tps},
        std::pair{&Sample::generation_tps, &run.generation_tps}}) {
    Result<SpeedResult> found = summary(all.warm, value, a, b, outlier);
    if (!found) return tl::unexpected(found.error());
    *result = std::move(*found);
  }
  if (!all.cold.empty()) {
    bool ignored = false;
    if (Result<SpeedResult> found = summary(all.cold, &Sample::load_ms, a, b, ignored); found)
      run.cold_load_ms = std::move(*found);
  }
  return run;
}

}  // namespace

Result<SpeedTable> measure_speeds(const std::filesystem::path& original,
                                  std::span<const std::filesystem::path> variants,
                                  const SpeedSettings& settings, const std::function<void(int, int)>& tell) {
  std::vector<std::string> paths = {original.string(), original.string()};
  for (const std::filesystem::path& variant : variants) paths.push_back(variant.string());
  SpeedTable table;
  if (busy_share() > 0.1) table.warnings.push_back("busy_machine");
  for (size_t subject = 0; subject < paths.size(); ++subject) {
    if (subject == kSecondLoad) continue;
    // Unmeasured, so that every file is in the page cache.
    if (const auto model = TimedModel::load(paths[subject], settings.threads, settings.prompt_tokens); !model)
      return tl::unexpected(model.error());
  }
  Measurements all;
  for (int done = 0; done < settings.blocks; ++done) {
    tell(done, settings.blocks + 1);
    Result<Block> block = measure_block(paths, settings);
    if (!block) return tl::unexpected(block.error());
    all.warm.push_back(std::move(*block));
  }
  tell(settings.blocks, settings.blocks + 1);
  for (int done = 0; done < settings.cold_blocks; ++done) {
    std::optional<Block> block = measure_cold_block(paths, settings);
    if (!block) {
      all.cold.clear();
      break;
    }
    all.cold.push_back(std::move(*block));
  }

  bool outlier = false;
  for (size_t subject = kFirstVariant; subject < paths.size(); ++subject) {
    Result<SpeedRun> run = run_of(all, kOriginal, subject, outlier);
    if (!run) return tl::unexpected(run.error());
    table.against_original.push_back(std::move(*run));
    if (subject == kFirstVariant) continue;
    Result<SpeedRun> first = run_of(all, subject, kFirstVariant, outlier);
    if (!first) return tl::unexpected(first.error());
    table.first_against.push_back(std::move(*first));
  }
  if (outlier) table.warnings.push_back("speed_outliers");
  return table;
}

Result<SpeedRun> measure_speed(const std::filesystem::path& original, const std::filesystem::path& variant,
                               const SpeedSettings& settings, const std::function<void(int, int)>& tell) {
  Result<SpeedTable> table = measure_speeds(original, std::span(&variant, 1), settings, tell);
  if (!table) return tl::unexpected(table.error());
  SpeedRun run = std::move(table->against_original.front());
  run.warnings = std::move(table->warnings);
  return run;
}

Result<Note> note_of_failure(const Error& error) {
  if (error.code != ErrorCode::kSystem && error.code != ErrorCode::kEngine) return tl::unexpected(error);
  return Note{"speed", "failed", to_string(error)};
}

Verdict judge_speed(const SpeedResult& result, double margin) {
  if (!result.interval90) return Verdict::kInconclusive;
  return judge(Interval{std::log(result.interval90->low), std::log(result.interval90->high)}, margin);
}

}  // namespace fqlab
