#include "study/plan_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/hash.h"
#include "base/random.h"
#include "base/stopwatch.h"
#include "plan/type_choice.h"
#include "study/floor_rule.h"
#include "study/plan_singles.h"

namespace fqlab {
namespace {

constexpr int kChunksToChooseFrom = 16;  // those that stand for the text
constexpr int kKindChunks = 8;           // on which the kinds of a solution are measured together
constexpr int kFirstHeat = 8;            // chunks on which every candidate is measured
constexpr int kDrawn = 4;                // candidates from costs drawn within their errors
constexpr int kMoreRounds = 3;           // of measuring what plans would take of what was predicted
constexpr double kHeavyShare = 0.1;      // of the bytes: a group that gets more measurements than others
constexpr double kHopeless = 1.5;        // a neighbour whose predicted KL is so much above the optimum's
constexpr size_t kCurvePoints = 64;
constexpr double kMegabyte = 1e6;
constexpr double kLeastFactor = 0.5, kMostFactor = 2;  // of a kind's joint effect over its sum

using Options = std::vector<size_t>;  // by group

/// A plan is a text that people read: four digits, more than is known of any of its numbers.
double rounded(double value) { return std::stod(fmt::format("{:.4g}", value)); }

class PlanSearch {
 public:
  PlanSearch(const PlanRequest& request, const PlanSource& source, PlanSpace space,
             const std::function<void(const std::string&, const SweepProgress&)>& progress,
             const std::function<void(const std::string&)>& warn)
      : request_(request),
        source_(source),
        space_(std::move(space)),
        progress_(progress),
        warn_(warn),
        candidate_chunks_(request.candidate_chunks) {}

  Result<PlanOutcome> run();

 private:
  Result<bool> find_representative();
  Result<bool> measure_singles();
  Result<bool> measure_kinds(const Options& solution);
  Result<bool> race();
  Result<bool> measure(std::vector<PlanCandidate*> candidates, int chunks);
  Result<SweepOutcome> sweep(const std::vector<FormatSpec>& formats, std::vector<RealTrial> trials,
                             const AllocationGoal& goal, const std::string& stage);
  Result<size_t> measure_what_plans_take();
  std::vector<ChoiceItem> items() const;
  std::vector<ChoiceItem> drawn_items(int draw) const;
  bool is_candidate(const std::vector<GgmlType>& types) const;
  Result<void> add_candidate(const std::string& label, const Options& options);
  std::optional<Options> solve(const std::vector<ChoiceItem>& costs) const;
  Result<void> add_solved(const std::string& label, const std::vector<ChoiceItem>& costs);
  Result<void> add_solutions(const Options& solution);
  bool keep_to_request(PlanCandidate& mix) const;
  Result<void> add_stock();
  std::optional<double> raw_kl(std::span<const GgmlType> types) const;
  double joint_over_sum(const PlanCandidate* but) const;
  Result<void> describe(PlanOutcome& outcome);

