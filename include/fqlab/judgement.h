// What a comparison knows beyond its three headline numbers: how sure it is, where in the text the models
// differ, and by what tokens. Part of Comparison; filled by study/, explained by report/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab {

/// About how many chunks more would bring a verdict other than inconclusive, with probability 0.9
/// (more_clusters_to_decide). Absent: decided already, or no reasonable number would do.
struct Power {
  std::optional<int64_t> perplexity, kl, same_top;
};

/// What a scored token is, by its text. Blanks around it do not count, for tokenizers glue a space to the
/// word. Of a mixed token the first that applies: a letter outside the Latin script, or a piece of a
/// character -> kNonLatin; a Latin letter -> kWord; a digit -> kDigits; anything else -> kPunctuation.
enum class TokenClass { kWhitespace, kDigits, kPunctuation, kWord, kNonLatin };
inline constexpr int kTokenClasses = 5;

/// KL divergence of the positions whose target is of one class.
struct TokenClassResult {
  std::string name;  ///< "whitespace", "digits", "punctuation", "words" or "non_latin"
  uint64_t positions = 0;
  int clusters = 0;    ///< with at least one such position
  double kl_mean = 0;  ///< nats
  std::optional<Interval> interval;
  double kl_share = 0;  ///< of the sum over all positions, a fraction
};

/// One of the positions with the largest KL divergence, in context. Texts are the tokens' own, with bytes
/// that are no UTF-8 spelled "<0xE2>".
struct WorstPosition {
  std::string corpus;  ///< its name; empty where there is one corpus
  int chunk = 0;
  int position = 0;  ///< of the target in its chunk, in tokens from 0
  double kl_nats = 0;
  std::string context;  ///< of the tokens before the target
  std::string target;
  double target_original_p = 0, target_variant_p = 0;
  std::string original_top, variant_top;  ///< the token that each model puts first
  double original_top_p = 0, variant_top_p = 0;
};

/// One of several corpora of a run.
struct CorpusResult {
  std::string name;
  std::string path;
  std::string sha256;
  uint64_t bytes = 0;
  uint64_t documents = 0;
  int chunks = 0;
  uint64_t positions = 0;
  double perplexity_original = 0, perplexity_variant = 0;
  double log_ratio = 0;
  std::optional<Interval> log_ratio_interval;
  double kl_mean = 0;  ///< nats
  std::optional<Interval> kl_interval;
  double same_top = 0;  ///< fraction
  std::optional<Interval> same_top_interval;
  std::string cluster_kind;  ///< "chunk" or "document"
  int clusters = 0;
  std::optional<double> design_effect;  ///< of the KL divergence
};

/// Answers of one turn drawn at random from each model with the same seeds, K of each.
struct SampledTurn {
  double kl_mean = 0;    ///< nats a token, both models led along the original's answers
  double agreement = 0;  ///< fraction of those tokens at which both models put the same token first
  uint64_t tokens = 0;   ///< of the original's answers
  double distinct_original = 0,
         distinct_variant = 0;  ///< fraction of the K answers that differ from each other
};

/// Both models led along the original's answers; conversations are the clusters.
struct ForcedAnswers {
  uint64_t tokens = 0;
  int conversations = 0;
  double kl_mean = 0;  ///< nats a token
  std::optional<Interval> kl_interval;
  double agreement = 0;  ///< fraction
  std::optional<Interval> agreement_interval;
};

/// The dialogue as data.
struct DialogueSummary {
  ForcedAnswers greedy;
  int samples = 0;  ///< answers drawn a turn; 0: none
  double temperature = 0;
  std::optional<ForcedAnswers> sampled;
};

}  // namespace fqlab
