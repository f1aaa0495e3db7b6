// The keys of report.json that hold judgement.h and llama-perplexity's table.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "fqlab/comparison.h"

namespace fqlab::report {

/// Adds them to the object of one comparison, and reads them back from it.
void write_judgement(const Comparison& comparison, nlohmann::ordered_json& json);
void read_judgement(const nlohmann::json& json, Comparison& comparison);

/// Adds to, and reads from, one turn of `dialogue`.
void write_turn(const DialogueResult& turn, nlohmann::ordered_json& json);
void read_turn(const nlohmann::json& json, DialogueResult& turn);

}  // namespace fqlab::report