  const PlanRequest& request_;
  const PlanSource& source_;
  PlanSpace space_;
  const std::function<void(const std::string&, const SweepProgress&)>& progress_;
  const std::function<void(const std::string&)>& warn_;
  std::optional<RepresentativeChunks> representative_;
  PlanSingles singles_;
  std::map<std::string, double> kind_factor_;  // joint over sum, 1 where not measured
  uint64_t budget_ = 0;
  int candidate_chunks_;  // asked for, or what the text has
  std::vector<PlanCandidate> candidates_;
  size_t runs_now_ = 0, runs_before_ = 0;
  double solving_seconds_ = 0;
  SweepOutcome::State state_ = SweepOutcome::State::kFinished;
};

Result<SweepOutcome> PlanSearch::sweep(const std::vector<FormatSpec>& formats, std::vector<RealTrial> trials,
                                       const AllocationGoal& goal, const std::string& stage) {
  SweepRequest request;
  request.model = request_.model;
  request.corpora = request_.corpora;
  request.study = request_.study;
  request.selection.formats = formats;
  request.selection.grouping = request_.grouping;
  request.selection.real = std::move(trials);
  request.goal = goal;
  request.n_ctx = request_.n_ctx;
  request.workers = request_.workers;
  request.limit_bytes = request_.limit_bytes;
  request.command = request_.command;
  request.retry_failed = true;  // memory that was short then need not be now
  Result<SweepOutcome> outcome = run_sweep(
      request, [&](const SweepProgress& now) { progress_(stage, now); }, warn_);
  if (!outcome) return outcome;
  runs_now_ += outcome->runs_now;
  runs_before_ += outcome->runs_before;
  state_ = outcome->state;
  return outcome;
}

/// Which chunks stand for the text. The same pilots for all plans of a model, whatever types, pins and budget
/// they have, so that they find the same chunks and share what is measured there. False: interrupted.
Result<bool> PlanSearch::find_representative() {
  AllocationGoal goal;
  goal.kind = AllocationGoal::Kind::kExhaustive;
  goal.chunks = std::min(request_.candidate_chunks, kChunksToChooseFrom);
  const Result<PlanSpace> usual =
      PlanSpace::create(space_.file(), source_, default_plan_types(space_.file()), {}, request_.grouping);
  const Result<PlanSingles> pilots = PlanSingles::pilots(usual ? *usual : space_, goal.chunks);
  if (!pilots) return tl::unexpected(pilots.error());
  if (pilots->trials().empty()) return true;
  const Result<SweepOutcome> outcome =
      sweep(pilots->formats(), pilots->trials(), goal, "which chunks stand for the text");
  if (!outcome) return tl::unexpected(outcome.error());
  if (outcome->state != SweepOutcome::State::kFinished) return false;
  const size_t chunks = outcome->cluster_of_chunk.size();
  std::vector<Pilot> known;
  for (const MeasuredChunks& measured : outcome->measured) {
    if (measured.size() != chunks) continue;
    Pilot& pilot = known.emplace_back();
    for (const auto& [chunk, result] : measured) pilot.chunk_kl.push_back(result.kl_mean());
  }
  representative_ = find_representative_chunks(known);
  return true;
}

/// What the options of every group cost alone. False: interrupted.
Result<bool> PlanSearch::measure_singles() {
  const Stopwatch choosing;
  Result<PlanSingles> chosen = PlanSingles::choose(
      space_, request_.quick, static_cast<uint64_t>(kHeavyShare * static_cast<double>(budget_)),
      request_.workers);
  if (!chosen) return tl::unexpected(chosen.error());
  singles_ = std::move(*chosen);
  if (singles_.trials().empty())
    return fail(ErrorCode::kUsage, "there is nothing to plan: every tensor keeps its type", "--types, --pin",
                "allow further types");
  solving_seconds_ += choosing.seconds();
  for (int round = 0;; ++round) {
    AllocationGoal goal;
    goal.kind = AllocationGoal::Kind::kEqual;
    goal.each = request_.chunks;
    goal.chunks = std::max(request_.chunks, std::min(request_.candidate_chunks, kChunksToChooseFrom));
    if (representative_ && static_cast<size_t>(request_.chunks) <= representative_->order.size())
      goal.representative = representative_;
    const Result<SweepOutcome> outcome =
        sweep(singles_.formats(), singles_.trials(), goal,
              round == 0 ? "single types" : "single types that a plan within the errors would take");
    if (!outcome) return tl::unexpected(outcome.error());
    if (outcome->state != SweepOutcome::State::kFinished) return false;
    const Stopwatch estimating;
    if (Result<void> taken = singles_.take(*outcome, request_.study); !taken)
      return tl::unexpected(taken.error());
    const Result<size_t> added =
        request_.quick && round < kMoreRounds ? measure_what_plans_take() : Result<size_t>(0);
    if (!added) return tl::unexpected(added.error());
    solving_seconds_ += estimating.seconds();
    if (*added == 0) return true;
  }
}

/// Predicted options that the optimum, or one of costs drawn within their errors, would take are to be
/// measured: an optimum seeks what is predicted too low. Their number.
Result<size_t> PlanSearch::measure_what_plans_take() {
  std::vector<std::pair<size_t, size_t>> taken;
  for (int draw = 0; draw <= kDrawn; ++draw) {
    const std::vector<ChoiceItem> costs = draw == 0 ? items() : drawn_items(draw);
    const auto options = solve(costs);
    for (size_t g = 0; options && g < options->size(); ++g) taken.emplace_back(g, (*options)[g]);
  }
  return singles_.also_measure(space_, taken);
}

std::vector<ChoiceItem> PlanSearch::items() const {
  std::vector<ChoiceItem> items;
  for (size_t g = 0; g < space_.groups().size(); ++g) {
    const PlanGroup& group = space_.groups()[g];
    const auto factor = kind_factor_.find(group.kind);
    ChoiceItem& item = items.emplace_back();
    for (size_t o = 0; o < group.options.size(); ++o)
      item.push_back({group.options[o].bytes,
                      *singles_.effect(g, o).kl * (factor == kind_factor_.end() ? 1 : factor->second)});
  }
  return items;
}

/// Costs that are as likely within their errors.
std::vector<ChoiceItem> PlanSearch::drawn_items(int draw) const {
  Random random(static_cast<uint64_t>(draw));
  std::vector<ChoiceItem> drawn = items();
  for (size_t g = 0; g < drawn.size(); ++g)
    for (size_t o = 0; o < drawn[g].size(); ++o) {
      const CellEstimate& single = singles_.effect(g, o);
      drawn[g][o].kl *= std::exp(single.scatter / std::sqrt(std::max(1, single.chunks)) * random.normal());
    }
  return drawn;
}

std::optional<double> PlanSearch::raw_kl(std::span<const GgmlType> types) const {
  std::map<size_t, GgmlType> of_tensor;
  for (size_t i = 0; i < types.size(); ++i) of_tensor[space_.tensors()[i]] = types[i];
  const std::vector<ChoiceItem> costs = items();
  double sum = 0;
  for (size_t g = 0; g < space_.groups().size(); ++g) {
    const PlanGroup& group = space_.groups()[g];
    const GgmlType type = of_tensor[group.tensors.front()];
    for (const size_t tensor : group.tensors)
      if (of_tensor[tensor] != type) return std::nullopt;
    const auto option = std::ranges::find(group.options, type, &PlanOption::type);
    if (option == group.options.end()) return std::nullopt;
    sum += costs[g][static_cast<size_t>(option - group.options.begin())].kl;
  }
  return sum;
}

/// Parts of a solution that are measured together: how far do singles of one kind add up?
Result<bool> PlanSearch::measure_kinds(const Options& solution) {
  std::map<std::string, std::vector<TensorChange>> changes;
  std::map<std::string, double> sums;
  for (size_t g = 0; g < space_.groups().size(); ++g) {
    const PlanGroup& group = space_.groups()[g];
    const PlanOption& option = group.options[solution[g]];
    auto& of_kind = changes[group.kind];
    of_kind.insert(of_kind.end(), option.changes.begin(), option.changes.end());
    sums[group.kind] += *singles_.effect(g, solution[g]).kl;
  }
  std::vector<RealTrial> trials;
  std::vector<std::string> kinds;
  for (auto& [kind, of_kind] : changes) {
    if (of_kind.size() < 2) continue;
    std::ranges::sort(of_kind, {}, &TensorChange::tensor);
    trials.push_back({fmt::format("all {} of the solution", kind), 0, true, of_kind});
    kinds.push_back(kind);
  }
  if (trials.size() < 2) return true;
  AllocationGoal goal;
  goal.kind = AllocationGoal::Kind::kExhaustive;
  goal.chunks = std::min(kKindChunks, request_.candidate_chunks);
  const Result<SweepOutcome> outcome = sweep(singles_.formats(), std::move(trials), goal, "kinds together");
  if (!outcome) return tl::unexpected(outcome.error());
  if (outcome->state != SweepOutcome::State::kFinished) return false;
  for (size_t i = 0; i < kinds.size(); ++i) {
    double joint = 0;
    for (const auto& [chunk, measured] : outcome->measured[i]) joint += measured.kl_mean();
    joint /= static_cast<double>(std::max<size_t>(1, outcome->measured[i].size()));
    if (sums[kinds[i]] > 0 && joint > 0)
      kind_factor_[kinds[i]] = std::clamp(joint / sums[kinds[i]], kLeastFactor, kMostFactor);
  }
  return true;
}

bool PlanSearch::is_candidate(const std::vector<GgmlType>& types) const {
  return std::ranges::find(candidates_, types, &PlanCandidate::types) != candidates_.end();
}

Result<void> PlanSearch::add_candidate(const std::string& label, const Options& options) {
  PlanCandidate candidate{label, space_.types_of(options)};
  if (is_candidate(candidate.types)) return {};
  const Result<uint64_t> bytes = space_.file_bytes(candidate.types);
  if (!bytes) return tl::unexpected(bytes.error());
  candidate.file_bytes = *bytes;
  if (*bytes <= budget_) candidates_.push_back(std::move(candidate));
  return {};
}

std::optional<Options> PlanSearch::solve(const std::vector<ChoiceItem>& costs) const {
  const uint64_t data_bytes = budget_ - space_.fixed_bytes();
  return TypeSolver(costs, data_bytes).solve(data_bytes);
}

Result<void> PlanSearch::add_solved(const std::string& label, const std::vector<ChoiceItem>& costs) {
  const auto options = solve(costs);
  return options ? add_candidate(label, *options) : Result<void>();
}

/// The optimum of the measured costs, its neighbours where one group weighs much, and optima of costs that
/// are as likely within their errors.
Result<void> PlanSearch::add_solutions(const Options& solution) {
  if (Result<void> added = add_candidate("sum of singles", solution); !added) return added;
  const std::vector<ChoiceItem> costs = items();
  if (Result<void> added = add_solved("with joint effects", costs); !added) return added;
  const double optimum = total(costs, solution).kl;
  for (size_t g = 0; g < costs.size(); ++g) {
    const PlanGroup& group = space_.groups()[g];
    const size_t now = solution[g];
    if (static_cast<double>(costs[g][now].bytes) < kHeavyShare * static_cast<double>(budget_)) continue;
    for (const size_t other : {now - 1, now + 1}) {
      if (other >= costs[g].size()) continue;
      std::vector<ChoiceItem> fixed = costs;
      // The others are never taken; the choices keep their numbers.
      for (size_t o = 0; o < fixed[g].size(); ++o)
        if (o != other) fixed[g][o].kl = HUGE_VAL;
      const auto options = solve(fixed);
      if (!options || total(fixed, *options).kl > kHopeless * optimum) continue;
      Result<void> added = add_candidate(
          fmt::format("{} as {}", group.label, ggml_type_info(group.options[other].type)->name), *options);
      if (!added) return added;
    }
  }
  for (int draw = 1; draw <= kDrawn; ++draw)
    if (Result<void> added = add_solved(fmt::format("drawn costs {}", draw), drawn_items(draw)); !added)
      return added;
  return {};
}

/// Gives a mix the pinned types. False where it has types that were not asked for, or several in a group of
/// tensors that get one together.
bool PlanSearch::keep_to_request(PlanCandidate& mix) const {
  const auto type_of = [&](size_t tensor) -> GgmlType& { return mix.types[space_.place_of(tensor)]; };
  const auto mixed = [&](const PlanGroup& group) {
    return std::ranges::any_of(
        group.tensors, [&](size_t tensor) { return type_of(tensor) != type_of(group.tensors.front()); });
  };
  if (std::ranges::any_of(space_.groups(), mixed)) return false;
  if (request_.pins.empty() && request_.types.empty()) return true;
  bool changed = false;
  for (const PlanGroup& group : space_.groups())
    for (const size_t tensor : group.tensors) {
      GgmlType& type = type_of(tensor);
      if (std::ranges::find(group.options, type, &PlanOption::type) != group.options.end()) continue;
      if (group.options.size() == 1) {
        type = group.options.front().type;
        changed = true;
      } else if (!request_.types.empty()) {
        return false;
      }
    }
  if (changed) mix.label += " with the types that are given";
  return true;
}

/// llama-quantize's own mix of at most that size: the largest one.
Result<void> PlanSearch::add_stock() {
  PlanCandidate best;
  for (const std::string& mix : stock_mixes()) {
    const Result<std::vector<TensorType>> stock = stock_mix(space_.file(), mix, !request_.imatrix.empty());
    if (!stock) continue;
    PlanCandidate candidate{"stock " + mix};
    for (const TensorType& tensor : *stock) candidate.types.push_back(tensor.type);
    if (!keep_to_request(candidate)) continue;
    const Result<uint64_t> bytes = space_.file_bytes(candidate.types);
    if (!bytes) return tl::unexpected(bytes.error());
    candidate.file_bytes = *bytes;
    if (*bytes > budget_ || *bytes < best.file_bytes) continue;
    if (const auto possible = space_.changes(candidate.types); !possible) continue;
    best = std::move(candidate);
  }
  // With pins and few types it can be what is there already; a candidate twice would be its own prediction.
  if (!best.types.empty() && !is_candidate(best.types)) candidates_.push_back(std::move(best));
  return {};
}

Result<bool> PlanSearch::measure(std::vector<PlanCandidate*> candidates, int chunks) {
  std::vector<RealTrial> trials;
  for (const PlanCandidate* candidate : candidates) {
    Result<std::vector<TensorChange>> changes = space_.changes(candidate->types);
    if (!changes) return tl::unexpected(changes.error());
    trials.push_back({candidate->label, 0, true, std::move(*changes)});
  }
  AllocationGoal goal;
  goal.kind = AllocationGoal::Kind::kExhaustive;
  goal.chunks = chunks;
  const Result<SweepOutcome> outcome =
      sweep(singles_.formats(), std::move(trials), goal,
            fmt::format("{} candidates on {} chunks", candidates.size(), chunks));
  if (!outcome) return tl::unexpected(outcome.error());
  if (outcome->state != SweepOutcome::State::kFinished) return false;
  const size_t chunks_of_text = outcome->cluster_of_chunk.size();
  if (chunks_of_text < static_cast<size_t>(chunks)) candidate_chunks_ = static_cast<int>(chunks_of_text);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const MeasuredChunks& measured = outcome->measured[i];
    PlanCandidate& candidate = *candidates[i];
    candidate.measured_kl.reset();
    candidate.measured_interval.reset();
    candidate.chunks = 0;
    if (measured.size() < chunks_of_text) continue;  // its trial failed
    const ClusteredMean kl =
        clustered_mean(kl_by_cluster(measured, outcome->cluster_of_chunk, common_chunks(measured, {})));
    candidate.measured_kl = kl.mean;
    candidate.measured_interval = kl.interval;
    candidate.chunks = static_cast<int>(measured.size());
  }
  return true;
}

/// All candidates on a few chunks, the better half on more, the best on all; the stock mix stays to the end.
Result<bool> PlanSearch::race() {
  std::vector<PlanCandidate*> left;
  for (PlanCandidate& candidate : candidates_) left.push_back(&candidate);
  const auto is_stock = [](const PlanCandidate* candidate) { return candidate->label.starts_with("stock "); };
  for (int chunks = std::min(kFirstHeat, candidate_chunks_);;
       chunks = std::min(2 * chunks, candidate_chunks_)) {
    Result<bool> measured = measure(left, chunks);
    if (!measured || !*measured) return measured;
    std::erase_if(left, [](const PlanCandidate* candidate) { return !candidate->measured_kl; });
    if (left.empty())
      return fail(ErrorCode::kEngine, "no candidate could be measured", request_.study.string(),
                  "run the same command with fewer --workers; fqlab status tells why the trials failed");
    std::ranges::sort(left, {}, [](const PlanCandidate* candidate) { return *candidate->measured_kl; });
    if (chunks >= candidate_chunks_) return true;
    const size_t keep = std::max<size_t>(2, (left.size() + 1) / 2);
    std::vector<PlanCandidate*> next;
    for (PlanCandidate* candidate : left)
      if (next.size() < keep || is_stock(candidate)) next.push_back(candidate);
    left = std::move(next);
  }
}

/// From the candidates measured on all chunks but this one; 1 where there is no other.
double PlanSearch::joint_over_sum(const PlanCandidate* but) const {
  double logs = 0;
  int n = 0;
  for (const PlanCandidate& candidate : candidates_) {
    if (&candidate == but || candidate.chunks < candidate_chunks_ || !candidate.raw_kl) continue;
    logs += std::log(*candidate.measured_kl / *candidate.raw_kl);
    ++n;
  }
  return n > 0 ? std::exp(logs / n) : 1;
}

Result<void> PlanSearch::describe(PlanOutcome& outcome) {
  for (PlanCandidate& candidate : candidates_) candidate.raw_kl = raw_kl(candidate.types);
  const auto order = [](const PlanCandidate& candidate) {
    return std::pair(-candidate.chunks, candidate.measured_kl.value_or(HUGE_VAL));
  };
  std::ranges::sort(candidates_, {}, order);
  const PlanCandidate& chosen = candidates_.front();
  const double ratio = joint_over_sum(&chosen);
  QuantizationPlan& plan = outcome.plan;
  plan.model = request_.model.string();
  plan.imatrix = request_.imatrix.string();
  for (const CorpusSource& corpus : request_.corpora)
    if (std::ranges::find(plan.corpora, corpus.path.string()) == plan.corpora.end())
      plan.corpora.push_back(corpus.path.string());
  plan.budget = request_.budget;
  plan.budget_bytes = budget_;
  plan.file_bytes = chosen.file_bytes;
  if (chosen.raw_kl) plan.predicted_kl = rounded(*chosen.raw_kl * ratio);
  if (chosen.measured_kl) plan.measured_kl = rounded(*chosen.measured_kl);
  if (const auto& interval = chosen.measured_interval)
    plan.measured_interval = {rounded(interval->low), rounded(interval->high)};
  plan.measured_chunks = chosen.chunks;
  plan.model_sha256 = source_.model_sha256;
  if (!request_.imatrix.empty()) {
    const Result<std::string> imatrix = sha256_of_file(request_.imatrix);
    if (!imatrix) return tl::unexpected(imatrix.error());
    plan.imatrix_sha256 = *imatrix;
  }
  std::map<size_t, PlannedTensor> single;  // of groups of one tensor
  for (size_t g = 0; g < space_.groups().size(); ++g) {
    const PlanGroup& group = space_.groups()[g];
    if (group.tensors.size() != 1) continue;
    const GgmlType type = chosen.types[space_.place_of(group.tensors.front())];
    const auto option = std::ranges::find(group.options, type, &PlanOption::type);
    if (option == group.options.end()) continue;
    const auto o = static_cast<size_t>(option - group.options.begin());
    single[group.tensors.front()] = {"", option->type, rounded(*singles_.effect(g, o).kl),
                                     !singles_.is_measured(g, o)};
  }
  for (size_t i = 0; i < space_.tensors().size(); ++i) {
    const size_t tensor = space_.tensors()[i];
    const PlannedTensor& known = single[tensor];
    plan.tensors.push_back(
        {space_.file().tensors()[tensor].name, chosen.types[i], known.kl, known.kl_predicted});
  }
  const TypeSolver solver(items(), UINT64_MAX);
  for (const PlanPoint& point : solver.curve(kCurvePoints))
    plan.frontier.push_back({point.file_bytes + space_.fixed_bytes(), rounded(point.kl * ratio)});
  const std::vector<ChoiceItem> costs = items();
  const uint64_t data = budget_ - space_.fixed_bytes();
  // Of its own: the curve's steps reach up to the original's size, and can be larger than a megabyte.
  const TypeSolver near(costs, data + static_cast<uint64_t>(kMegabyte));
  const auto here = near.solve(data), further = near.solve(data + static_cast<uint64_t>(kMegabyte));
  if (here && further)
    outcome.fall_per_megabyte = ratio * (total(costs, *here).kl - total(costs, *further).kl);
  outcome.candidates = candidates_;
  outcome.singles = singles_.options();
  outcome.singles_predicted = singles_.options_predicted();
  outcome.singles_held_out = singles_.predicted().held_out;
  outcome.single_log_error = singles_.predicted().log_error_of_all;
  return {};
}

Result<PlanOutcome> PlanSearch::run() {
  const Stopwatch stopwatch;
  PlanOutcome outcome;
  const auto finish = [&]() -> Result<PlanOutcome> {
    outcome.state = state_;
    outcome.runs_now = runs_now_;
    outcome.runs_before = runs_before_;
    outcome.seconds = stopwatch.seconds();
    outcome.solving_seconds = solving_seconds_;
    return outcome;
  };
  const Result<uint64_t> budget = parse_budget(request_.budget, space_, !request_.imatrix.empty());
  if (!budget) return tl::unexpected(budget.error());
  budget_ = *budget;
  uint64_t least = space_.fixed_bytes();
  for (const PlanGroup& group : space_.groups()) least += group.options.front().bytes;
  if (budget_ < least)
    return fail(ErrorCode::kUsage,
                fmt::format("a file of {} bytes cannot be made: the smallest has {}{}, {:.2f} bits a weight",
                            budget_, least, request_.pins.empty() ? "" : " with these pins",
                            8 * static_cast<double>(least) / static_cast<double>(space_.file().parameters())),
                "--budget " + request_.budget, "allow more bytes, or smaller types with --types");
  for (const std::string& warning : space_.warnings()) warn_(warning);

  const Result<bool> found = find_representative();
  if (!found) return tl::unexpected(found.error());
  if (!*found) return finish();
  const Result<bool> singles = measure_singles();
  if (!singles) return tl::unexpected(singles.error());
  if (!*singles) return finish();
  const Stopwatch solving;
  const Options solution = *solve(items());
  solving_seconds_ += solving.seconds();
  const Result<bool> kinds = measure_kinds(solution);
  if (!kinds) return tl::unexpected(kinds.error());
  if (!*kinds) return finish();
  if (Result<void> added = add_solutions(solution); !added) return tl::unexpected(added.error());
  if (Result<void> added = add_stock(); !added) return tl::unexpected(added.error());
  const Result<bool> raced = race();
  if (!raced) return tl::unexpected(raced.error());
  if (!*raced) return finish();
  if (Result<void> described = describe(outcome); !described) return tl::unexpected(described.error());
  return finish();
}

}  // namespace

