// Conclusions in words, computed from verdicts and numbers.
#pragma once

#include <string>
#include <vector>

#include "fqlab/comparison.h"
#include "report/messages.h"

namespace fqlab::report {

struct Conclusion {
  Key topic;  ///< "conclusion.numbers", ".prediction", ".dialogue", ".performance", ".sensitivity",
              ///< ".safety", ".power"
  std::string text;
};

/// One conclusion a topic, always all seven, in that order.
std::vector<Conclusion> conclusions(const Comparison& comparison, const Text& text);

}  // namespace fqlab::report
