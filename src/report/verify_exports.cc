// The tables of a verification as CSV.
#include "fqlab/verification_report.h"
#include "report/csv.h"
#include "report/verify_view.h"

namespace fqlab {
namespace {

using report::Csv;

std::string files_csv(const Verification& v) {
  Csv csv(
      "text,file,bytes,bits_per_weight,kl_mean,kl_low,kl_high,kl_median,kl_p99,kl_max,perplexity,log_ratio,"
      "log_ratio_low,log_ratio_high,same_top,same_top_low,same_top_high,verdict,sha256");
  for (const VerifiedText& text : v.texts)
    for (size_t f = 0; f < v.files.size(); ++f) {
      const FileOnText& file = text.files[f];
      const ModelIdentity& identity = v.files[f].identity;
      csv << text.name << v.files[f].name << identity.bytes << report::bits_per_weight(identity)
          << file.kl.mean << file.kl.interval << file.kl.median << file.kl.p99 << file.kl.max
          << file.perplexity.variant << file.perplexity.log_ratio << file.perplexity.log_ratio_interval
          << file.same_top.fraction << file.same_top.interval << name(file.verdicts.overall)
          << identity.sha256;
      csv.end_row();
    }
  return std::move(csv).text();
}

std::string against_csv(const Verification& v) {
  Csv csv(
      "text,file,other,bytes,other_bytes,difference,difference_low,difference_high,ratio,ratio_low,ratio_"
      "high,"
      "design_effect,chunks_lower,chunks,standing");
  for (const VerifiedText& text : v.texts)
    for (const PairOnText& pair : text.against) {
      csv << text.name << v.files[0].name << v.files[pair.file].name << v.files[0].identity.bytes
          << v.files[pair.file].identity.bytes << pair.difference.value << pair.difference.interval
          << pair.ratio.value << pair.ratio.interval << pair.design_effect << pair.chunks_lower << pair.chunks
          << name(pair.standing);
      csv.end_row();
    }
  return std::move(csv).text();
}

std::string chunks_csv(const Verification& v) {
  Csv csv("text,file,chunk,cluster,positions,nll_original,nll_file,kl_mean,same_top");
  for (const VerifiedText& text : v.texts)
    for (size_t f = 0; f < v.files.size(); ++f)
      for (const ChunkResult& chunk : text.files[f].chunks) {
        csv << text.name << v.files[f].name << chunk.chunk << chunk.cluster << chunk.positions
            << chunk.nll_original << chunk.nll_variant << chunk.kl_mean << chunk.same_top;
        csv.end_row();
      }
  return std::move(csv).text();
}

std::string dialogue_csv(const Verification& v) {
  Csv csv("file,prompt,original_answer,file_answer,identical,first_divergent_token,teacher_forced_agreement");
  for (const VerifiedFile& file : v.files)
    for (const DialogueResult& d : file.dialogue) {
      csv << file.name << d.prompt << d.original << d.variant << (d.identical ? "true" : "false")
          << d.first_divergent_token << d.teacher_forced_agreement;
      csv.end_row();
    }
  return std::move(csv).text();
}

void add_speed_rows(Csv& csv, const std::string& file, const std::string& other, const FileSpeed& speed) {
  const std::pair<const char*, const SpeedResult*> rows[] = {{"load_ms", &speed.load_ms},
                                                             {"first_token_ms", &speed.first_token_ms},
                                                             {"prompt_tps", &speed.prompt_tps},
                                                             {"generation_tps", &speed.generation_tps}};
  for (const auto& [metric, result] : rows) {
    csv << file << other << metric << result->variant << result->original << result->ratio << result->interval
        << result->aa_interval;
    csv.end_row();
  }
}

std::string speed_csv(const Verification& v) {
  Csv csv("file,other,metric,file_value,other_value,ratio,ratio_low,ratio_high,aa_low,aa_high");
  for (const VerifiedFile& file : v.files)
    if (file.speed) add_speed_rows(csv, file.name, "original", *file.speed);
  for (const VerifiedFile& file : v.files)
    if (file.first_speed) add_speed_rows(csv, v.files[0].name, file.name, *file.first_speed);
  return std::move(csv).text();
}

std::string frontier_csv(const QuantizationPlan& plan) {
  Csv csv("file_bytes,predicted_kl");
  for (const PlanPoint& point : plan.frontier) {
    csv << point.file_bytes << point.kl;
    csv.end_row();
  }
  return std::move(csv).text();
}

}  // namespace

std::vector<ExportFile> verification_csv(const Verification& v) {
  std::vector<ExportFile> files = {
      {"files.csv", files_csv(v)}, {"against.csv", against_csv(v)}, {"chunks.csv", chunks_csv(v)}};
  if (!v.files.front().dialogue.empty()) files.push_back({"dialogue.csv", dialogue_csv(v)});
  if (v.files.front().speed) files.push_back({"speed.csv", speed_csv(v)});
  if (v.plan) files.push_back({"frontier.csv", frontier_csv(*v.plan)});
  return files;
}

}  // namespace fqlab
