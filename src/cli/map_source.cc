#include "cli/map_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/hash.h"
#include "base/read_file.h"
#include "base/system.h"
#include "cli/format_list.h"
#include "cli/quantities.h"
#include "cli/terminal.h"
#include "fqlab/map_report.h"
#include "plan/predict_cells.h"
#include "study/read_map.h"

namespace fqlab::cli {
namespace {

/// The model of the map, by its hash.
Result<GgufFile> open_measured_model(const SensitivityMap& map, const std::string& given) {
  const std::string path = given.empty() ? map.study.model_path : given;
  Result<GgufFile> file = GgufFile::open(path);
  if (!file) {
    Error error = file.error();
    if (given.empty()) error.hint = "give the model that was measured with --model";
    return tl::unexpected(std::move(error));
  }
  const Result<std::string> hash = sha256_of_file(path);
  if (!hash) return tl::unexpected(hash.error());
  if (*hash != map.study.model_sha256)
    return fail(ErrorCode::kInput, "this is not the model that was measured", path,
                "give the one with SHA-256 " + map.study.model_sha256 + " with --model");
  return file;
}

std::vector<size_t> tensors_of(const SensitivityMap& map, const GgufFile& file) {
  std::set<std::string> names;
  for (const MapGroup& group : map.groups) names.insert(group.tensors.begin(), group.tensors.end());
  std::vector<size_t> tensors;
  for (size_t i = 0; i < file.tensors().size(); ++i)
    if (names.contains(file.tensors()[i].name)) tensors.push_back(i);
  return tensors;
}

std::string quality(const FormatPrediction& prediction, const std::string& format) {
  std::string text = fmt::format(
      "{}: {} predicted from weight errors. Predicted in the same way, {} measured {} off by a factor of "
      "{:.2f}",
      format, counted(prediction.cells.size(), "cell"), prediction.held_out,
      prediction.calibrated ? "cells of it are" : "cells of other formats are",
      std::exp(prediction.log_error));
  std::vector<std::string> more;
  if (prediction.spearman) more.push_back(fmt::format("rank correlation {:.3f}", *prediction.spearman));
  if (prediction.coverage)
    more.push_back(fmt::format("{:.0f} % inside their 95 % intervals", 100 * *prediction.coverage));
  return more.empty() ? text : fmt::format("{} ({})", text, fmt::join(more, ", "));
}

Result<void> add_predictions(SensitivityMap& map, const PredictionOptions& options) {
  std::vector<std::string> wanted = options.formats;
  for (const std::string& format : map.formats)
    // A plan's "real:" types round the activations too, so their damage does not follow from the weights.
    if (FormatSpec::parse(format)) wanted.push_back(format);
  const Result<std::vector<FormatSpec>> formats = parse_formats(wanted);
  if (!formats) return tl::unexpected(formats.error());
  std::optional<ImportanceMatrix> importance;
  if (!options.imatrix.empty()) {
    Result<ImportanceMatrix> opened = ImportanceMatrix::open(options.imatrix);
    if (!opened) return tl::unexpected(opened.error());
    importance = std::move(*opened);
  }
  const Result<GgufFile> file = open_measured_model(map, options.model);
  if (!file) return tl::unexpected(file.error());
  const std::vector<size_t> tensors = tensors_of(map, *file);
  Progress progress;
  DamageOptions damage_options;
  damage_options.threads = hardware_threads();
  damage_options.importance = importance ? &*importance : nullptr;
  damage_options.progress = [&](size_t done, const TensorInfo& tensor) {
    progress.update(done, tensors.size(), "weight errors of " + printable(tensor.name));
  };
  const Result<WeightDamage> damage = measure_damage(*file, tensors, *formats, damage_options);
  progress.finish();
  if (!damage) return tl::unexpected(damage.error());
  const std::vector<FormatPrediction> predictions = predict_cells(map, *damage);
  for (const FormatPrediction& prediction : predictions)
    say(quality(prediction, map.formats[prediction.format]));
  for (const FormatSpec& format : *formats) {
    const std::string& text = format.print();
    const auto has_cells = [&](const MapCell& cell) { return map.formats[cell.format] == text; };
    if (std::ranges::none_of(map.cells, has_cells))
      say_warning(text +
                  ": nothing can be predicted; that takes two other formats that were measured, or a few "
                  "measured cells of this one and another format");
  }
  return {};
}

}  // namespace

Error with_file(Error error, const std::string& path) {
  error.where = error.where.empty() ? path : path + ", " + error.where;
  return error;
}

bool is_study(std::string_view contents) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  return contents.starts_with(kMagic);
}

bool holds_map(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string first(16, '\0');
  if (!file.read(first.data(), static_cast<std::streamsize>(first.size()))) return false;
  if (is_study(first)) return true;
  const Result<std::string> text = read_text_file(path);
  return text && is_map_json(*text);
}

void add_prediction_options(CLI::App& command, PredictionOptions& options) {
  CLI::Option* predict =
      command
          .add_option(
              "--predict", options.formats,
              "also predict these number formats, from the error of the weights and the measured formats")
          ->delimiter(',');
  command
      .add_option("--imatrix", options.imatrix,
                  "importance matrix that weighs the errors for --predict (see fqlab imatrix)")
      ->needs(predict);
  command
      .add_option("--model", options.model,
                  "the measured model for --predict, where it is no longer where the study says")
      ->needs(predict);
}

Result<SensitivityMap> read_map_file(const std::string& path, const PredictionOptions& predictions) {
  const Result<std::string> text = read_file(path);
  if (!text) return tl::unexpected(text.error());
  Result<SensitivityMap> map =
      is_study(*text) ? read_map(std::filesystem::path(path)) : parse_map_json(*text);
  if (!map) return tl::unexpected(is_study(*text) ? map.error() : with_file(map.error(), path));
  if (!predictions.formats.empty())
    if (Result<void> added = add_predictions(*map, predictions); !added) return tl::unexpected(added.error());
  return completed(std::move(*map));
}

}  // namespace fqlab::cli
