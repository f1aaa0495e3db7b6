// What the page, the text and the tables of a verification share: names, and the sentences that say what came
// out.
#pragma once

#include <string>
#include <vector>

#include "fqlab/verification.h"
#include "report/document.h"
#include "report/messages.h"
#include "report/pareto_figure.h"

namespace fqlab::report {

/// The files' names without ".gguf" and without the beginning that all have in common, for figures.
std::vector<std::string> short_names(const Verification& v);

/// "`NAME`".
std::string code_name(const Verification& v, size_t file);

double bits_per_weight(const ModelIdentity& file);

/// ratio - 1 with its sign: "-46.1 % [-48.3 %, -43.8 %]".
std::string kl_change(const PairOnText& pair);
std::string kl_value(const FileOnText& file);
std::string perplexity_change(const FileOnText& file);

/// Size and KL divergence of the file, and of the one beside it that is nearest in size.
std::string headline(const Verification& v, const VerifiedText& text, const Text& say);

/// One sentence for each way in which the file stands to others, over all texts.
std::vector<std::string> standings(const Verification& v, const Text& say);

/// For the colour of the headline: better than all, worse than one, neither.
std::optional<Verdict> overall(const Verification& v);

std::string standing_text(Standing standing, const Text& say);

std::vector<ParetoPoint> pareto_points(const Verification& v, const VerifiedText& text);

/// All warnings, those of texts with the text's name in front where there are several.
std::vector<std::string> warning_sentences(const Verification& v, const Text& say);

}  // namespace fqlab::report
