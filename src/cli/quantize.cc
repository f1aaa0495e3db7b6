// fqlab quantize MODEL --recipe R -o OUT.gguf [--force] [--store f32|f16|bf16]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/system.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "formats/format_details.h"
#include "fqlab/gguf.h"
#include "fqlab/recipe.h"
#include "recipe/store.h"

namespace fqlab::cli {
namespace {

struct QuantizeOptions {
  std::string model;
  std::string recipe;
  std::string output;
  std::string store = "f32";
  bool force = false;
  int threads = hardware_threads();
};

/// What is said about a changed tensor; its values are gone by then.
struct Row {
  TensorInfo source;
  FormatSpec format;
  GgmlType stored;
  QuantizeCounts counts;
  Distortion distortion;
};

void print_rows(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> cells;
  cells.reserve(rows.size());
  for (const Row& row : rows)
    cells.push_back({printable(row.source.name), type_name(row.source.type), row.format.print(),
                     type_name(row.stored), with_commas(row.counts.changed), with_commas(row.counts.values),
                     row.format.details().counts_saturated() ? with_commas(row.counts.saturated) : "-",
                     with_commas(row.counts.flushed_to_zero),
                     fmt::format("{:.3g}", row.distortion.relative_mse),
                     row.distortion.snr_db ? fmt::format("{:.1f}", *row.distortion.snr_db) : "-",
                     fmt::format("{:.3g}", row.distortion.max_abs_error)});
  fmt::print("{}", table({"tensor", "from", "format", "stored", ">changed", ">values", ">saturated",
                          ">to zero", ">relative MSE", ">SNR dB", ">max error"},
                         cells));
}

void warn_when_nothing_changed(const std::vector<Row>& rows) {
  QuantizeCounts sum;
  bool identity = true;
  for (const Row& row : rows) {
    sum += row.counts;
    identity = identity && row.format.is_identity();
  }
  if (sum.changed == 0 && !identity)
    say_warning(fmt::format("0 of {} values changed: an experiment with this file cannot show sensitivity",
                            with_commas(sum.values)));
}

Result<GgufLayout> write(const GgufFile& file, const Recipe& recipe, const std::vector<TensorChange>& changes,
                         const QuantizeOptions& options, std::vector<Row>& rows) {
  Progress progress;
  GgufRewrite rewrite;
  rewrite.set_metadata = {{"fqlab.version", std::string(FQLAB_VERSION)},
                          {"fqlab.recipe", recipe.print()},
                          {"fqlab.source.sha256", sha256(file.bytes())}};
  const GgmlType wanted = ggml_type_info(options.store)->type;
  for (const TensorChange& change : changes) {
    const TensorInfo& tensor = file.tensors()[change.tensor];
    const GgmlType stored = storage_type(tensor, wanted);
    rewrite.replacements.push_back(
        {tensor.name, stored, [&, stored](std::span<std::byte> out) -> Result<void> {
           Result<ChangedTensor> changed = apply(file, tensor, change.format, options.threads);
           if (!changed) return tl::unexpected(changed.error());
           if (Result<void> kept = store_exactly(stored, changed->values, out); !kept) {
             Error error = kept.error();
             error.where = tensor.name;
             error.hint = "leave out --store " + options.store;
             return tl::unexpected(std::move(error));
           }
           rows.push_back({tensor, change.format, stored, changed->counts, changed->distortion});
           progress.update(rows.size(), changes.size(), printable(tensor.name));
           return {};
         }});
  }
  return write_gguf_file(file, rewrite, options.output, options.force);
}

Result<ExitCode> run_quantize(const QuantizeOptions& options) {
  const Result<Recipe> recipe = Recipe::parse(options.recipe);
  if (!recipe) return tl::unexpected(recipe.error());
  const Result<GgufFile> file = GgufFile::open(options.model);
  if (!file) return tl::unexpected(file.error());
  const auto changes = recipe->resolve(file->tensors());
  if (!changes) return tl::unexpected(changes.error());
  const Existing existing = options.force ? Existing::kReplace : Existing::kRefuse;
  std::vector<InputFile> inputs = {{"model", options.model}};
  for (const TensorChange& change : *changes)
    if (const std::string& imatrix = change.format.details().imatrix_file; !imatrix.empty())
      inputs.push_back({"imatrix", imatrix});
  if (Result<void> possible = check_output(options.output, existing, inputs); !possible)
    return tl::unexpected(possible.error());

  std::vector<Row> rows;
  const Result<GgufLayout> layout = write(*file, *recipe, *changes, options, rows);
  if (!layout) return tl::unexpected(layout.error());
  print_rows(rows);
  warn_when_nothing_changed(rows);
  say(fmt::format("wrote {} ({} bytes)", options.output, with_commas(layout->file_bytes)));
  return kDone;
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("quantize", "Write a fake-quantized file for stock llama.cpp");
  auto options = std::make_shared<QuantizeOptions>();
  command->add_option("MODEL", options->model, "a GGUF file")->required();
  command
      ->add_option("--recipe", options->recipe,
                   "rules SELECTOR=FORMAT separated by ';', such as '0-2/ffn_norm=fp8_e4m3'; '*=f32' expands "
                   "the model")
      ->required();
  command->add_option("-o,--output", options->output, "the new GGUF file")->required();
  command->add_flag("--force", options->force, "replace an existing output");
  command
      ->add_option("--store", options->store,
                   "type of changed matrices; f16 and bf16 are refused where a value would change. Vectors "
                   "are stored as f32")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "number of threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->callback([&action, options] { action = [options] { return run_quantize(*options); }; });
}

}  // namespace fqlab::cli
