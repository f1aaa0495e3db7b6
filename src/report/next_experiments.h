// What to try after a comparison, as commands to paste.
#pragma once

#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "report/messages.h"

namespace fqlab::report {

struct Experiment {
  Key why;
  std::string command;  ///< for a POSIX shell
};

/// Most useful first: a format that changes something (after a vacuous run), more chunks (after an
/// inconclusive one), reference arithmetic (after an unresolved native one), other layers, several layers,
/// other kinds. Layers are proposed only where the model's number of layers is known. Empty where there is no
/// recipe to vary.
std::vector<Experiment> next_experiments(const Comparison& comparison);

/// The tensors as selectors, "0-2/attn_q,attn_k": one for the kinds of the same layers, one without layers
/// for those that belong to none.
std::vector<std::string> selectors_of(const std::vector<TensorReport>& tensors);

}  // namespace fqlab::report
