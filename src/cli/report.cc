// fqlab report A/report.json B/report.json ... --out DIR: comparisons side by side, or one rendered again.
// fqlab report STUDY --out DIR [--predict F]: the map of a sweep.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iterator>
#include <memory>
#include <span>

#include "base/atomic_file.h"
#include "base/read_file.h"
#include "cli/commands.h"
#include "cli/map_source.h"
#include "cli/report_folder.h"
#include "fqlab/map_report.h"
#include "fqlab/report.h"

namespace fqlab::cli {
namespace {

struct ReportOptions {
  std::vector<std::string> inputs, languages = {"en"};
  std::string out;
  bool force = false;
  PredictionOptions predictions;
};

Result<std::vector<Comparison>> read_comparisons(const std::string& path) {
  const Result<std::string> text =
      read_text_file(path, "give the report.json of a comparison, or a study of fqlab sweep");
  if (!text) return tl::unexpected(text.error());
  Result<std::vector<Comparison>> comparisons = parse_comparison_json(*text);
  if (!comparisons) return tl::unexpected(with_file(comparisons.error(), path));
  return comparisons;
}

std::vector<InputFile> inputs_of(const ReportOptions& options) {
  std::vector<InputFile> inputs;
  for (const std::string& input : options.inputs) inputs.push_back({"report", input});
  return inputs;
}

Result<ExitCode> report_map(const ReportOptions& options, std::span<const Language> languages) {
  if (options.inputs.size() > 1)
    return fail(ErrorCode::kUsage, "a map is reported by itself", "REPORT",
                "give one study or map.json, or report.json files only");
  ReportFiles files{"map", languages, {}};
  for (ExportFile& file : map_csv(SensitivityMap())) files.others.push_back(std::move(file.name));
  if (Result<void> possible = check_report_folder(options.out, options.force, files, inputs_of(options));
      !possible)
    return tl::unexpected(possible.error());
  const Result<SensitivityMap> map = read_map_file(options.inputs.front(), options.predictions);
  if (!map) return tl::unexpected(map.error());
  const auto paths = write_map_report(*map, languages, options.out);
  if (!paths) return tl::unexpected(paths.error());
  for (const std::filesystem::path& path : *paths) fmt::print("{}\n", path.string());
  return kDone;
}

Result<ExitCode> run_report(const ReportOptions& options) {
  const Result<std::vector<Language>> languages = parse_languages(options.languages);
  if (!languages) return tl::unexpected(languages.error());
  for (const std::string& input : options.inputs)
    if (holds_map(input)) return report_map(options, *languages);
  if (!options.predictions.formats.empty())
    return fail(ErrorCode::kUsage, "comparisons have nothing to predict from", "--predict",
                "give a study or a map.json");
  if (Result<void> possible =
          check_report_folder(options.out, options.force, {"report", *languages, {}}, inputs_of(options));
      !possible)
    return tl::unexpected(possible.error());
  std::vector<Comparison> all;
  for (const std::string& input : options.inputs) {
    Result<std::vector<Comparison>> comparisons = read_comparisons(input);
    if (!comparisons) return tl::unexpected(comparisons.error());
    all.insert(all.end(), std::make_move_iterator(comparisons->begin()),
               std::make_move_iterator(comparisons->end()));
  }
  fmt::print("{}", comparison_table(all, languages->front()));
  for (const std::string& reason : comparison_reasons(all, languages->front())) fmt::print("{}\n", reason);
  const auto paths = write_report(all, *languages, options.out);
  if (!paths) return tl::unexpected(paths.error());
  for (const std::filesystem::path& path : *paths) fmt::print("{}\n", path.string());
  return kDone;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("report", "Write the map of a study, or put comparisons side by side");
  auto options = std::make_shared<ReportOptions>();
  command
      ->add_option(
          "REPORT", options->inputs,
          "a study file of fqlab sweep or fqlab plan, or its map.json; or report.json files of fqlab compare")
      ->required();
  command->add_option("--lang", options->languages, "language of the report: en, zh-TW, or both with a comma")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--out", options->out, "folder for the new report")->required();
  command->add_flag("--force", options->force, "replace an existing report");
  add_prediction_options(*command, options->predictions);
  command->callback([&action, options] { action = [options] { return run_report(*options); }; });
}

}  // namespace fqlab::cli
