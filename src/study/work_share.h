// Progress of work whose steps take different times.
#pragma once

#include <string>
#include <utility>

#include "study/verify.h"

namespace fqlab {

/// Costs are in any one unit; their sum is announced first.
class WorkShare {
 public:
  explicit WorkShare(VerifyProgress progress) : progress_(std::move(progress)) {}
  void expect(int steps, double cost_of_each) {
    steps_ += steps;
    cost_ += steps * cost_of_each;
  }
  /// Before each step.
  void begin(const std::string& now, double cost) {
    if (progress_) progress_(steps_done_, steps_, now, cost_ > 0 ? cost_done_ / cost_ : 0);
    ++steps_done_;
    cost_done_ += cost;
  }
  int steps_done() const { return steps_done_; }

 private:
  VerifyProgress progress_;
  int steps_ = 0, steps_done_ = 0;
  double cost_ = 0, cost_done_ = 0;
};

}  // namespace fqlab
