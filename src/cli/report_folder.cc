#include "cli/report_folder.h"

#include "base/atomic_file.h"

namespace fqlab::cli {

namespace fs = std::filesystem;

Result<void> check_report_folder(const fs::path& folder, bool force) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored))
    return fail(ErrorCode::kUsage, "--out is a file; it must be a folder", folder.string(), "name another folder");
  if (fs::is_directory(folder, ignored)) {
    for (const char* name : {"report.json", "report.md"})
      if (Result<void> possible = check_output(folder / name, force ? Existing::kReplace : Existing::kRefuse); !possible)
        return possible;
    return {};
  }
  fs::path parent = fs::absolute(folder).parent_path();
  while (!fs::exists(parent, ignored) && parent.has_relative_path()) parent = parent.parent_path();
  return check_output(parent / ".fqlab-report-would-be-here", Existing::kRefuse);
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
