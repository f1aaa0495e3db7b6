// What the commands that write a report share: where it goes, in which languages, and what it lacks.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "cli/app.h"
#include "fqlab/report.h"
#include "fqlab/result.h"

namespace fqlab::cli {

/// The files of a report: a JSON and its pages, "report.json", "report.html", "report.zh-TW.md" ..., and
/// others.
struct ReportFiles {
  std::string stem;
  std::span<const Language> languages;
  std::vector<std::string> others;
  bool markdown = true;  ///< whether there are pages in Markdown too
};

/// Refuses, before anything is measured, a place where the report could not be written; one that holds an
/// input; and, unless `force`, one that holds any of the `files` already.
Result<void> check_report_folder(const std::filesystem::path& folder, bool force, const ReportFiles& files,
                                 std::span<const InputFile> inputs = {});

Result<std::vector<Language>> parse_languages(std::span<const std::string> texts);

/// Says as errors what was asked for and could not be measured. kFailed where there is such a part, else
/// kDone.
ExitCode say_failures(std::span<const Note> notes);

}  // namespace fqlab::cli
