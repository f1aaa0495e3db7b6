// The web page of fqlab inspect --format.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/describe.h"
#include "formats/format_details.h"
#include "fqlab/weight_report.h"
#include "report/document.h"
#include "report/messages.h"
#include "report/numbers.h"
#include "report/weight_figures.h"

namespace fqlab {
namespace report {
namespace {

std::string distance(double value) { return std::isfinite(value) ? number(value) : "∞"; }

class WeightPage {
 public:
  WeightPage(const WeightReport& report, const Text& text)
      : report_(report), damage_(report.damage), text_(text) {
    for (const TensorDamage& tensor : damage_.tensors) values_ += tensor.profile.values;
  }

  Document build() {
    const std::string model = report_.model_name.empty()
                                  ? std::filesystem::path(report_.model_path).filename().string()
                                  : report_.model_name;
    document_.language = text_.language();
    document_.title =
        damage_.formats.size() == 1
            ? text_("weights.title_one", {{"model", model}, {"format", damage_.formats[0].print()}})
            : text_("weights.title", {{"model", model}, {"n", std::to_string(damage_.formats.size())}});
    document_.footer = text_("weights.footer", {{"version", FQLAB_VERSION}});
    add_overview();
    for (size_t i = 0; i < damage_.formats.size(); ++i) add_format(i);
    add_precision();
    return std::move(document_);
  }

 private:
  void add(Block block) { document_.blocks.push_back(std::move(block)); }

  void add_overview() {
    add(Heading{2, "overview", text_("weights.overview")});
    add(Paragraph{text_("weights.intro", {{"path", code(report_.model_path)},
                                          {"architecture", code(report_.architecture)},
                                          {"tensors", count(damage_.tensors.size())},
                                          {"values", count(values_)}})});
    add(Callout{true, text_("weights.blind")});
    if (!report_.imatrix_path.empty())
      add(Paragraph{text_("weights.weighted_note", {{"path", code(report_.imatrix_path)}})});
    Table table{text_("weights.table"), distance_columns("weights.head.format"), {}};
    for (size_t i = 0; i < damage_.formats.size(); ++i)
      table.rows.push_back(distance_row(code(damage_.formats[i].print()), i, total_damage(damage_, i)));
    add(std::move(table));
  }

  void add_format(size_t i) {
    const std::string format = code(damage_.formats[i].print());
    add(Heading{2, "format-" + std::to_string(i + 1), format});
    add_refusals(i, format);
    const DamageSums total = total_damage(damage_, i);
    if (total.counts.values > 0 && total.counts.changed == 0)
      add(Callout{true, text_("weights.nothing", {{"format", format}})});
    const WeightGrid grid = weight_grid(damage_, i);
    const std::string caption = text_("weights.heatmap", {{"format", damage_.formats[i].print()}});
    add(Figure{caption, weight_heatmap(grid, caption, text_), grid_table(grid, caption)});
    add(Paragraph{text_("weights.heatmap_note")});
    Table kinds{text_("weights.by_kind", {{"format", format}}), distance_columns("weights.head.kind"), {}};
    const auto by_kind = damage_by_kind(damage_, i);
    std::vector<std::pair<std::string, DamageSums>> sorted(by_kind.begin(), by_kind.end());
    std::ranges::stable_sort(sorted, std::greater<>(), [](const auto& kind) { return kind.second.damage(); });
    for (const auto& [kind, sums] : sorted) kinds.rows.push_back(distance_row(code(kind), i, sums));
    add(std::move(kinds));
    add_worst(i, format);
    for (const auto& [tensor, histogram] :
         report_.histograms.size() > i ? report_.histograms[i] : decltype(report_.histograms)::value_type())
      add_histogram(i, damage_.tensors[tensor], histogram);
  }

  void add_refusals(size_t i, const std::string& format) {
    uint64_t refused = 0;
    const TensorDamage* first = nullptr;
    for (const TensorDamage& tensor : damage_.tensors)
      if (tensor.formats[i].refused && refused++ == 0) first = &tensor;
    if (first != nullptr)
      add(Callout{true, text_("weights.refused", {{"format", format},
                                                  {"n", count(refused)},
                                                  {"tensors", count(damage_.tensors.size())},
                                                  {"tensor", code(first->tensor.name)},
                                                  {"reason", code(first->formats[i].refused->what)}})});
  }

  void add_worst(size_t i, const std::string& format) {
    constexpr size_t kMost = 20;
    Table table{text_("weights.worst", {{"format", format}}), distance_columns("weights.head.tensor"), {}};
    for (const size_t k : by_damage(damage_, i)) {
      if (table.rows.size() == kMost) break;
      table.rows.push_back(
          distance_row(code(damage_.tensors[k].tensor.name), i, damage_.tensors[k].formats[i].sums));
    }
    add(std::move(table));
    if (damage_.tensors.size() > kMost) add(Paragraph{text_("weights.all", {{"format", format}})});
  }

