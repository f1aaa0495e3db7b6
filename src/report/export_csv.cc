// Writes the CSV tables.
#include "report/export_csv.h"

#include "report/csv.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

std::string comparisons_csv(std::span<const Comparison> all) {
  Csv csv(
      "variant,original,arithmetic,n_ctx,chunks,scored_positions,values_total,values_changed,ppl_as_stored,"
      "ppl_original,ppl_variant,"
      "log_ratio,log_ratio_low,log_ratio_high,kl_mean,kl_low,kl_high,kl_median,kl_p90,kl_p95,kl_p99,kl_p999,"
      "kl_max,kl_floor,"
      "kl_floor_low,kl_floor_high,kl_matched,kl_matched_low,kl_matched_high,same_top,same_top_low,same_top_"
      "high,same_top_floor,verdict");
  const auto add = [&](const std::optional<Estimate>& estimate) {
    if (estimate)
      csv << estimate->value << estimate->interval;
    else
      csv << ""
          << ""
          << "";
  };
  for (const Comparison& c : all) {
    const ComparisonSettings& s = c.settings;
    csv << variant_name(c) << c.original.path
        << (s.arithmetic == Arithmetic::kReference ? "reference" : "native") << s.n_ctx << s.chunks
        << s.scored_positions << c.values_total << c.values_changed
        << (c.storage ? std::optional(c.storage->perplexity) : std::nullopt) << c.perplexity.original
        << c.perplexity.variant << c.perplexity.log_ratio << c.perplexity.log_ratio_interval << c.kl.mean
        << c.kl.interval << c.kl.median << c.kl.p90 << c.kl.p95 << c.kl.p99 << c.kl.p999 << c.kl.max;
    add(c.kl.noise_floor);
    add(c.kl.matched_control);
    csv << c.same_top.fraction << c.same_top.interval << c.same_top.noise_floor << name(c.verdicts.overall);
    csv.end_row();
  }
  return std::move(csv).text();
}

std::string tensors_csv(std::span<const Comparison> all) {
  Csv csv(
      "variant,tensor,kind,layer,from,format,stored_as,values,changed,saturated,flushed_to_zero,relative_mse,"
      "snr_db,max_abs_error");
  for (const Comparison& c : all) {
    for (const TensorReport& t : c.tensors) {
      csv << variant_name(c) << t.name << t.kind << t.layer << t.from << t.format << t.stored_as << t.values
          << t.changed << t.saturated << t.flushed_to_zero << t.relative_mse << t.snr_db << t.max_abs_error;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string chunks_csv(std::span<const Comparison> all) {
  Csv csv("variant,corpus,chunk,cluster,positions,nll_original,nll_variant,log_ratio,kl_mean,same_top");
  for (const Comparison& c : all) {
    for (const ChunkResult& k : c.chunks) {
      csv << variant_name(c) << k.corpus << k.chunk << k.cluster << k.positions << k.nll_original
          << k.nll_variant << k.nll_variant - k.nll_original << k.kl_mean << k.same_top;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string controls_csv(std::span<const Comparison> all) {
  Csv csv("variant,kind,change,seed,chunks,kl_mean,same_top");
  for (const Comparison& c : all) {
    for (const ControlRun& r : c.kl.controls) {
      csv << variant_name(c) << r.kind << r.change << r.seed << r.chunks << r.kl_mean << r.same_top;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string dialogue_csv(std::span<const Comparison> all) {
  Csv csv(
      "variant,prompt,original_answer,variant_answer,identical,first_divergent_token,teacher_forced_"
      "agreement");
  for (const Comparison& c : all) {
    for (const DialogueResult& d : c.dialogue) {
      csv << variant_name(c) << d.prompt << d.original << d.variant << (d.identical ? "true" : "false")
          << d.first_divergent_token << d.teacher_forced_agreement;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

std::string speed_csv(std::span<const Comparison> all) {
  Csv csv("variant,metric,original,variant_value,ratio,ratio_low,ratio_high,aa_low,aa_high");
  for (const Comparison& c : all) {
    for (const SpeedRow& row : speed_rows(c)) {
      if (!row.result) continue;
      const SpeedResult& s = *row.result;
      csv << variant_name(c) << row.key << s.original << s.variant << s.ratio << s.interval << s.aa_interval;
      csv.end_row();
    }
  }
  return std::move(csv).text();
}

}  // namespace

std::vector<ExportFile> csv_tables(std::span<const Comparison> all) {
  return {{"comparisons.csv", comparisons_csv(all)}, {"tensors.csv", tensors_csv(all)},
          {"chunks.csv", chunks_csv(all)},           {"controls.csv", controls_csv(all)},
          {"dialogue.csv", dialogue_csv(all)},       {"speed.csv", speed_csv(all)}};
}

}  // namespace fqlab::report
