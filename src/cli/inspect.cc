// fqlab inspect MODEL [--select S] [--format SPEC,...] [--json|--csv] [--out DIR]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <tuple>

#include "base/system.h"
#include "cli/commands.h"
#include "cli/inspect_damage.h"
#include "cli/quantities.h"
#include "cli/terminal.h"
#include "fqlab/gguf.h"
#include "fqlab/recipe.h"
#include "fqlab/weight_damage.h"
#include "recipe/layer_list.h"

namespace fqlab::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string model;
  std::string select;
  DamageRequest damage;  // with the options that both views share
};

struct InspectedTensor {
  TensorInfo info;
  TensorName name;
  std::optional<WeightProfile> profile;  // of F32, F16 and BF16 tensors
};

/// Tensors of one kind, type and shape, whatever their layer.
struct Group {
  std::set<int> layers;
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};
using Groups = std::vector<std::pair<std::tuple<std::string, GgmlType, std::vector<uint64_t>>, Group>>;

Result<std::vector<size_t>> choose(const GgufFile& file, const std::string& select_text) {
  if (!select_text.empty()) {
    const Result<Selector> selector = Selector::parse(select_text);
    if (!selector) return tl::unexpected(selector.error());
    return select(*selector, file.tensors());
  }
  std::vector<size_t> all(file.tensors().size());
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

Result<std::vector<InspectedTensor>> inspect(const GgufFile& file, std::span<const size_t> chosen,
                                             int threads) {
  std::vector<InspectedTensor> tensors;
  for (const size_t index : chosen) {
    const TensorInfo& info = file.tensors()[index];
    InspectedTensor tensor{info, parse_tensor_name(info.name), {}};
    if (is_wide_float(info.type)) {
      const Result<WeightDamage> measured = measure_damage(file, {&index, 1}, {}, {threads, nullptr, {}});
      if (!measured) return tl::unexpected(measured.error());
      tensor.profile = measured->tensors.front().profile;
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::string exponents_text(const WeightProfile& profile) {
  const auto exponents = profile.exponents();
  return exponents ? fmt::format("{}..{}", exponents->first, exponents->second) : "-";
}

// In the order in which the kinds first appear in the file.
Groups group(const std::vector<InspectedTensor>& tensors) {
  Groups groups;
  std::map<std::tuple<std::string, GgmlType, std::vector<uint64_t>>, size_t> places;
  for (const InspectedTensor& tensor : tensors) {
    const auto key = std::tuple(tensor.name.kind, tensor.info.type, tensor.info.shape);
    const auto [place, added] = places.emplace(key, groups.size());
    if (added) groups.emplace_back(key, Group());
    Group& group = groups[place->second].second;
    if (tensor.name.layer) group.layers.insert(*tensor.name.layer);
    ++group.tensors;
    group.bytes += tensor.info.bytes;
  }
  return groups;
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

void print_text(const GgufFile& file, const std::vector<InspectedTensor>& tensors) {
  fmt::print("file          {}\n", printable(file.path().string()));
  fmt::print("size          {} bytes, GGUF version {}\n", with_commas(file.file_bytes()), file.version());
  if (const auto name = file.metadata_string("general.name"))
    fmt::print("name          {}\n", printable(*name));
  fmt::print("architecture  {}\n", printable(file.architecture()));
  fmt::print("parameters    {} in {} tensors\n\n", with_commas(file.parameters()), file.tensors().size());

  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, group] : group(tensors)) {
    const auto& [kind, type, shape] = key;
    rows.push_back({printable(kind), group.layers.empty() ? "-" : layer_list(group.layers), type_name(type),
                    shape_text(shape), with_commas(group.tensors), with_commas(group.bytes)});
  }
  fmt::print("{}", table({"kind", "layers", "type", "shape", ">tensors", ">bytes"}, rows));

  rows.clear();
  for (const InspectedTensor& tensor : tensors)
    if (tensor.profile) {
      const WeightProfile& profile = *tensor.profile;
      rows.push_back({printable(tensor.info.name), type_name(tensor.info.type), with_commas(profile.values),
                      with_commas(profile.not_bf16_exact), with_commas(profile.not_tf32_exact),
                      with_commas(profile.not_f16_exact), std::to_string(profile.mantissa_bits()),
                      exponents_text(profile), with_commas(profile.zeros),
                      with_commas(profile.nan + profile.infinite)});
    }
  if (rows.empty()) return;
  fmt::print(
      "\nValues that a 16-bit or TF32 cast would change (0: fake quantization to it is an empty "
      "experiment)\n{}",
      table({"tensor", "type", ">values", ">not bf16-exact", ">not tf32", ">not f16-exact", ">mantissa bits",
             ">exponents", ">zeros", ">NaN, Inf"},
            rows));
}

void print_json(const GgufFile& file, const std::vector<InspectedTensor>& tensors) {
  Json out = {{"schema_version", 1},
              {"path", file.path().string()},
              {"bytes", file.file_bytes()},
              {"gguf_version", file.version()},
              {"architecture", file.architecture()},
              {"name", nullptr},
              {"parameters", file.parameters()},
              {"kinds", Json::array()},
              {"tensors", Json::array()}};
  if (const auto name = file.metadata_string("general.name")) out["name"] = *name;
  for (const auto& [key, group] : group(tensors)) {
    const auto& [kind, type, shape] = key;
    out["kinds"].push_back({{"kind", kind},
                            {"layers", group.layers},
                            {"type", type_name(type)},
                            {"shape", shape},
                            {"tensors", group.tensors},
                            {"bytes", group.bytes}});
  }
  for (const InspectedTensor& tensor : tensors) {
    Json row = {{"name", tensor.info.name},
                {"layer", nullptr},
                {"kind", tensor.name.kind},
                {"type", type_name(tensor.info.type)},
                {"shape", tensor.info.shape},
                {"values", tensor.info.values()},
                {"bytes", tensor.info.bytes},
                {"not_bf16_exact", nullptr},
                {"not_tf32_exact", nullptr},
                {"not_f16_exact", nullptr},
                {"mantissa_bits", nullptr},
                {"smallest_exponent", nullptr},
                {"largest_exponent", nullptr},
                {"zeros", nullptr},
                {"nan", nullptr},
                {"infinite", nullptr}};
    if (tensor.name.layer) row["layer"] = *tensor.name.layer;
    if (const auto& profile = tensor.profile) {
      row["not_bf16_exact"] = profile->not_bf16_exact;
      row["not_tf32_exact"] = profile->not_tf32_exact;
      row["not_f16_exact"] = profile->not_f16_exact;
      row["mantissa_bits"] = profile->mantissa_bits();
      row["zeros"] = profile->zeros;
      row["nan"] = profile->nan;
      row["infinite"] = profile->infinite;
      if (const auto exponents = profile->exponents()) {
        row["smallest_exponent"] = exponents->first;
        row["largest_exponent"] = exponents->second;
      }
    }
    out["tensors"].push_back(std::move(row));
  }
  fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
}

Result<ExitCode> run_inspect(const InspectOptions& options) {
  const Result<GgufFile> file = GgufFile::open(options.model);
  if (!file) return tl::unexpected(file.error());
  const Result<std::vector<size_t>> chosen = choose(*file, options.select);
  if (!chosen) return tl::unexpected(chosen.error());
  if (!options.damage.formats.empty()) return inspect_damage(*file, *chosen, options.damage);
  const auto tensors = inspect(*file, *chosen, options.damage.threads);
  if (!tensors) return tl::unexpected(tensors.error());
  options.damage.json ? print_json(*file, *tensors) : print_text(*file, *tensors);
  return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "inspect", "Show a model's tensors, which values fit 16 bits, and what number formats do to them");
  auto options = std::make_shared<InspectOptions>();
  DamageRequest& damage = options->damage;
  damage.threads = hardware_threads();
  command->add_option("MODEL", options->model, "a GGUF file")->required();
  command->add_option("--select", options->select,
                      "only these tensors: [LAYERS/]KINDS or re:/REGEX/, such as 0-2/ffn_norm");
  command->add_option("--format", damage.formats, "number formats to apply to the weights: SPEC[,SPEC...]")
      ->delimiter(',');
  command->add_option("--imatrix", damage.imatrix, "llama.cpp's imatrix GGUF file: also weigh errors by it");
  command->add_option("--top", damage.top, "tensors to list for each format")
      ->check(refuse_negative)
      ->capture_default_str();
  command->add_flag("--json", damage.json, "print JSON");
  command->add_flag("--csv", damage.csv, "print CSV, one row for each tensor and format");
  command->add_option("--out", damage.out,
                      "folder for a web page with heatmaps and histograms, inspect.json and inspect.csv");
  command->add_option("--lang", damage.languages, "language of the page: en, zh-TW, or both with a comma")
      ->delimiter(',')
      ->capture_default_str();
  command->add_flag("--force", damage.force, "replace an existing page");
  command->add_option("--threads", damage.threads, "number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  // Options that would do nothing are mistakes.
  command->get_option("--csv")->excludes("--json");
  for (const char* whole : {"--csv", "--json"}) command->get_option("--top")->excludes(whole);
  for (const char* of_formats : {"--imatrix", "--top", "--csv", "--out"})
    command->get_option(of_formats)->needs("--format");
  for (const char* of_page : {"--lang", "--force"}) command->get_option(of_page)->needs("--out");
  command->callback([&action, options] { action = [options] { return run_inspect(*options); }; });
}

}  // namespace fqlab::cli