  void add_histogram(size_t i, const TensorDamage& tensor, const WeightHistogram& histogram) {
    const FormatSpec& format = damage_.formats[i];
    const std::string caption =
        text_("weights.histogram", {{"tensor", tensor.tensor.name}, {"format", format.print()}});
    Table table{caption,
                {{text_("weights.head.from"), true},
                 {text_("weights.head.before"), true},
                 {text_("weights.head.after"), true}},
                {}};
    const size_t bins = histogram.original.size();
    for (size_t bin = 0; bin < bins; ++bin) {
      if (histogram.original[bin] == 0 && histogram.quantized[bin] == 0) continue;
      const double from = histogram.limit * (2 * static_cast<double>(bin) / static_cast<double>(bins) - 1);
      table.rows.push_back({number(from), count(histogram.original[bin]), count(histogram.quantized[bin])});
    }
    add(Figure{caption, weight_histogram(histogram, levels_of(format), caption, text_), std::move(table)});
  }

  // The values of the format on both sides of zero, where no scale moves them from group to group.
  static std::vector<double> levels_of(const FormatSpec& format) {
    const FormatDetails& details = format.details();
    if (details.family != Family::kMiniFloat || details.has_scale()) return {};
    std::vector<double> levels = magnitudes(format);
    const size_t positive = levels.size();
    for (size_t i = 0; i < positive; ++i) levels.push_back(-levels[i]);
    return levels;
  }

  void add_precision() {
    add(Heading{2, "precision", text_("weights.precision")});
    add(Paragraph{text_("weights.precision_note")});
    Table table{text_("weights.precision"),
                {{text_("weights.head.tensor")},
                 {text_("weights.head.type")},
                 {text_("weights.head.values"), true},
                 {text_("weights.head.not_bf16"), true},
                 {text_("weights.head.not_tf32"), true},
                 {text_("weights.head.not_f16"), true},
                 {text_("weights.head.mantissa"), true},
                 {text_("weights.head.exponents"), true},
                 {text_("weights.head.zeros"), true},
                 {text_("weights.head.special"), true}},
                {}};
    for (const TensorDamage& tensor : damage_.tensors) {
      const WeightProfile& profile = tensor.profile;
      const auto exponents = profile.exponents();
      table.rows.push_back(
          {code(tensor.tensor.name), type_name(tensor.tensor.type), count(profile.values),
           count(profile.not_bf16_exact), count(profile.not_tf32_exact), count(profile.not_f16_exact),
           std::to_string(profile.mantissa_bits()),
           exponents ? fmt::format("{} … {}", exponents->first, exponents->second) : text_("none"),
           count(profile.zeros), count(profile.nan + profile.infinite)});
    }
    add(std::move(table));
  }

  std::vector<Column> distance_columns(Key first) const {
    std::vector<Column> columns = {{text_(first)}, {text_("weights.head.relative_mse"), true}};
    if (!report_.imatrix_path.empty()) columns.push_back({text_("weights.head.weighted"), true});
    for (const Key key : {Key("weights.head.snr"), Key("weights.head.changed"), Key("weights.head.saturated"),
                          Key("weights.head.flushed"), Key("weights.head.max_error")})
      columns.push_back({text_(key), true});
    return columns;
  }

  std::vector<std::string> distance_row(std::string first, size_t format, const DamageSums& sums) const {
    const std::string none = text_("none");
    const auto share = [&](uint64_t n) {
      if (n == 0 || sums.counts.values == 0) return std::string("0");
      return percent(static_cast<double>(n) / static_cast<double>(sums.counts.values));
    };
    std::vector<std::string> row = {std::move(first)};
    const bool any = sums.counts.values > 0;
    row.push_back(any ? distance(sums.relative_mse()) : none);
    if (!report_.imatrix_path.empty())
      row.push_back(sums.weighted_relative_mse() ? distance(*sums.weighted_relative_mse()) : none);
    row.push_back(sums.snr_db() ? fixed(*sums.snr_db(), 1) : none);
    row.push_back(any ? share(sums.counts.changed) : none);
    row.push_back(any && damage_.formats[format].details().counts_saturated() ? share(sums.counts.saturated)
                                                                              : none);
    row.push_back(any ? share(sums.counts.flushed_to_zero) : none);
    row.push_back(any ? distance(sums.max_abs_error()) : none);
    return row;
  }

  Table grid_table(const WeightGrid& grid, const std::string& caption) const {
    Table table{caption, {{text_("weights.head.layer")}}, {}};
    for (const std::string& kind : grid.kinds) table.columns.push_back({code(kind), true});
    for (const auto& layer : grid.layers) {
      std::vector<std::string> row = {layer ? std::to_string(*layer) : text_("weights.no_layer")};
      for (const std::string& kind : grid.kinds) {
        const auto cell = grid.cells.find({layer, kind});
        const bool has_value = cell != grid.cells.end() && !cell->second->refused;
        row.push_back(has_value ? distance(cell->second->sums.relative_mse()) : text_("none"));
      }
      table.rows.push_back(std::move(row));
    }
    return table;
  }

  const WeightReport& report_;
  const WeightDamage& damage_;
  const Text& text_;
  uint64_t values_ = 0;
  Document document_;
};

}  // namespace
}  // namespace report

std::string weight_html(const WeightReport& report, Language language) {
  const report::Text text(language);
  return report::render_html(report::WeightPage(report, text).build());
}

}  // namespace fqlab
