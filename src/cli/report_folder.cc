#include "cli/report_folder.h"

#include "base/atomic_file.h"

namespace fqlab::cli {

namespace fs = std::filesystem;

Result<void> check_report_folder(const fs::path& folder, bool force,
                                 std::initializer_list<const char*> names) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored))
    return fail(ErrorCode::kUsage, "--out is a file; it must be a folder", folder.string(),
                "name another folder");
  if (fs::is_directory(folder, ignored)) {
    for (const char* name : names)
      if (Result<void> possible = check_output(folder / name, force ? Existing::kReplace : Existing::kRefuse);
          !possible)
        return possible;
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

}  // namespace fqlab::cli
