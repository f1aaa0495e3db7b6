#pragma once

#include <vector>

#include "study/summarize.h"

namespace fqlab {

/// A position for each KL divergence, the same token on top everywhere.
inline PairedPass pass_of(const std::vector<double>& kl) {
  PairedPass pass;
  for (const double value : kl) pass.push_back({.kl_nats = value, .same_top = true});
  return pass;
}

}  // namespace fqlab
