#include "cli/map_source.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fqlab/map_report.h"
#include "study/read_map.h"

namespace fqlab::cli {
namespace {

Error with_file(Error error, const std::string& path) {
  error.where = error.where.empty() ? path : path + ", " + error.where;
  return error;
}

}  // namespace

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad())
    return fail(ErrorCode::kSystem, "cannot read the file", path, "check its name and your permission");
  return text;
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
  const Result<std::string> text = read_text(path);
  return text && is_map_json(*text);
}

Result<SensitivityMap> read_map_file(const std::string& path) {
  const Result<std::string> text = read_text(path);
  if (!text) return tl::unexpected(text.error());
  Result<SensitivityMap> map = is_study(*text) ? read_map(std::filesystem::path(path)) : parse_map_json(*text);
  if (!map) return tl::unexpected(is_study(*text) ? map.error() : with_file(map.error(), path));
  return completed(std::move(*map));
}

}  // namespace fqlab::cli
