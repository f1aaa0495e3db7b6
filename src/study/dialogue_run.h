// The dialogue of a comparison: every variant against the original of its arm.
#pragma once

#include <vector>

#include "study/dialogue.h"
#include "study/paired_run.h"

namespace fqlab {

/// Length of the answers and what is drawn, as the request says.
AnswerSettings answer_settings(const CompareRequest& request);

/// The context that the answers need; a prompt that cannot be rendered is an error before anything is
/// evaluated.
Result<void> plan_dialogues(PairedRun& run, std::span<const Conversation> conversations);

/// Both models' answers, in the arithmetic of the comparison, one list a variant; empty lists where not
/// asked. Planned before.
Result<std::vector<std::vector<DialogueResult>>> run_dialogues(PairedRun& run,
                                                               std::span<const Conversation> conversations);

}  // namespace fqlab
