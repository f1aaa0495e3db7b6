// Weight damage as JSON and CSV.
#include <nlohmann/json.hpp>

#include "formats/format_details.h"
#include "fqlab/weight_report.h"
#include "report/csv.h"
#include "report/report_files.h"

namespace fqlab {
namespace {

using Json = nlohmann::ordered_json;

std::optional<uint64_t> saturated(const FormatSpec& format, const DamageSums& sums) {
  if (!format.details().counts_saturated()) return std::nullopt;
  return sums.counts.saturated;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json distances(const FormatSpec& format, const DamageSums& sums) {
  return {{"values", sums.counts.values},
          {"changed", sums.counts.changed},
          {"saturated", or_null(saturated(format, sums))},
          {"flushed_to_zero", sums.counts.flushed_to_zero},
          {"relative_mse", sums.relative_mse()},
          {"weighted_relative_mse", or_null(sums.weighted_relative_mse())},
          {"snr_db", or_null(sums.snr_db())},
          {"max_abs_error", sums.max_abs_error()}};
}

Json with(const char* key, Json value, const Json& rest) {
  Json row = {{key, std::move(value)}};
  row.update(rest);
  return row;
}

Json precision(const WeightProfile& profile) {
  const auto exponents = profile.exponents();
  return {{"zeros", profile.zeros},
          {"nan", profile.nan},
          {"infinite", profile.infinite},
          {"not_bf16_exact", profile.not_bf16_exact},
          {"not_tf32_exact", profile.not_tf32_exact},
          {"not_f16_exact", profile.not_f16_exact},
          {"mantissa_bits", profile.mantissa_bits()},
          {"smallest_exponent", exponents ? Json(exponents->first) : Json(nullptr)},
          {"largest_exponent", exponents ? Json(exponents->second) : Json(nullptr)},
          {"largest_magnitude", profile.largest()}};
}

Json tensor_json(const TensorDamage& tensor) {
  return {{"name", tensor.tensor.name},
          {"layer", or_null(tensor.name.layer)},
          {"kind", tensor.name.kind},
          {"type", type_name(tensor.tensor.type)},
          {"shape", tensor.tensor.shape},
          {"values", tensor.profile.values},
          {"precision", precision(tensor.profile)}};
}

Json format_json(const WeightDamage& damage, size_t i) {
  const FormatSpec& format = damage.formats[i];
  Json out = {{"format", format.print()}, {"total", distances(format, total_damage(damage, i))},
              {"kinds", Json::array()},   {"layers", Json::array()},
              {"tensors", Json::array()}, {"refused", Json::array()}};
  for (const auto& [kind, sums] : damage_by_kind(damage, i))
    out["kinds"].push_back(with("kind", kind, distances(format, sums)));
  for (const auto& [layer, sums] : damage_by_layer(damage, i))
    out["layers"].push_back(with("layer", layer, distances(format, sums)));
  for (const size_t k : by_damage(damage, i))
    out["tensors"].push_back(
        with("name", damage.tensors[k].tensor.name, distances(format, damage.tensors[k].formats[i].sums)));
  for (const TensorDamage& tensor : damage.tensors)
    if (const auto& error = tensor.formats[i].refused)
      out["refused"].push_back({{"name", tensor.tensor.name}, {"reason", error->what}});
  return out;
}

void profile_cells(report::Csv& csv, const WeightProfile& profile) {
  const auto exponents = profile.exponents();
  csv << profile.zeros << profile.nan << profile.infinite << profile.not_bf16_exact << profile.not_tf32_exact
      << profile.not_f16_exact << profile.mantissa_bits();
  csv << (exponents ? std::optional(exponents->first) : std::nullopt)
      << (exponents ? std::optional(exponents->second) : std::nullopt);
}

void csv_row(report::Csv& csv, const FormatSpec& format, const TensorDamage& tensor,
             const FormatDamage& under) {
  csv << std::string_view(format.print()) << std::string_view(tensor.tensor.name) << tensor.name.layer
      << std::string_view(tensor.name.kind) << std::string_view(type_name(tensor.tensor.type))
      << tensor.profile.values;
  const DamageSums& sums = under.sums;
  if (under.refused) {
    for (int i = 0; i < 7; ++i) csv << std::string_view();
  } else {
    csv << sums.counts.changed << saturated(format, sums) << sums.counts.flushed_to_zero
        << sums.relative_mse() << sums.weighted_relative_mse() << sums.snr_db() << sums.max_abs_error();
  }
  csv << std::string_view(under.refused ? under.refused->what : "");
  profile_cells(csv, tensor.profile);
  csv.end_row();
}

}  // namespace

std::string weight_json(const WeightReport& report) {
  Json out = {{"schema_version", 1},
              {"path", report.model_path},
              {"name", report.model_name.empty() ? Json(nullptr) : Json(report.model_name)},
              {"architecture", report.architecture},
              {"imatrix", report.imatrix_path.empty() ? Json(nullptr) : Json(report.imatrix_path)},
              {"tensors", Json::array()},
              {"formats", Json::array()}};
  for (const TensorDamage& tensor : report.damage.tensors) out["tensors"].push_back(tensor_json(tensor));
  for (size_t i = 0; i < report.damage.formats.size(); ++i)
    out["formats"].push_back(format_json(report.damage, i));
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string weight_csv(const WeightReport& report) {
  const WeightDamage& damage = report.damage;
  report::Csv csv(
      "format,tensor,layer,kind,type,values,changed,saturated,flushed_to_zero,relative_mse,weighted_relative_"
      "mse,snr_db,"
      "max_abs_error,refused,zeros,nan,infinite,not_bf16_exact,not_tf32_exact,not_f16_exact,mantissa_bits,"
      "smallest_exponent,largest_exponent");
  for (size_t i = 0; i < damage.formats.size(); ++i) {
    for (const size_t k : by_damage(damage, i))
      csv_row(csv, damage.formats[i], damage.tensors[k], damage.tensors[k].formats[i]);
    for (const TensorDamage& tensor : damage.tensors)
      if (tensor.formats[i].refused) csv_row(csv, damage.formats[i], tensor, tensor.formats[i]);
  }
  return std::move(csv).text();
}

Result<std::vector<std::filesystem::path>> write_weight_report(const WeightReport& weights,
                                                               std::span<const Language> languages,
                                                               const std::filesystem::path& folder) {
  std::vector<ExportFile> files = {{"inspect.json", weight_json(weights)},
                                   {"inspect.csv", weight_csv(weights)}};
  for (size_t i = 0; i < languages.size(); ++i)
    files.push_back(
        {"inspect" + report::language_suffix(languages, i) + ".html", weight_html(weights, languages[i])});
  return report::write_files(files, folder);
}

}  // namespace fqlab
