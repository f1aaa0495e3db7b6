// What stands beside an interval: how many clusters it rests on, and how much they cost.
#pragma once

#include <optional>
#include <string>

#include "report/messages.h"

namespace fqlab::report {

/// "233 documents", "16 chunks", or "42 documents and chunks" where the texts differ in it.
std::string cluster_count(int clusters, const std::string& kind, const Text& text);

/// "16 · 1.93": number of clusters and design effect; the number alone where there is no design effect.
std::string clusters_and_effect(int clusters, const std::optional<double>& design_effect);

}  // namespace fqlab::report
