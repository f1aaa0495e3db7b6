// fqlab formats [SPEC] [--json] | fqlab formats apply SPEC --row N
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/system.h"
#include "cli/commands.h"
#include "cli/quantities.h"
#include "cli/terminal.h"
#include "formats/describe.h"
#include "formats/format_details.h"
#include "fqlab/format.h"

namespace fqlab::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FormatsOptions {
  std::string spec;
  bool json = false;
};

struct ApplyOptions {
  std::string spec;
  uint64_t row = 0;
};

/// 2^-9, 448, 3.39e+38: powers of two below 1 and beyond 2^20 as such.
std::string grid_number(const std::optional<double>& value) {
  if (!value) return "-";
  int exponent = 0;
  const bool power = std::frexp(*value, &exponent) == 0.5;
  if (power && (*value < 0.5 || *value > 0x1p20)) return fmt::format("2^{}", exponent - 1);
  return fmt::format("{:.6g}", *value);
}

void print_list(const std::vector<FormatFacts>& all) {
  std::vector<std::vector<std::string>> rows;
  rows.reserve(all.size());
  for (const FormatFacts& facts : all)
    rows.push_back({facts.spec, fmt::format("{:.4g}", facts.bits_per_weight), grid_number(facts.largest),
                    grid_number(facts.smallest_step), facts.specials, facts.granularity});
  fmt::print("{}",
             table({"format", ">bits/weight", ">largest", ">smallest step", "specials", "scales"}, rows));
  fmt::print(
      "\nBits per weight include the scales of a 4096 x 4096 matrix. 'fqlab formats SPEC' explains one "
      "format; "
      "the grammar is in docs/formats.md.\n");
}

Json to_json(const FormatFacts& facts) {
  const auto value = [](const std::optional<double>& x) { return x ? Json(*x) : Json(nullptr); };
  return {{"spec", facts.spec},
          {"note", facts.note},
          {"bits_per_weight", facts.bits_per_weight},
          {"largest", value(facts.largest)},
          {"smallest_normal", value(facts.smallest_normal)},
          {"smallest_step", value(facts.smallest_step)},
          {"specials", facts.specials},
          {"granularity", facts.granularity}};
}

/// A ruler from 0 to the largest number with a mark for every number of the grid.
std::string ruler(const std::vector<double>& values) {
  constexpr size_t kWidth = 96;
  std::string marks(kWidth + 1, '.');
  for (const double value : values)
    marks[static_cast<size_t>(std::lround(value / values.back() * kWidth))] = '|';
  const std::string end = grid_number(values.back());
  return marks + "\n0" + std::string(kWidth + 1 - 1 - end.size(), ' ') + end + "\n";
}

/// The numbers of each power of two, so that the small ones can be seen too.
std::string binades(const std::vector<double>& values) {
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 1; i < values.size();) {
    const int exponent = std::ilogb(values[i]);
    std::string list;
    size_t count = 0;
    const double first = values[i];
    double step = values[i] - values[i - 1];
    for (; i < values.size() && std::ilogb(values[i]) == exponent; ++i, ++count) {
      if (count == 1) step = values[i] - values[i - 1];
      if (count < 8) list += (list.empty() ? "" : " ") + fmt::format("{:.7g}", values[i]);
    }
    if (count > 8) list += fmt::format(" ... {:.7g}", values[i - 1]);
    rows.push_back(
        {grid_number(std::exp2(std::ilogb(first))), std::to_string(count), grid_number(step), list});
  }
  return table({"from", ">numbers", ">step", "they are"}, rows);
}

void print_one(const FormatSpec& format) {
  const FormatFacts facts = describe(format);
  fmt::print("format           {}\n", facts.spec);
  fmt::print("is               {}\n", facts.note);
  fmt::print("bits per weight  {:.6g} in a 4096 x 4096 matrix\n", facts.bits_per_weight);
  fmt::print("largest          {}\n", grid_number(facts.largest));
  fmt::print("smallest normal  {}\n", grid_number(facts.smallest_normal));
  fmt::print("smallest step    {}\n", grid_number(facts.smallest_step));
  fmt::print("specials         {}\n", facts.specials);
  fmt::print("scales           {}\n", facts.granularity);
  const std::vector<double> values = magnitudes(format);
  if (values.size() < 2) return;
  fmt::print("\nIts {} magnitudes{}\n{}\n{}", values.size(),
             facts.granularity == "no scale" ? ":" : ", times the scale:", ruler(values), binades(values));
}

