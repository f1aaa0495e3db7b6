// fqlab inspect MODEL [--select S] [--json]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "cli/commands.h"
#include "cli/layer_list.h"
#include "cli/terminal.h"
#include "fqlab/gguf.h"
#include "fqlab/recipe.h"

namespace fqlab::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model;
  std::string select;
  bool json = false;
};

struct InspectedTensor {
  TensorInfo info;
  TensorName name;
  std::optional<Exactness> exactness;  // of F32, F16 and BF16 tensors
};

/// Tensors of one kind, type and shape, whatever their layer.
struct Group {
  std::set<int> layers;
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};
using Groups = std::vector<std::pair<std::tuple<std::string, GgmlType, std::vector<uint64_t>>, Group>>;

Result<std::vector<InspectedTensor>> inspect(const GgufFile& file, const std::string& select_text) {
  std::vector<size_t> chosen(file.tensors().size());
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = i;
  if (!select_text.empty()) {
    const Result<Selector> selector = Selector::parse(select_text);
    if (!selector) return tl::unexpected(selector.error());
    Result<std::vector<size_t>> selected = select(*selector, file.tensors());
    if (!selected) return tl::unexpected(selected.error());
    chosen = std::move(*selected);
  }
  std::vector<InspectedTensor> tensors;
  for (const size_t index : chosen) {
    const TensorInfo& info = file.tensors()[index];
    InspectedTensor tensor{info, parse_tensor_name(info.name), {}};
    if (info.type == GgmlType::kF32 || info.type == GgmlType::kF16 || info.type == GgmlType::kBf16) {
      const Result<std::vector<float>> values = file.read_floats(info);
      if (!values) return tl::unexpected(values.error());
      tensor.exactness = exactness(*values);
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
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

std::string type_name(GgmlType type) { return std::string(ggml_type_info(type)->name); }

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

uint64_t parameters(const GgufFile& file) {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : file.tensors()) sum += tensor.values();
  return sum;
}

void print_text(const GgufFile& file, const std::vector<InspectedTensor>& tensors) {
  fmt::print("file          {}\n", printable(file.path().string()));
  fmt::print("size          {} bytes, GGUF version {}\n", with_commas(file.file_bytes()), file.version());
  if (const auto name = file.metadata_string("general.name"))
    fmt::print("name          {}\n", printable(*name));
  fmt::print("architecture  {}\n", printable(file.architecture()));
  fmt::print("parameters    {} in {} tensors\n\n", with_commas(parameters(file)), file.tensors().size());

  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, group] : group(tensors)) {
    const auto& [kind, type, shape] = key;
    rows.push_back({printable(kind), group.layers.empty() ? "-" : layer_list(group.layers), type_name(type),
                    shape_text(shape), with_commas(group.tensors), with_commas(group.bytes)});
  }
  fmt::print("{}", table({"kind", "layers", "type", "shape", ">tensors", ">bytes"}, rows));

  rows.clear();
  for (const InspectedTensor& tensor : tensors)
    if (tensor.exactness)
      rows.push_back({printable(tensor.info.name), type_name(tensor.info.type),
                      with_commas(tensor.exactness->values), with_commas(tensor.exactness->not_bf16_exact),
                      with_commas(tensor.exactness->not_f16_exact)});
  if (rows.empty()) return;
  fmt::print(
      "\nValues that a 16-bit type would change (0: fake quantization to it is an empty experiment)\n{}",
      table({"tensor", "type", ">values", ">not bf16-exact", ">not f16-exact"}, rows));
}

void print_json(const GgufFile& file, const std::vector<InspectedTensor>& tensors) {
  Json out = {{"schema_version", 1},
              {"path", file.path().string()},
              {"bytes", file.file_bytes()},
              {"gguf_version", file.version()},
              {"architecture", file.architecture()},
              {"name", nullptr},
              {"parameters", parameters(file)},
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
    Json row = {{"name", tensor.info.name},   {"layer", nullptr},
                {"kind", tensor.name.kind},   {"type", type_name(tensor.info.type)},
                {"shape", tensor.info.shape}, {"values", tensor.info.values()},
                {"bytes", tensor.info.bytes}, {"not_bf16_exact", nullptr},
                {"not_f16_exact", nullptr}};
    if (tensor.name.layer) row["layer"] = *tensor.name.layer;
    if (tensor.exactness) {
      row["not_bf16_exact"] = tensor.exactness->not_bf16_exact;
      row["not_f16_exact"] = tensor.exactness->not_f16_exact;
    }
    out["tensors"].push_back(std::move(row));
  }
  fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
}

Result<ExitCode> run_inspect(const Options& options) {
  const Result<GgufFile> file = GgufFile::open(options.model);
  if (!file) return tl::unexpected(file.error());
  const auto tensors = inspect(*file, options.select);
  if (!tensors) return tl::unexpected(tensors.error());
  options.json ? print_json(*file, *tensors) : print_text(*file, *tensors);
  return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("inspect", "Show a model's tensors, their types, and which values fit 16 bits");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->model, "a GGUF file")->required();
  command->add_option("--select", options->select,
                      "only these tensors: [LAYERS/]KINDS or re:/REGEX/, such as 0-2/ffn_norm");
  command->add_flag("--json", options->json, "print JSON");
  command->callback([&action, options] { action = [options] { return run_inspect(*options); }; });
}

}  // namespace fqlab::cli
