// The knapsack of a plan: one type for each group of tensors, least damage within a number of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fqlab/quantization_plan.h"

namespace fqlab {

/// One type that a group can have.
struct TypeChoice {
  uint64_t bytes = 0;  ///< of the group's data in the file, padding included
  double kl = 0;       ///< what it costs, nats
};

/// The choices of one group; at least one.
using ChoiceItem = std::vector<TypeChoice>;

/// Solves for every budget at once: dynamic programming over bytes, exact where all sizes are multiples of a
/// common step that leaves at most kMostSteps steps; else sizes are rounded up to steps, so that a budget is
/// never exceeded and at most one step a group is wasted.
class TypeSolver {
 public:
  /// `most_bytes`: the largest budget that will be asked for. Damage is taken to add up.
  TypeSolver(std::vector<ChoiceItem> items, uint64_t most_bytes);

  /// Bytes of the smallest choice of every item.
  uint64_t least_bytes() const { return least_; }
  /// For each item the index of its choice; nullopt where even least_bytes() exceeds the budget. Among equal
  /// damage the smaller.
  std::optional<std::vector<size_t>> solve(uint64_t budget_bytes) const;
  /// Least damage against bytes, for about `points` budgets between the smallest file and the largest budget.
  std::vector<PlanPoint> curve(size_t points) const;

  static constexpr uint64_t kMostSteps = 100'000;

 private:
  size_t steps_within(uint64_t budget_bytes) const;
  std::vector<ChoiceItem> items_;
  uint64_t least_ = 0, step_ = 1;
  std::vector<double> damage_;              // by steps above the least, of all items
  std::vector<std::vector<uint8_t>> best_;  // by item, by steps: the choice
};

/// Sum over the items.
TypeChoice total(std::span<const ChoiceItem> items, std::span<const size_t> chosen);

}  // namespace fqlab