Result<ExitCode> run_formats(const FormatsOptions& options) {
  if (options.spec.empty()) {
    const std::vector<FormatFacts> all = all_format_facts();
    if (!options.json) {
      print_list(all);
      return kDone;
    }
    Json out = {{"schema_version", 1}, {"formats", Json::array()}};
    for (const FormatFacts& facts : all) out["formats"].push_back(to_json(facts));
    fmt::print("{}\n", out.dump(2));
    return kDone;
  }
  const Result<FormatSpec> format = FormatSpec::parse(options.spec);
  if (!format) return tl::unexpected(format.error());
  if (options.json) {
    Json out = to_json(describe(*format));
    out["magnitudes"] = magnitudes(*format);
    fmt::print("{}\n", out.dump(2));
  } else {
    print_one(*format);
  }
  return kDone;
}

Result<std::string> read_stdin() {
  std::string bytes;
  std::vector<char> buffer(size_t{1} << 20);
  while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), stdin))
    bytes.append(buffer.data(), got);
  if (std::ferror(stdin) != 0) return fail(ErrorCode::kSystem, "cannot read the standard input");
  return bytes;
}

Result<ExitCode> run_apply(const ApplyOptions& options) {
  static_assert(std::endian::native == std::endian::little, "the filter's bytes are little-endian float32");
  const Result<FormatSpec> format = FormatSpec::parse(options.spec);
  if (!format) return tl::unexpected(format.error());
  if (options.row == 0) return fail(ErrorCode::kUsage, "a row has at least one value", "--row 0");
  if (!format->details().imatrix_file.empty())
    return fail(ErrorCode::kUsage, "a filter has no tensor to look up in an imatrix", format->print(),
                "take a format without one, or fqlab quantize or inspect for a model's tensors");
  const Result<std::string> bytes = read_stdin();
  if (!bytes) return tl::unexpected(bytes.error());
  if (bytes->size() % sizeof(float) != 0)
    return fail(ErrorCode::kInput,
                fmt::format("{} bytes are not whole float32 values of 4 bytes", bytes->size()),
                "standard input");
  std::vector<float> values(bytes->size() / sizeof(float));
  std::memcpy(values.data(), bytes->data(), bytes->size());
  if (values.size() % options.row != 0)
    return fail(ErrorCode::kInput,
                fmt::format("{} values are not whole rows of {}", values.size(), options.row),
                "standard input");
  const auto counts = fake_quantize(*format, values, values, options.row, {hardware_threads(), {}});
  if (!counts) return tl::unexpected(counts.error());
  std::fwrite(values.data(), sizeof(float), values.size(), stdout);
  return kDone;  // the caller notices a failed write when it flushes
}

}  // namespace

void add_formats(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("formats", "List the number formats, explain one, or apply one to raw floats");
  auto options = std::make_shared<FormatsOptions>();
  command->add_option("SPEC", options->spec, "a format spec such as fp8_e4m3, mxfp4 or int4:g32:sym");
  command->add_flag("--json", options->json, "print JSON");
  CLI::App* apply = command->add_subcommand(
      "apply", "Filter: float32 (little-endian) from stdin, fake-quantized to stdout");
  auto apply_options = std::make_shared<ApplyOptions>();
  apply->add_option("SPEC", apply_options->spec, "a format spec")->required();
  apply->add_option("--row", apply_options->row, "values in a row of the matrix")
      ->check(refuse_negative)
      ->required();
  command->callback([&action, options, apply, apply_options] {
    if (apply->parsed())
      action = [apply_options] { return run_apply(*apply_options); };
    else
      action = [options] { return run_formats(*options); };
  });
}

}  // namespace fqlab::cli
