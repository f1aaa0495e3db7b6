#include "report/clusters.h"

#include "report/numbers.h"

namespace fqlab::report {

std::string cluster_count(int clusters, const std::string& kind, const Text& text) {
  const auto n = static_cast<uint64_t>(clusters);
  if (kind == "document") return text.plural(n, "unit.document", "unit.documents");
  if (kind == "mixed") return text.plural(n, "unit.mixed_cluster", "unit.mixed_clusters");
  return text.plural(n, "unit.chunk", "unit.chunks");
}

std::string clusters_and_effect(int clusters, const std::optional<double>& design_effect) {
  const std::string n = count(static_cast<uint64_t>(clusters));
  return design_effect ? n + " · " + number(*design_effect, 3) : n;
}

}  // namespace fqlab::report
