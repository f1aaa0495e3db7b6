#include "base/read_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

namespace fqlab {
namespace {

enum class Contents { kBytes, kText };

Result<std::string> read(const std::filesystem::path& path, Contents contents) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(ErrorCode::kSystem, "this is a folder, not a file", path.string(), "give the path of a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string all;
  std::vector<char> block(size_t{1} << 20);
  do {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    const std::string_view found(block.data(), static_cast<size_t>(file.gcount()));
    if (contents == Contents::kText && found.find('\0') != found.npos)
      return fail(ErrorCode::kInput, "this is no text: a zero byte stands in it", path.string(),
                  "give a text in UTF-8");
    all += found;
  } while (file);
  if (!file.is_open() || file.bad())
    return fail(
        ErrorCode::kSystem,
        std::string("cannot read the file") + (errno == 0 ? "" : std::string(": ") + std::strerror(errno)),
        path.string(), "check its name and your permission");
  return all;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path) { return read(path, Contents::kBytes); }

Result<std::string> read_text_file(const std::filesystem::path& path, std::string_view hint) {
  Result<std::string> text = read(path, Contents::kText);
  if (!text && !hint.empty()) text.error().hint = hint;
  return text;
}

}  // namespace fqlab
