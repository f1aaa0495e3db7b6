#include "report/report_files.h"

#include "base/atomic_file.h"

namespace fqlab::report {

std::string language_suffix(std::span<const Language> languages, size_t index) {
  return index == 0 ? "" : languages[index] == Language::kEnglish ? ".en" : ".zh-TW";
}

Result<std::vector<std::filesystem::path>> write_files(std::span<const ExportFile> files,
                                                       const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(ErrorCode::kSystem, "cannot make the folder: " + error.message(), folder.string(),
                "choose another folder with --out");
  std::vector<std::filesystem::path> written;
  for (const ExportFile& file : files) {
    if (auto done = write_file_atomically(folder / file.name, file.content, Existing::kReplace); !done)
      return tl::unexpected<Error>(done.error());
    written.push_back(folder / file.name);
  }
  return written;
}

}  // namespace fqlab::report
