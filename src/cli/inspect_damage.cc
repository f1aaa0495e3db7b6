#include "cli/inspect_damage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/format_list.h"
#include "cli/report_folder.h"
#include "cli/terminal.h"
#include "formats/format_details.h"
#include "fqlab/weight_report.h"

namespace fqlab::cli {
namespace {

constexpr size_t kHistogramsPerFormat = 3, kHistogramBins = 120;

std::string share(uint64_t part, uint64_t whole) {
  if (part == 0 || whole == 0) return "0";
  return fmt::format("{:.3g}%", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::vector<std::string> headings(std::string first, bool weighted) {
  std::vector<std::string> names = {std::move(first), ">relative MSE"};
  if (weighted) names.push_back(">weighted");
  names.insert(names.end(), {">SNR dB", ">changed", ">saturated", ">to zero", ">max error"});
  return names;
}

std::vector<std::string> row(std::string first, bool weighted, const FormatSpec& format,
                             const DamageSums& sums) {
  const QuantizeCounts& counts = sums.counts;
  if (counts.values == 0) return std::vector<std::string>{std::move(first), "refused"};
  std::vector<std::string> cells = {std::move(first), fmt::format("{:.3g}", sums.relative_mse())};
  const auto weight = sums.weighted_relative_mse();
  if (weighted) cells.push_back(weight ? fmt::format("{:.3g}", *weight) : "-");
  cells.push_back(sums.snr_db() ? fmt::format("{:.1f}", *sums.snr_db()) : "-");
  cells.push_back(share(counts.changed, counts.values));
  cells.push_back(format.details().counts_saturated() ? share(counts.saturated, counts.values) : "-");
  cells.push_back(share(counts.flushed_to_zero, counts.values));
  cells.push_back(fmt::format("{:.3g}", sums.max_abs_error()));
  return cells;
}

// Kinds or layers as rows, a column of relative MSE for each format, the first format's worst first.
template <class Groups>
std::string matrix(const char* first, const WeightDamage& damage, const Groups& groups_of) {
  using Sums = decltype(groups_of(0));
  std::vector<Sums> columns;
  std::vector<std::string> names = {first};
  for (size_t i = 0; i < damage.formats.size(); ++i) {
    columns.push_back(groups_of(i));
    names.push_back(">" + damage.formats[i].print());
  }
  std::map<typename Sums::key_type, double> all;
  for (const Sums& column : columns)
    for (const auto& [key, sums] : column) all.emplace(key, sums.damage());
  std::vector<std::pair<typename Sums::key_type, double>> order(all.begin(), all.end());
  std::ranges::stable_sort(order, std::greater<>(), [](const auto& entry) { return entry.second; });
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, damage_of_key] : order) {
    rows.push_back({printable(fmt::format("{}", key))});
    for (const Sums& column : columns) {
      const auto found = column.find(key);
      rows.back().push_back(found == column.end() ? "-"
                                                  : fmt::format("{:.3g}", found->second.relative_mse()));
    }
  }
  return rows.empty() ? "" : table(names, rows);
}

void print_text(const WeightReport& report, size_t top) {
  const WeightDamage& damage = report.damage;
  const bool weighted = !report.imatrix_path.empty();
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < damage.formats.size(); ++i)
    rows.push_back(row(damage.formats[i].print(), weighted, damage.formats[i], total_damage(damage, i)));
  fmt::print("{}", table(headings("format", weighted), rows));
  fmt::print("\nRelative MSE by kind\n{}",
             matrix("kind", damage, [&](size_t i) { return damage_by_kind(damage, i); }));
  if (const std::string layers =
          matrix("layer", damage, [&](size_t i) { return damage_by_layer(damage, i); });
      !layers.empty())
    fmt::print("\nRelative MSE by layer\n{}", layers);
  for (size_t i = 0; i < damage.formats.size() && top > 0; ++i) {
    const std::vector<size_t> order = by_damage(damage, i);
    if (order.empty()) continue;
    rows.clear();
    for (size_t k = 0; k < std::min(top, order.size()); ++k) {
      const TensorDamage& tensor = damage.tensors[order[k]];
      rows.push_back(row(printable(tensor.tensor.name), weighted, damage.formats[i], tensor.formats[i].sums));
    }
    fmt::print("\n{}: {} of {} tensors, most damaged first\n{}", damage.formats[i].print(), rows.size(),
               order.size(), table(headings("tensor", weighted), rows));
  }
}

// A format that no tensor can take is a mistake; one that some cannot take is worth a word.
Result<void> judge_refusals(const WeightDamage& damage) {
  for (size_t i = 0; i < damage.formats.size(); ++i) {
    uint64_t refused = 0;
    const TensorDamage* first = nullptr;
    for (const TensorDamage& tensor : damage.tensors)
      if (tensor.formats[i].refused && refused++ == 0) first = &tensor;
    if (refused == 0) continue;
    Error error = *first->formats[i].refused;
    if (refused == damage.tensors.size()) return tl::unexpected(std::move(error));
    say_warning(fmt::format("{} cannot store {} of {} tensors; {}: {}", damage.formats[i].print(), refused,
                            damage.tensors.size(), printable(first->tensor.name), error.what));
  }
  return {};
}

Result<void> add_histograms(const GgufFile& file, int threads, WeightReport& report) {
  for (size_t i = 0; i < report.damage.formats.size(); ++i) {
    report.histograms.emplace_back();
    for (const size_t k : by_damage(report.damage, i)) {
      const TensorDamage& tensor = report.damage.tensors[k];
      if (report.histograms.back().size() == kHistogramsPerFormat || tensor.formats[i].sums.error == 0) break;
      Result<WeightHistogram> histogram =
          measure_histogram(file, tensor, report.damage.formats[i], kHistogramBins, threads);
      if (!histogram) return tl::unexpected(histogram.error());
      report.histograms.back().emplace_back(k, std::move(*histogram));
    }
  }
  return {};
}

Result<WeightReport> measure(const GgufFile& file, std::span<const size_t> tensors,
                             std::span<const FormatSpec> formats, const DamageRequest& request) {
  std::optional<ImportanceMatrix> importance;
  if (!request.imatrix.empty()) {
    Result<ImportanceMatrix> opened = ImportanceMatrix::open(request.imatrix);
    if (!opened) return tl::unexpected(opened.error());
    importance = std::move(*opened);
  }
  Progress progress;
  DamageOptions options;
  options.threads = request.threads;
  options.importance = importance ? &*importance : nullptr;
  options.progress = [&](size_t done, const TensorInfo& tensor) {
    progress.update(done, tensors.size(), printable(tensor.name));
  };
  Result<WeightDamage> damage = measure_damage(file, tensors, formats, options);
  progress.finish();
  if (!damage) return tl::unexpected(damage.error());
  return WeightReport{file.path().string(), file.metadata_string("general.name").value_or(""),
                      file.architecture(),  request.imatrix,
                      std::move(*damage),   {}};
}

}  // namespace

