#include "plan/type_choice.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>

namespace fqlab {
namespace {

uint64_t least_of(const ChoiceItem& item) { return std::ranges::min(item, {}, &TypeChoice::bytes).bytes; }

/// The largest step that every size above its item's least is a multiple of; 0 where nothing is above.
uint64_t common_step(std::span<const ChoiceItem> items) {
  uint64_t step = 0;
  for (const ChoiceItem& item : items)
    for (const TypeChoice& choice : item) step = std::gcd(step, choice.bytes - least_of(item));
  return step;
}

}  // namespace

TypeSolver::TypeSolver(std::vector<ChoiceItem> items, uint64_t most_bytes) : items_(std::move(items)) {
  uint64_t largest = 0;
  for (const ChoiceItem& item : items_) {
    assert(!item.empty() && item.size() <= 256);
    least_ += least_of(item);
    largest += std::ranges::max(item, {}, &TypeChoice::bytes).bytes;
  }
  const uint64_t slack = std::min(most_bytes, largest) - std::min(least_, std::min(most_bytes, largest));
  step_ = std::max<uint64_t>(1, common_step(items_));
  if (slack / step_ > kMostSteps) step_ = slack / kMostSteps + 1;

  const size_t states = slack / step_ + 1;
  damage_.assign(states, 0);
  std::vector<double> next(states);
  for (const ChoiceItem& item : items_) {
    const uint64_t least = least_of(item);
    std::ranges::fill(next, std::numeric_limits<double>::infinity());
    std::vector<uint8_t>& best = best_.emplace_back(states, uint8_t{0});
    std::vector<size_t> order(item.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, {}, [&](size_t i) { return item[i].bytes; });
    for (const size_t i : order) {
      const size_t steps = (item[i].bytes - least + step_ - 1) / step_;
      for (size_t s = steps; s < states; ++s)
        if (const double sum = damage_[s - steps] + item[i].kl; sum < next[s]) {
          next[s] = sum;
          best[s] = static_cast<uint8_t>(i);
        }
    }
    damage_.swap(next);
  }
}

size_t TypeSolver::steps_within(uint64_t budget_bytes) const {
  return std::min<uint64_t>((budget_bytes - least_) / step_, damage_.size() - 1);
}

std::optional<std::vector<size_t>> TypeSolver::solve(uint64_t budget_bytes) const {
  if (budget_bytes < least_) return std::nullopt;
  size_t steps = steps_within(budget_bytes);
  while (steps > 0 && damage_[steps - 1] <= damage_[steps]) --steps;
  std::vector<size_t> chosen(items_.size());
  for (size_t i = items_.size(); i-- > 0;) {
    chosen[i] = best_[i][steps];
    steps -= (items_[i][chosen[i]].bytes - least_of(items_[i]) + step_ - 1) / step_;
  }
  return chosen;
}

std::vector<PlanPoint> TypeSolver::curve(size_t points) const {
  std::vector<PlanPoint> curve;
  const size_t last = damage_.size() - 1, count = std::max<size_t>(points, 2);
  for (size_t i = 0; i < count; ++i) {
    const std::vector<size_t> chosen = *solve(least_ + last * i / (count - 1) * step_);
    const TypeChoice sum = total(items_, chosen);
    if (curve.empty() || sum.bytes > curve.back().file_bytes) curve.push_back({sum.bytes, sum.kl});
  }
  return curve;
}

TypeChoice total(std::span<const ChoiceItem> items, std::span<const size_t> chosen) {
  TypeChoice sum;
  for (size_t i = 0; i < items.size(); ++i) {
    sum.bytes += items[i][chosen[i]].bytes;
    sum.kl += items[i][chosen[i]].kl;
  }
  return sum;
}

}  // namespace fqlab
