// Files by size and KL divergence.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/quantization_plan.h"
#include "report/messages.h"

namespace fqlab::report {

struct ParetoPoint {
  std::string name;  ///< short enough to stand beside its mark
  uint64_t bytes = 0;
  double kl = 0;  ///< nats
  std::optional<Interval> interval;
  bool verified = false;  ///< the file that the page is about
};

/// Size against KL divergence, the latter on a logarithmic axis; the frontier as a line where it lies near
/// the points. Empty without points.
std::string pareto_figure(std::span<const ParetoPoint> points, std::span<const PlanPoint> frontier,
                          const std::string& label, const Text& text);

/// The part of the frontier that the figure shows.
std::vector<PlanPoint> near_points(std::span<const ParetoPoint> points, std::span<const PlanPoint> frontier);

}  // namespace fqlab::report