Result<ExitCode> inspect_damage(const GgufFile& file, std::span<const size_t> tensors,
                                const DamageRequest& request) {
  const Result<std::vector<FormatSpec>> formats = parse_formats(request.formats);
  if (!formats) return tl::unexpected(formats.error());
  const Result<std::vector<Language>> languages = parse_languages(request.languages);
  if (!languages) return tl::unexpected(languages.error());
  if (!request.out.empty()) {
    const std::array<InputFile, 2> inputs = {{{"model", file.path()}, {"imatrix", request.imatrix}}};
    if (Result<void> possible = check_report_folder(
            request.out, request.force, {"inspect", *languages, {"inspect.csv"}, /*markdown=*/false}, inputs);
        !possible)
      return tl::unexpected(possible.error());
  }
  Result<WeightReport> report = measure(file, tensors, *formats, request);
  if (!report) return tl::unexpected(report.error());
  if (Result<void> judged = judge_refusals(report->damage); !judged) return tl::unexpected(judged.error());
  if (request.json)
    fmt::print("{}", weight_json(*report));
  else if (request.csv)
    fmt::print("{}", weight_csv(*report));
  else
    print_text(*report, request.top);
  if (request.out.empty()) return kDone;
  if (Result<void> added = add_histograms(file, request.threads, *report); !added)
    return tl::unexpected(added.error());
  const auto written = write_weight_report(*report, *languages, request.out);
  if (!written) return tl::unexpected(written.error());
  for (const std::filesystem::path& path : *written) say("wrote " + path.string());
  return kDone;
}

}  // namespace fqlab::cli