std::vector<GgmlType> default_plan_types(const GgufFile& file) {
  std::vector<GgmlType> types;
  for (const char* name :
       {"q2_K", "q3_K", "iq4_xs", "iq4_nl", "q4_K", "q4_1", "q5_0", "q5_K", "q5_1", "q6_K", "q8_0"})
    if (const GgmlTypeInfo* info = ggml_type_info(std::string_view(name))) types.push_back(info->type);
  for (const GgmlType own : {GgmlType::kF16, GgmlType::kBf16})
    if (std::ranges::find(file.tensors(), own, &TensorInfo::type) != file.tensors().end())
      types.push_back(own);
  return types;
}

Result<PlanOutcome> search_plan(
    const PlanRequest& request,
    const std::function<void(const std::string& stage, const SweepProgress&)>& progress,
    const std::function<void(const std::string&)>& warn) {
  Result<GgufFile> file = GgufFile::open(request.model);
  if (!file) return tl::unexpected(file.error());
  Result<std::string> hash = sha256_of_file(request.model);
  if (!hash) return tl::unexpected(hash.error());
  const PlanSource source{request.imatrix, std::move(*hash), request.budget};
  const std::vector<GgmlType> types = request.types.empty() ? default_plan_types(*file) : request.types;
  Result<PlanSpace> space = PlanSpace::create(*file, source, types, request.pins, request.grouping);
  if (!space) return tl::unexpected(space.error());
  return PlanSearch(request, source, std::move(*space), progress, warn).run();
}

}  // namespace fqlab
