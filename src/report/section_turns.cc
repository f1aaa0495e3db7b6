// The dialogue as data: both models led along the original's answers, and answers drawn at random.
#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

std::string all_of(const ForcedAnswers& answers, const Text& text) {
  return text("turns.all", {{"tokens", count(answers.tokens)},
                            {"conversations", count(static_cast<uint64_t>(answers.conversations))},
                            {"kl", kl_estimate(answers.kl_mean, answers.kl_interval)},
                            {"agreement", percent(answers.agreement, answers.agreement_interval)}});
}

Table turns_table(const Comparison& c, const Text& text, bool drawn) {
  Table table{text("turns.table"),
              {{text("turns.turn"), true},
               {text("turns.tokens"), true},
               {text("head.kl_nats"), true},
               {text("turns.agreement"), true}},
              {}};
  if (drawn) {
    for (const Key title : {Key("turns.drawn_tokens"), Key("turns.drawn_kl"), Key("turns.drawn_agreement"),
                            Key("turns.distinct")})
      table.columns.push_back({text(title), true});
  }
  uint64_t number_of_turn = 0;
  for (const DialogueResult& turn : c.dialogue) {
    std::vector<std::string> row = {
        count(++number_of_turn), count(turn.tokens), turn.kl_mean ? number(*turn.kl_mean) : text("none"),
        turn.teacher_forced_agreement ? percent(*turn.teacher_forced_agreement) : text("none")};
    if (drawn && turn.sampled) {
      const SampledTurn& sampled = *turn.sampled;
      row.insert(row.end(), {count(sampled.tokens), number(sampled.kl_mean), percent(sampled.agreement),
                             percent(sampled.distinct_original) + " → " + percent(sampled.distinct_variant)});
    } else if (drawn) {
      row.insert(row.end(), 4, text("none"));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

void add_turns(const Comparison& c, const Text& text, Document& document) {
  if (!c.dialogue_summary) return;
  const DialogueSummary& summary = *c.dialogue_summary;
  document.blocks.push_back(Paragraph{text("turns.greedy", {{"all", all_of(summary.greedy, text)}})});
  if (summary.sampled) {
    document.blocks.push_back(
        Paragraph{text("turns.sampled", {{"k", count(static_cast<uint64_t>(summary.samples))},
                                         {"temperature", number(summary.temperature, 3)},
                                         {"all", all_of(*summary.sampled, text)}})});
  }
  document.blocks.push_back(turns_table(c, text, summary.sampled.has_value()));
}

}  // namespace fqlab::report
