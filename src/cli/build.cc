// fqlab build PLAN -o OUT.gguf: the quantized file that a plan describes, or llama-quantize's file of types.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/plan_file.h"
#include "cli/supervised.h"
#include "cli/terminal.h"
#include "fqlab/quantization_plan.h"
#include "fqlab/quantizer.h"
#include "report/sections.h"

namespace fqlab::cli {
namespace {

namespace fs = std::filesystem;

struct BuildOptions {
  std::string plan, output, model, imatrix, exported;
  bool force = false;
  int threads = 1;
};

/// A file that the plan names: as given there, beside the plan, or under its last name beside the plan.
Result<std::string> find_file(const std::string& recorded, const std::string& plan, const char* what,
                              const char* option) {
  const fs::path folder = fs::path(plan).parent_path(), path(recorded);
  for (const fs::path& place : {path, folder / path, folder / path.filename()})
    if (std::error_code absent; fs::is_regular_file(place, absent)) return place.string();
  return fail(ErrorCode::kSystem, fmt::format("the plan's {} is not there", what), printable(recorded),
              fmt::format("say where it is: {} FILE", option));
}

Result<std::string> find_model(const BuildOptions& options, const QuantizationPlan& plan) {
  if (!options.model.empty()) return options.model;
  if (plan.model.empty())
    return fail(ErrorCode::kUsage, "the plan names no model", options.plan, "give one: --model FILE");
  return find_file(plan.model, options.plan, "model", "--model");
}

/// The imatrix's path, empty for none. Another one than the plan's must be asked for.
Result<std::string> find_imatrix(const BuildOptions& options, const QuantizationPlan& plan) {
  if (options.imatrix.empty() && plan.imatrix.empty()) return std::string();
  Result<std::string> path = options.imatrix.empty()
                                 ? find_file(plan.imatrix, options.plan, "imatrix", "--imatrix")
                                 : Result<std::string>(options.imatrix);
  if (!path) return path;
  Result<std::string> hash = sha256_of_file(*path);
  if (!hash) return hash;
  if (*hash == plan.imatrix_sha256 || (plan.imatrix_sha256.empty() && !plan.imatrix.empty())) return path;
  if (options.imatrix.empty())
    return fail(ErrorCode::kInput, "the imatrix is not the one that the plan was made with (sha256)", *path,
                "to use it all the same: --imatrix " + report::shell_quote(*path));
  say_warning("the plan was not made with this imatrix: what it says of KL divergence is of another file");
  return path;
}

void say_sizes(const QuantizationPlan& plan, uint64_t bytes) {
  if (plan.file_bytes != 0 && plan.file_bytes != bytes)
    say(fmt::format("the file will have {} bytes; the plan says {}, before what changed since",
                    with_commas(bytes), with_commas(plan.file_bytes)));
  if (plan.budget_bytes != 0 && bytes > plan.budget_bytes)
    say_warning(fmt::format("the file is {} bytes larger than the plan's budget of {}",
                            with_commas(bytes - plan.budget_bytes), with_commas(plan.budget_bytes)));
}

void print_types(const GgufLayout& layout) {
  struct Sum {
    uint64_t tensors = 0, values = 0, bytes = 0;
  };
  std::map<GgmlType, Sum> sums;
  for (const TensorInfo& tensor : layout.tensors) {
    Sum& sum = sums[tensor.type];
    ++sum.tensors;
    sum.values += tensor.values();
    sum.bytes += tensor.bytes;
  }
  std::vector<std::pair<GgmlType, Sum>> sorted(sums.begin(), sums.end());
  std::ranges::stable_sort(sorted, std::greater<>(), [](const auto& entry) { return entry.second.bytes; });
  std::vector<std::vector<std::string>> rows;
  rows.reserve(sorted.size());
  for (const auto& [type, sum] : sorted)
    rows.push_back({type_name(type), with_commas(sum.tensors), with_commas(sum.values),
                    with_commas(sum.bytes),
                    fmt::format("{:.2f}", 8.0 * static_cast<double>(sum.bytes) /
                                              static_cast<double>(std::max<uint64_t>(sum.values, 1)))});
  fmt::print("{}", table({"type", ">tensors", ">values", ">bytes", ">bits a value"}, rows));
}

Result<GgufLayout> make_file(const BuildOptions& options, const QuantizationPlan& plan,
                             const std::string& model, const std::string& imatrix) {
  const Result<GgufFile> file = GgufFile::open(model);
  if (!file) return tl::unexpected(file.error());
  const std::string hash = sha256(file->bytes());
  const auto quantizable = stock_mix(*file, "Q8_0", false);
  if (!quantizable) return tl::unexpected(quantizable.error());
  std::vector<std::string> names;
  for (const TensorType& tensor : *quantizable) names.push_back(tensor.name);
  if (Result<void> goes = check_plan(plan, *file, hash, names); !goes) return tl::unexpected(goes.error());

  QuantizeRequest request;
  request.imatrix = imatrix;
  request.metadata = plan_metadata(plan, hash);
  request.output = options.output;
  request.overwrite = options.force;
  request.threads = options.threads;
  for (const PlannedTensor& tensor : plan.tensors) request.types.push_back({tensor.name, tensor.type});
  auto metadata = quantization_metadata(*file, request.imatrix);
  if (!metadata) return tl::unexpected(metadata.error());
  metadata->insert(metadata->end(), request.metadata.begin(), request.metadata.end());
  const Result<uint64_t> bytes = built_file_bytes(plan, *file, std::move(*metadata));
  if (!bytes) return tl::unexpected(bytes.error());
  say_sizes(plan, *bytes);

  Progress progress;
  Result<GgufLayout> layout = write_quantized(*file, request, [&](size_t done, size_t all) {
    progress.update(done / 1'000'000, all / 1'000'000, "MB of weights quantized",
                    static_cast<double>(done) / static_cast<double>(std::max<size_t>(all, 1)));
  });
  progress.finish();
  if (layout && layout->file_bytes != *bytes)
    return fail(
        ErrorCode::kCheck,
        fmt::format("the file has {} bytes and not the {} that were computed", layout->file_bytes, *bytes),
        options.output, "report this, with the plan");
  return layout;
}

Result<ExitCode> export_types(const BuildOptions& options, const QuantizationPlan& plan) {
  const Existing existing = options.force ? Existing::kReplace : Existing::kRefuse;
  if (plan.tensors.empty())
    return fail(ErrorCode::kInput, "the plan names no tensor", options.plan,
                "tensors stand after a line [tensors], as NAME = TYPE");
  const InputFile input{"plan", options.plan};
  if (Result<void> possible = check_output(options.output, existing, std::span(&input, 1)); !possible)
    return tl::unexpected(possible.error());
  if (Result<void> written = write_file_atomically(options.output, tensor_type_file(plan), existing);
      !written)
    return tl::unexpected(written.error());
  const std::string& imatrix = options.imatrix.empty() ? plan.imatrix : options.imatrix;
  const std::string& model = options.model.empty() ? plan.model : options.model;
  std::vector<std::string> command = {"llama-quantize", "--tensor-type-file", options.output};
  if (!imatrix.empty()) command.insert(command.end(), {"--imatrix", imatrix});
  command.insert(command.end(), {model.empty() ? "MODEL.gguf" : model, "OUT.gguf", "Q8_0"});
  say(fmt::format("wrote {}; with stock llama.cpp:\n  {}", options.output, report::shell_command(command)));
  return kDone;
}

Result<ExitCode> run_build(const BuildOptions& options) {
  const Result<QuantizationPlan> plan = read_plan_file(options.plan);
  if (!plan) return tl::unexpected(plan.error());
  if (!options.exported.empty()) return export_types(options, *plan);
  const Result<std::string> model = find_model(options, *plan);
  if (!model) return tl::unexpected(model.error());
  const Result<std::string> imatrix = find_imatrix(options, *plan);
  if (!imatrix) return tl::unexpected(imatrix.error());
  const Existing existing = options.force ? Existing::kReplace : Existing::kRefuse;
  const std::array<InputFile, 3> inputs = {
      {{"plan", options.plan}, {"model", *model}, {"imatrix", *imatrix}}};
  if (Result<void> possible = check_output(options.output, existing, inputs); !possible)
    return tl::unexpected(possible.error());
  // llama.cpp may abort; in a child process that costs one message.
  return supervised([&]() -> Result<ExitCode> {
    const Result<GgufLayout> layout = make_file(options, *plan, *model, *imatrix);
    if (!layout) return tl::unexpected(layout.error());
    print_types(*layout);
    say(fmt::format(
        "wrote {} ({} bytes{})", options.output, with_commas(layout->file_bytes),
        plan->budget_bytes == 0 ? "" : fmt::format(" of a budget of {}", with_commas(plan->budget_bytes))));
    return kDone;
  });
}

}  // namespace

void add_build(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("build", "Make the quantized file that a plan describes, by llama.cpp's quantizer");
  auto options = std::make_shared<BuildOptions>();
  options->threads = hardware_threads();
  command->add_option("PLAN", options->plan, "a plan, as fqlab plan writes it or edited")->required();
  command->add_option("-o,--output", options->output, "the new file")->required();
  command->add_option("--model", options->model, "the original, where it is not where the plan says");
  command->add_option("--imatrix", options->imatrix,
                      "the importance matrix, where it is not where the plan says, or another one");
  command
      ->add_option("--export", options->exported,
                   "tensor-types: instead of the model write the --tensor-type-file with which stock "
                   "llama-quantize makes the same weights")
      ->check(CLI::IsMember({"tensor-types"}));
  command->add_flag("--force", options->force, "replace an existing output");
  command->add_option("--threads", options->threads, "number of threads; changes time, not the file")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->callback([&action, options] { action = [options] { return run_build(*options); }; });
}

}  // namespace fqlab::cli
