#include "plan/allocation.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "plan/chunk_model.h"

namespace fqlab {
namespace {

constexpr double kMapShare = 1.0 / 4;  // most of the exhaustive map's chunks and cost
constexpr double kTopShare = 1.0 / 3;  // most of them that a race may take
// Expected against the exhaustive map, where a map may stop. The expectation is optimistic where it rests on
// the cells' scatter (docs/decisions/0006), not where pilots measured the error (docs/decisions/0016).
constexpr double kSettledSpearman = 0.999, kSettledByPilots = 0.985;
constexpr double kIndifference = 0.05;   // a race's winners may be this share below the K-th largest
constexpr double kRaceDeviations = 3.5;  // of a paired difference, from which an order counts as known
constexpr double kNormal95 = 1.959963984540054;
// Under a limit nobody runs ahead: a chunk that few cells have compares few cells, and chunks differ by more
// than a shift (measured: ranks got worse on a model where some cells had three chunks and some one).
constexpr int kLeastPairs = 2;
constexpr size_t kRoundsPerPass = 4;  // a round asks for at most this part of the cells

// Chunks of each cell, measured and asked for, and what may still be asked.
class Ledger {
 public:
  Ledger(std::span<const CellEvidence> cells, const AllocationGoal& goal, double share)
      : cells_(cells), count_(cells.size(), 0), cursor_(cells.size(), 0) {
    order_.resize(static_cast<size_t>(goal.chunks));
    std::iota(order_.begin(), order_.end(), 0);
    if (goal.representative) order_ = goal.representative->order;
    const int budget_chunks = goal.budget_chunks.value_or(goal.chunks);
    for (size_t i = 0; i < cells.size(); ++i) {
      tokens_left_ += share * budget_chunks;
      cost_left_ += share * budget_chunks * cells[i].cost;
      for (const auto& kl : cells[i].chunk_kl)
        if (kl) charge(i);
    }
  }
  int count(size_t cell) const { return count_[cell]; }
  bool open(size_t cell) const {
    return !cells_[cell].closed && count_[cell] < static_cast<int>(order_.size());
  }
  bool affords(size_t cell) const {
    return tokens_left_ >= 1 - kRounding && cost_left_ >= cells_[cell].cost * (1 - kRounding);
  }

  // The first chunk that the cell neither has nor was given in this call.
  void ask(size_t cell) {
    const auto& known = cells_[cell].chunk_kl;
    const auto is_known = [&](int chunk) {
      return static_cast<size_t>(chunk) < known.size() && known[static_cast<size_t>(chunk)];
    };
    size_t& place = cursor_[cell];
    while (place < order_.size() && is_known(order_[place])) ++place;
    if (place == order_.size()) return;
    next_.emplace_back(cell, order_[place++]);
    charge(cell);
  }

  CellChunks give() {
    std::ranges::sort(next_, [](const auto& a, const auto& b) {
      return std::pair(a.second, a.first) < std::pair(b.second, b.first);
    });
    return std::move(next_);
  }

