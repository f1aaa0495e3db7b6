// What people mean by a budget.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

#include "study/plan_search.h"

namespace fqlab {
namespace {

constexpr std::string_view kForms = "write 105MB, 100MiB, 4.8bpw, like:Q4_K_M or like:FILE.gguf";

std::optional<double> leading_number(std::string_view text, std::string_view& rest) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value > 0) || !std::isfinite(value)) return std::nullopt;
  rest = text.substr(static_cast<size_t>(end - text.data()));
  return value;
}

Result<uint64_t> like(const std::string& name, const PlanSpace& space, bool with_imatrix) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(name, ignored)) {
    const Result<GgufFile> file = GgufFile::open(name);
    if (!file) return tl::unexpected(file.error());
    return file->file_bytes();
  }
  const Result<std::vector<TensorType>> mix = stock_mix(space.file(), name, with_imatrix);
  if (!mix) {
    Error error = mix.error();
    if (error.code == ErrorCode::kUsage)
      error.what = fmt::format("there is neither such a file nor such a mix of llama-quantize: '{}'", name);
    error.where = "--budget like:" + name;
    if (error.hint.empty())
      error.hint = fmt::format("mixes are {}; or check the path", fmt::join(stock_mixes(), ", "));
    return tl::unexpected(std::move(error));
  }
  std::vector<GgmlType> types;
  for (const TensorType& tensor : *mix) types.push_back(tensor.type);
  return space.file_bytes(types);
}

}  // namespace

Result<uint64_t> parse_budget(std::string_view text, const PlanSpace& space, bool with_imatrix) {
  constexpr std::string_view kLike = "like:";
  if (text.starts_with(kLike)) return like(std::string(text.substr(kLike.size())), space, with_imatrix);
  std::string_view unit;
  const std::optional<double> number = leading_number(text, unit);
  double scale = 0;
  if (unit == "bpw") {
    scale = static_cast<double>(space.file().parameters()) / 8;
  } else {
    constexpr std::pair<std::string_view, double> kUnits[] = {
        {"B", 1},    {"", 1},         {"kB", 1e3},     {"MB", 1e6},
        {"GB", 1e9}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
    for (const auto& [name, bytes] : kUnits)
      if (unit == name) scale = bytes;
  }
  if (!number || scale == 0 || *number * scale > 1e15)
    return fail(ErrorCode::kUsage, fmt::format("'{}' is no size of a file", text), "--budget",
                std::string(kForms));
  return static_cast<uint64_t>(*number * scale);
}

}  // namespace fqlab
