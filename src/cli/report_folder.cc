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
  // Whether a folder can be made is best asked by making it: a permission bit says little to root or of
  // /proc.
  fs::path first_new = fs::absolute(folder).lexically_normal();
  if (!first_new.has_filename()) first_new = first_new.parent_path();
  while (first_new.has_relative_path() && !fs::exists(first_new.parent_path(), ignored))
    first_new = first_new.parent_path();
  std::error_code error;
  fs::create_directories(folder, error);
  fs::remove_all(first_new, ignored);
  if (error)
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
