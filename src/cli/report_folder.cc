#include "cli/report_folder.h"

#include "cli/terminal.h"
#include "report/report_files.h"

namespace fqlab::cli {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> names_of(const ReportFiles& files) {
  std::vector<std::string> names = files.others;
  names.push_back(files.stem + ".json");
  for (size_t i = 0; i < files.languages.size(); ++i) {
    const std::string page = files.stem + report::language_suffix(files.languages, i);
    names.push_back(page + ".html");
    if (files.markdown) names.push_back(page + ".md");
  }
  return names;
}

/// Whether a folder can be made is best asked by making it: a permission bit says little to root or of /proc.
/// Only what was made here goes again, innermost first, and only while it is empty: another program may write
/// below it.
std::error_code try_to_make(const fs::path& folder) {
  std::vector<fs::path> made;
  std::error_code error, ignored;
  fs::path so_far;
  for (const fs::path& part : folder) {
    so_far /= part;
    if (part.empty() || fs::is_directory(so_far, ignored)) continue;
    if (fs::create_directory(so_far, error)) made.push_back(so_far);
    if (error) break;
  }
  for (auto innermost = made.rbegin(); innermost != made.rend(); ++innermost) fs::remove(*innermost, ignored);
  return error;
}

}  // namespace

Result<void> check_report_folder(const fs::path& folder, bool force, const ReportFiles& files,
                                 std::span<const InputFile> inputs) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored))
    return fail(ErrorCode::kUsage, "--out is a file; it must be a folder", folder.string(),
                "name another folder");
  if (fs::is_directory(folder, ignored)) {
    const Existing existing = force ? Existing::kReplace : Existing::kRefuse;
    for (const std::string& name : names_of(files))
      if (Result<void> possible = check_output(folder / name, existing, inputs); !possible) return possible;
    return {};
  }
  if (const std::error_code error = try_to_make(folder))
    return fail(ErrorCode::kSystem, "the report's folder cannot be made: " + error.message(), folder.string(),
                "name a folder below one that you may write to");
  return {};
}

Result<std::vector<Language>> parse_languages(std::span<const std::string> texts) {
  std::vector<Language> languages;
  for (const std::string& text : texts) {
    Result<Language> language = parse_language(text);
    if (!language) return tl::unexpected(language.error());
    languages.push_back(*language);
  }
  return languages;
}

ExitCode say_failures(std::span<const Note> notes) {
  ExitCode code = kDone;
  for (const Note& note : notes) {
    if (note.detail.empty()) continue;
    say_error(note.key + " was not measured: " + note.detail);
    code = kFailed;
  }
  return code;
}

}  // namespace fqlab::cli
