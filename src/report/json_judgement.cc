#include "report/json_judgement.h"

#include "report/json_fields.h"

namespace fqlab {

// Found by the archives through their arguments, hence in the namespace of the structs and not in an unnamed
// one.

template <class Archive>
void fields(Archive& archive, Power& power) {
  archive("perplexity", power.perplexity);
  archive("kl", power.kl);
  archive("same_top", power.same_top);
}

template <class Archive>
void fields(Archive& archive, McNemar& test) {
  archive("right_to_wrong", test.right_to_wrong);
  archive("wrong_to_right", test.wrong_to_right);
  archive("exact_p", test.exact_p);
  archive("chi_squared", test.chi_squared);
  archive("chi_squared_p", test.chi_squared_p);
}

template <class Archive>
void fields(Archive& archive, MeanAndError& value) {
  archive("mean", value.mean);
  archive("error", value.error);
}

template <class Archive>
void fields(Archive& archive, KldTable& table) {
  archive("positions", table.positions);
  archive("ppl_q", table.ppl_q);
  archive("ppl_base", table.ppl_base);
  archive("correlation", table.correlation);
  archive("log_ratio", table.log_ratio);
  archive("ratio", table.ratio);
  archive("difference", table.difference);
  archive("kld", table.kld);
  archive("kld_quantiles", table.kld_quantiles);
  archive("delta_p", table.delta_p);
  archive("delta_p_quantiles", table.delta_p_quantiles);
  archive("rms_delta_p", table.rms_delta_p);
  archive("same_top_p", table.same_top_p);
}

template <class Archive>
void fields(Archive& archive, TokenClassResult& result) {
  archive("class", result.name);
  archive("positions", result.positions);
  archive("clusters", result.clusters);
  archive("kl_mean", result.kl_mean);
  archive("interval", result.interval);
  archive("kl_share", result.kl_share);
}

template <class Archive>
void fields(Archive& archive, WorstPosition& position) {
  archive("corpus", position.corpus);
  archive("chunk", position.chunk);
  archive("position", position.position);
  archive("kl", position.kl_nats);
  archive("context", position.context);
  archive("target", position.target);
  archive("target_original_p", position.target_original_p);
  archive("target_variant_p", position.target_variant_p);
  archive("original_top", position.original_top);
  archive("original_top_p", position.original_top_p);
  archive("variant_top", position.variant_top);
  archive("variant_top_p", position.variant_top_p);
}

/// The three numbers of a corpus, under the keys that the whole comparison has them.
struct CorpusPerplexity {
  double &original, &variant, &log_ratio;
  std::optional<Interval>& interval;
};
struct CorpusMean {
  double& mean;
  std::optional<Interval>& interval;
};
struct CorpusFraction {
  double& fraction;
  std::optional<Interval>& interval;
};

template <class Archive>
void fields(Archive& archive, CorpusPerplexity& perplexity) {
  archive("original", perplexity.original);
  archive("variant", perplexity.variant);
  archive("log_ratio", perplexity.log_ratio);
  archive("log_ratio_interval", perplexity.interval);
}
template <class Archive>
void fields(Archive& archive, CorpusMean& kl) {
  archive("mean", kl.mean);
  archive("interval", kl.interval);
}
template <class Archive>
void fields(Archive& archive, CorpusFraction& same_top) {
  archive("fraction", same_top.fraction);
  archive("interval", same_top.interval);
}

template <class Archive>
void fields(Archive& archive, CorpusResult& corpus) {
  archive("name", corpus.name);
  archive("path", corpus.path);
  archive("sha256", corpus.sha256);
  archive("bytes", corpus.bytes);
  archive("documents", corpus.documents);
  archive("chunks", corpus.chunks);
  archive("positions", corpus.positions);
  CorpusPerplexity perplexity{corpus.perplexity_original, corpus.perplexity_variant, corpus.log_ratio,
                              corpus.log_ratio_interval};
  archive("perplexity", perplexity);
  CorpusMean kl{corpus.kl_mean, corpus.kl_interval};
  archive("kl", kl);
  CorpusFraction same_top{corpus.same_top, corpus.same_top_interval};
  archive("same_top", same_top);
  archive("cluster_kind", corpus.cluster_kind);
  archive("clusters", corpus.clusters);
  archive("design_effect", corpus.design_effect);
}

template <class Archive>
void fields(Archive& archive, SampledTurn& turn) {
  archive("kl_mean", turn.kl_mean);
  archive("agreement", turn.agreement);
  archive("tokens", turn.tokens);
  archive("distinct_original", turn.distinct_original);
  archive("distinct_variant", turn.distinct_variant);
}

template <class Archive>
void fields(Archive& archive, ForcedAnswers& answers) {
  archive("tokens", answers.tokens);
  archive("conversations", answers.conversations);
  archive("kl_mean", answers.kl_mean);
  archive("kl_interval", answers.kl_interval);
  archive("agreement", answers.agreement);
  archive("agreement_interval", answers.agreement_interval);
}

template <class Archive>
void fields(Archive& archive, DialogueSummary& summary) {
  archive("greedy", summary.greedy);
  archive("samples", summary.samples);
  archive("temperature", summary.temperature);
  archive("sampled", summary.sampled);
}

namespace report {
namespace {

template <class Archive>
void judgement_fields(Archive& archive, Comparison& c) {
  archive("power", c.power);
  archive("right_wrong", c.right_wrong);
  archive("kld_table", c.kld_table);
  archive("token_classes", c.token_classes);
  archive("worst_positions", c.worst);
  archive("corpora", c.corpora);
  archive("dialogue_summary", c.dialogue_summary);
}

template <class Archive>
void turn_fields(Archive& archive, DialogueResult& turn) {
  archive("conversation", turn.conversation);
  archive("tokens", turn.tokens);
  archive("kl_mean", turn.kl_mean);
  archive("sampled", turn.sampled);
}

}  // namespace

void write_judgement(const Comparison& comparison, nlohmann::ordered_json& json) {
  Comparison copy = comparison;  // one list of fields serves both directions, and reading needs them writable
  FieldWriter writer(json);
  judgement_fields(writer, copy);
  FieldWriter perplexity(json["perplexity"]), same_top(json["same_top"]);
  perplexity("design_effect", copy.perplexity.design_effect);
  same_top("design_effect", copy.same_top.design_effect);
  same_top("effective_n", copy.same_top.effective_n);
}

void read_judgement(const nlohmann::json& json, Comparison& comparison) {
  FieldReader reader(json);
  judgement_fields(reader, comparison);
  FieldReader perplexity(json.at("perplexity")), same_top(json.at("same_top"));
  perplexity("design_effect", comparison.perplexity.design_effect);
  same_top("design_effect", comparison.same_top.design_effect);
  same_top("effective_n", comparison.same_top.effective_n);
}

void write_turn(const DialogueResult& turn, nlohmann::ordered_json& json) {
  DialogueResult copy = turn;
  FieldWriter writer(json);
  turn_fields(writer, copy);
}

void read_turn(const nlohmann::json& json, DialogueResult& turn) {
  FieldReader reader(json);
  turn_fields(reader, turn);
}

}  // namespace report
}  // namespace fqlab