 private:
  static constexpr double kRounding = 1e-9;
  void charge(size_t cell) {
    ++count_[cell];
    tokens_left_ -= 1;
    cost_left_ -= cells_[cell].cost;
  }
  std::span<const CellEvidence> cells_;
  std::vector<int> order_;  // of the chunks
  std::vector<int> count_;
  std::vector<size_t> cursor_;  // of each cell: places before it in the order are known or asked for
  CellChunks next_;
  double tokens_left_ = 0, cost_left_ = 0;
};

// Everybody's first chunk, before anything is known.
bool ask_for_first_chunks(std::span<const CellEvidence> cells, Ledger& ledger) {
  bool asked = false;
  for (size_t i = 0; i < cells.size(); ++i)
    if (ledger.open(i) && ledger.count(i) == 0) {
      ledger.ask(i);
      asked = true;
    }
  return asked;
}

// How far a cell's log KL may be off, and what that does to its rank. Cells without damage stay where they
// are.
struct Order {
  std::vector<size_t> cells;        // those that take part
  std::vector<double> ranks_moved;  // expected by an error of 1 in log KL: how crowded it is around the cell
  double expected_spearman = 1;
};

// Variance of a cell's log KL on `count` chunks against all chunks.
double log_variance(const CellEstimate& cell, int count, const AllocationGoal& goal) {
  if (goal.representative) return goal.representative->log_variance[static_cast<size_t>(count) - 1];
  return cell.scatter * cell.scatter * std::max(0.0, 1.0 / count - 1.0 / goal.chunks);
}

Order weigh_order(const ChunkModel& model, const Ledger& ledger, const AllocationGoal& goal) {
  Order order;
  order.ranks_moved.assign(model.cells.size(), 0);
  std::vector<double> log_kl(model.cells.size(), 0), variance(model.cells.size(), 0);
  for (size_t i = 0; i < model.cells.size(); ++i) {
    const CellEstimate& cell = model.cells[i];
    if (!cell.kl || !(*cell.kl > 0)) continue;
    order.cells.push_back(i);
    log_kl[i] = std::log(*cell.kl);
    variance[i] = log_variance(cell, ledger.count(i), goal);
  }
  const double n = static_cast<double>(order.cells.size());
  if (n < 2) return order;
  double squares = 0;
  for (const size_t i : order.cells) {
    double swaps = 0;
    for (const size_t k : order.cells) {
      if (i == k) continue;
      const double difference = log_kl[i] - log_kl[k];
      // A width for the density that stays above 0 where all chunks are known.
      const double width = std::hypot(model.cells[i].scatter, model.cells[k].scatter) / 2;
      const double z = width > 0 ? difference / width : 0;
      if (width > 0) order.ranks_moved[i] += std::exp(-z * z / 2) / (width * std::sqrt(2 * std::numbers::pi));
      const double deviation = std::sqrt(variance[i] + variance[k]);
      if (deviation > 0) swaps += std::erfc(std::abs(difference) / deviation / std::numbers::sqrt2) / 2;
    }
    squares += order.ranks_moved[i] * order.ranks_moved[i] * variance[i] + swaps;
  }
  order.expected_spearman = 1 - 6 * squares / (n * (n * n - 1));
  return order;
}

bool is_precise(const CellEstimate& cell, const AllocationGoal& goal) {
  return kNormal95 * cell.log_error(goal.chunks) <= std::log1p(goal.precision);
}

// Each chunk goes where it takes most from the expected squares of the ranks' errors, for its cost.
void ask_for_order(std::span<const CellEvidence> cells, const ChunkModel& model, const Order& order,
                   const AllocationGoal& goal, Ledger& ledger) {
  const bool limited = !goal.precision_asked;
  const int most = std::max(
      kLeastPairs, static_cast<int>(std::ceil(goal.budget_chunks.value_or(goal.chunks) * kMapShare)));
  const auto gain = [&](size_t i) {
    const int n = ledger.count(i);
    const double spared = log_variance(model.cells[i], n, goal) - log_variance(model.cells[i], n + 1, goal);
    return order.ranks_moved[i] * order.ranks_moved[i] * spared / cells[i].cost;
  };
  const size_t batch = std::max<size_t>(1, (order.cells.size() + kRoundsPerPass - 1) / kRoundsPerPass);
  for (size_t asked = 0; asked < batch; ++asked) {
    std::optional<size_t> best;
    for (const size_t i : order.cells) {
      if (!ledger.open(i) || (limited && (ledger.count(i) >= most || !ledger.affords(i)))) continue;
      if (!best || gain(i) > gain(*best)) best = i;
    }
    if (!best) return;
    ledger.ask(*best);
  }
}

CellChunks allocate_map(std::span<const CellEvidence> cells, const AllocationGoal& goal) {
  Ledger ledger(cells, goal, kMapShare);
  if (ask_for_first_chunks(cells, ledger)) return ledger.give();
  const ChunkModel model = fit_chunk_model(cells);
  const Order order = weigh_order(model, ledger, goal);
  if (goal.precision_asked)
    for (const size_t i : order.cells)
      if (ledger.open(i) && !is_precise(model.cells[i], goal)) ledger.ask(i);
  // A scatter that was only guessed settles nothing.
  const double settled = goal.representative ? kSettledByPilots : kSettledSpearman;
  if (order.expected_spearman < settled || model.degrees == 0)
    ask_for_order(cells, model, order, goal, ledger);
  return ledger.give();
}

// Cells whose place in or out of the top is open, the most doubtful first.
std::vector<size_t> open_places(const ChunkModel& model, int top) {
  std::vector<size_t> ranked;
  for (size_t i = 0; i < model.cells.size(); ++i)
    if (model.cells[i].kl && *model.cells[i].kl > 0) ranked.push_back(i);
  std::ranges::stable_sort(ranked,
                           [&](size_t a, size_t b) { return *model.cells[a].kl > *model.cells[b].kl; });
  if (ranked.size() <= static_cast<size_t>(top)) return {};
  std::vector<std::pair<double, size_t>> doubtful(ranked.size(), {HUGE_VAL, 0});  // deviations from a swap
  for (size_t a = 0; a < ranked.size(); ++a) doubtful[a].second = ranked[a];
  for (size_t a = 0; a < static_cast<size_t>(top); ++a)
    for (size_t b = static_cast<size_t>(top); b < ranked.size(); ++b) {
      const CellEstimate& in = model.cells[ranked[a]];
      const CellEstimate& out = model.cells[ranked[b]];
      const double error = std::hypot(in.scatter / std::sqrt(in.chunks), out.scatter / std::sqrt(out.chunks));
      const double gap = std::log(*in.kl / *out.kl) - std::log1p(-kIndifference);
      const double deviations = error > 0 ? gap / error : HUGE_VAL;
      doubtful[a].first = std::min(doubtful[a].first, deviations);
      doubtful[b].first = std::min(doubtful[b].first, deviations);
    }
  std::ranges::stable_sort(doubtful, {}, [](const auto& entry) { return entry.first; });
  std::vector<size_t> open;
  for (const auto& [deviations, cell] : doubtful)
    if (deviations < kRaceDeviations) open.push_back(cell);
  return open;
}

CellChunks allocate_top(std::span<const CellEvidence> cells, const AllocationGoal& goal) {
  Ledger ledger(cells, goal, kTopShare);
  if (ask_for_first_chunks(cells, ledger)) return ledger.give();
  const ChunkModel model = fit_chunk_model(cells);
  const size_t batch =
      std::max<size_t>(static_cast<size_t>(std::max(1, goal.top)), cells.size() / kRoundsPerPass / 2);
  size_t asked = 0;
  for (const size_t i : open_places(model, std::max(0, goal.top))) {
    if (asked == batch) break;
    if (!ledger.open(i) || !ledger.affords(i)) continue;
    ledger.ask(i);
    ++asked;
  }
  return ledger.give();
}

CellChunks allocate_equally(std::span<const CellEvidence> cells, const AllocationGoal& goal, int each) {
  Ledger ledger(cells, goal, 1);
  for (int n = 0; n < each; ++n)
    for (size_t i = 0; i < cells.size(); ++i)
      if (ledger.open(i) && ledger.count(i) < each) ledger.ask(i);
  return ledger.give();
}

}  // namespace

CellChunks allocate_next(std::span<const CellEvidence> cells, const AllocationGoal& goal) {
  switch (goal.kind) {
    case AllocationGoal::Kind::kMap:
      return allocate_map(cells, goal);
    case AllocationGoal::Kind::kTop:
      return allocate_top(cells, goal);
    case AllocationGoal::Kind::kEqual:
      return allocate_equally(cells, goal, goal.each);
    case AllocationGoal::Kind::kExhaustive:
      break;
  }
  return allocate_equally(cells, goal, goal.chunks);
}

}  // namespace fqlab
