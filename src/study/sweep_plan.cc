#include "study/sweep_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "recipe/importance.h"
#include "recipe/layer_list.h"
#include "study/controls.h"

namespace fqlab {
namespace {

constexpr std::array<std::pair<Grouping, std::string_view>, 4> kGroupings = {
    {{Grouping::kTensor, "tensor"},
     {Grouping::kKind, "kind"},
     {Grouping::kLayer, "layer"},
     {Grouping::kLayerKind, "layer-kind"}}};
constexpr std::array<std::pair<SweepMode, std::string_view>, 3> kModes = {
    {{SweepMode::kOnly, "only"}, {SweepMode::kExcept, "except"}, {SweepMode::kCumulative, "cumulative"}}};

template <class T, size_t N>
std::string_view name_in(const std::array<std::pair<T, std::string_view>, N>& table, T value) {
  return std::ranges::find(table, value, &std::pair<T, std::string_view>::first)->second;
}

template <class T, size_t N>
Result<T> parse_in(const std::array<std::pair<T, std::string_view>, N>& table, std::string_view text,
                   const char* option) {
  std::string all;
  for (const auto& [value, known] : table) {
    if (known == text) return value;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  return fail(ErrorCode::kUsage, fmt::format("there is no '{}'", text), option, "one of " + all);
}

TensorGroup group_of(const TensorInfo& tensor, Grouping grouping) {
  const TensorName name = parse_tensor_name(tensor.name);
  const std::string layer = name.layer ? std::to_string(*name.layer) : "";
  switch (grouping) {
    case Grouping::kTensor:
      return {tensor.name, name.layer, name.kind, {}};
    case Grouping::kKind:
      return {name.kind, std::nullopt, name.kind, {}};
    case Grouping::kLayer:  // what belongs to no layer stays by itself
      return name.layer ? TensorGroup{"layer " + layer, name.layer, "", {}}
                        : TensorGroup{name.kind, std::nullopt, name.kind, {}};
    case Grouping::kLayerKind:
      return name.layer ? TensorGroup{layer + "/" + name.kind, name.layer, name.kind, {}}
                        : TensorGroup{name.kind, std::nullopt, name.kind, {}};
  }
  return {};
}

Result<std::vector<size_t>> selected_tensors(const GgufFile& file, const SweepSelection& selection) {
  if (selection.select) return select(*selection.select, file.tensors());
  std::vector<size_t> selected;
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorInfo& tensor = file.tensors()[i];
    if (tensor.name.ends_with(".weight") && holds_weights(tensor.type) &&
        (tensor.is_matrix() || is_norm_kind(parse_tensor_name(tensor.name).kind)))
      selected.push_back(i);
  }
  if (selected.empty())
    return fail(ErrorCode::kInput, "the model has neither matrices nor norms", file.path().string());
  return selected;
}

/// A selector of exactly these tensors, tried out; empty where none of the simple ones is.
std::string selector_for(std::span<const size_t> wanted, std::span<const TensorInfo> tensors) {
  std::set<int> layers;
  std::string kinds;
  std::set<std::string> known;
  for (const size_t i : wanted) {
    const TensorName name = parse_tensor_name(tensors[i].name);
    if (name.layer) layers.insert(*name.layer);
    if (known.insert(name.kind).second) kinds += (kinds.empty() ? "" : ",") + name.kind;
  }
  const std::string in_layers = layers.empty() ? "" : layer_list(layers) + "/";
  for (const std::string& text : {std::string("*"), in_layers + "*", kinds, in_layers + kinds}) {
    const Result<Selector> selector = Selector::parse(text);
    if (!selector) continue;
    const Result<std::vector<size_t>> found = select(*selector, tensors);
    if (found && std::ranges::equal(*found, wanted)) return text;
  }
  return "";
}

/// The tensors of `selected` that a format can hold; the reason of the first that it cannot.
Result<std::vector<size_t>> fitting(const GgufFile& file, std::span<const size_t> selected,
                                    const FormatSpec& format, std::string& why_not) {
  const Result<std::optional<ImportanceMatrix>> matrix = imatrix_of(file, format);
  if (!matrix) return tl::unexpected(matrix.error());
  std::vector<size_t> fit;
  for (const size_t i : selected) {
    const TensorInfo& tensor = file.tensors()[i];
    if (const Result<void> fits = check_fit(tensor, format, *matrix ? &**matrix : nullptr); fits)
      fit.push_back(i);
    else if (why_not.empty())
      why_not = tensor.name + ": " + fits.error().what;
  }
  if (fit.empty()) return fail(ErrorCode::kUsage, "the format fits none of the tensors", why_not);
  return fit;
}

/// Builds the plan; a trial that two cells share is there once.
class Builder {
 public:
  Builder(const GgufFile& file, const SweepSelection& selection, std::string_view identity)
      : file_(file), selection_(selection), identity_(identity) {}

  Result<size_t> add_trial(TrialSpec trial) {
    const Result<std::string> key = trial_key(trial, file_.tensors(), identity_, hashes_);
    if (!key) return tl::unexpected(key.error());
    const auto [found, added] = index_.try_emplace(*key, plan_.trials.size());
    if (added) {
      plan_.trials.push_back(std::move(trial));
      plan_.keys.push_back(*key);
    }
    return found->second;
  }

  /// `changed`: the group's tensors, or with "except" all others.
  Result<void> add_cell(size_t format, const char* mode, const TensorGroup& group,
                        std::span<const size_t> changed) {
    SweepCell cell{format, mode, group.label, group.layer, group.kind, group.tensors};
    cell.selector = selector_for(group.tensors, file_.tensors());
    TrialSpec trial;
    for (const size_t tensor : changed) trial.changes.push_back({tensor, selection_.formats[format]});
    const std::string mark = cell.mode == "except" ? "all but " : "";
    trial.what = mark + group.label + "=" + selection_.formats[format].print();
    Result<size_t> added = add_trial(std::move(trial));
    if (!added) return tl::unexpected(added.error());
    cell.trial = *added;
    if (cell.mode == "only") {
      Result<std::vector<size_t>> floors = add_floors(group.tensors, group.label);
      if (!floors) return tl::unexpected(floors.error());
      cell.own_floors = std::move(*floors);
    }
    plan_.cells.push_back(std::move(cell));
    return {};
  }

  Result<std::vector<size_t>> add_floors(std::span<const size_t> tensors, const std::string& label) {
    std::vector<size_t> floors;
    for (uint64_t i = 0; i < kFloorSeeds; ++i) {
      TrialSpec trial;
      trial.kind = TrialSpec::Kind::kFloor;
      trial.seed = selection_.seed + i;
      trial.what = fmt::format("{}: noise of one unit in the last place, seed {}", label, trial.seed);
      for (const size_t tensor : tensors) trial.changes.push_back({tensor, as_is_});
      Result<size_t> added = add_trial(std::move(trial));
      if (!added) return tl::unexpected(added.error());
      floors.push_back(*added);
    }
    return floors;
  }

  SweepPlan& plan() { return plan_; }

 private:
  const GgufFile& file_;
  const SweepSelection& selection_;
  std::string_view identity_;
  FormatSpec as_is_ = *FormatSpec::parse("f32");
  SweepPlan plan_;
  std::map<std::string, size_t> index_;
  ImportanceHashes hashes_;
};

/// A trial a cell, as given.
Result<SweepPlan> plan_real(const GgufFile& file, const SweepSelection& selection,
                            std::string_view identity) {
  Builder builder(file, selection, identity);
  for (const RealTrial& given : selection.real) {
    SweepCell cell{given.format, given.mix ? "mix" : "only", given.label};
    for (const TensorChange& change : given.changes) cell.tensors.push_back(change.tensor);
    if (given.changes.size() == 1) {
      const TensorName name = parse_tensor_name(file.tensors()[given.changes.front().tensor].name);
      cell.layer = name.layer;
      cell.kind = name.kind;
    }
    if (!given.mix) cell.selector = selector_for(cell.tensors, file.tensors());
    TrialSpec trial;
    trial.kind = TrialSpec::Kind::kReal;
    trial.changes = given.changes;
    trial.what = given.mix
                     ? given.label
                     : fmt::format("{} stored as {}", given.label, selection.formats[given.format].print());
    const Result<size_t> added = builder.add_trial(std::move(trial));
    if (!added) return tl::unexpected(added.error());
    cell.trial = *added;
    builder.plan().cells.push_back(std::move(cell));
  }
  return std::move(builder.plan());
}

std::vector<size_t> all_but(std::span<const size_t> all, const TensorGroup& group) {
  std::vector<size_t> rest;
  const std::set<size_t> left_out(group.tensors.begin(), group.tensors.end());
  for (const size_t tensor : all)
    if (!left_out.contains(tensor)) rest.push_back(tensor);
  return rest;
}

/// Layers 0..k from the front and k..last from the back. What belongs to no layer is in "all" only.
Result<void> add_curves(Builder& builder, size_t format, std::vector<TensorGroup> groups) {
  std::erase_if(groups, [](const TensorGroup& group) { return !group.layer; });
  if (groups.empty())
    return fail(ErrorCode::kUsage, "no selected tensor belongs to a layer", "--mode cumulative",
                "select tensors of layers");
  std::ranges::sort(groups, {}, [](const TensorGroup& group) { return *group.layer; });
  const auto label = [](const TensorGroup& first, const TensorGroup& last) {
    return first.layer == last.layer ? first.label : fmt::format("layers {}-{}", *first.layer, *last.layer);
  };
  for (const bool front : {true, false}) {
    for (size_t k = 0; k < groups.size(); ++k) {
      TensorGroup part{front ? label(groups.front(), groups[k]) : label(groups[k], groups.back()),
                       groups[k].layer,
                       "",
                       {}};
      const size_t begin = front ? 0 : k, end = front ? k + 1 : groups.size();
      for (size_t i = begin; i < end; ++i)
        part.tensors.insert(part.tensors.end(), groups[i].tensors.begin(), groups[i].tensors.end());
      std::ranges::sort(part.tensors);
      if (Result<void> added = builder.add_cell(format, front ? "front" : "back", part, part.tensors); !added)
        return added;
    }
  }
  return {};
}

}  // namespace

std::string_view name(Grouping grouping) { return name_in(kGroupings, grouping); }
std::string_view name(SweepMode mode) { return name_in(kModes, mode); }
Result<Grouping> parse_grouping(std::string_view text) { return parse_in(kGroupings, text, "--group"); }
Result<SweepMode> parse_sweep_mode(std::string_view text) { return parse_in(kModes, text, "--mode"); }

std::vector<TensorGroup> group_tensors(std::span<const size_t> selected, std::span<const TensorInfo> tensors,
                                       Grouping grouping) {
  std::vector<TensorGroup> groups;
  std::map<std::string, size_t> index;
  for (const size_t tensor : selected) {
    TensorGroup group = group_of(tensors[tensor], grouping);
    const auto [found, added] = index.try_emplace(group.label, groups.size());
    if (added) groups.push_back(std::move(group));
    groups[found->second].tensors.push_back(tensor);
  }
  return groups;
}

Result<void> check_fit(const TensorInfo& tensor, const FormatSpec& format, const ImportanceMatrix* matrix) {
  std::vector<float> row(tensor.columns()), importance;
  if (matrix != nullptr) {
    Result<std::vector<float>> found = matrix->importance(tensor);
    if (!found) return tl::unexpected(found.error());
    if (found->size() >= row.size())  // of experts the first; none for a tensor without an entry
      importance.assign(found->begin(), found->begin() + static_cast<std::ptrdiff_t>(row.size()));
  }
  const auto counts = fake_quantize(format, row, row, row.size(), {1, importance});
  if (!counts) return tl::unexpected(counts.error());
  return {};
}

Result<SweepPlan> plan_sweep(const GgufFile& file, const SweepSelection& selection,
                             std::string_view study_identity) {
  if (!selection.real.empty()) return plan_real(file, selection, study_identity);
  if (selection.formats.empty())
    return fail(ErrorCode::kUsage, "no format is given", "--formats", "such as --formats int4:g32,mxfp4");
  if (selection.mode == SweepMode::kCumulative && selection.grouping != Grouping::kLayer)
    return fail(ErrorCode::kUsage, "layers are what accumulates", "--mode cumulative",
                "write --group layer, or leave --group out");
  const Result<std::vector<size_t>> selected = selected_tensors(file, selection);
  if (!selected) return tl::unexpected(selected.error());
  Builder builder(file, selection, study_identity);
  for (size_t f = 0; f < selection.formats.size(); ++f) {
    std::string why_not;
    const Result<std::vector<size_t>> fit = fitting(file, *selected, selection.formats[f], why_not);
    if (!fit) {
      Error error = fit.error();
      error.where = selection.formats[f].print() + (error.where.empty() ? "" : ", " + error.where);
      return tl::unexpected(std::move(error));
    }
    if (fit->size() < selected->size())
      builder.plan().warnings.push_back(fmt::format(
          "{} does not fit {} of {} tensors, which are left out ({})", selection.formats[f].print(),
          selected->size() - fit->size(), selected->size(), why_not));
    const std::vector<TensorGroup> groups = group_tensors(*fit, file.tensors(), selection.grouping);
    if (Result<void> added = builder.add_cell(f, "all", {"all", std::nullopt, "", *fit}, *fit); !added)
      return tl::unexpected(added.error());
    Result<void> added;
    if (selection.mode == SweepMode::kCumulative) added = add_curves(builder, f, groups);
    for (const TensorGroup& group : groups) {
      if (!added || selection.mode == SweepMode::kCumulative) break;
      const bool only = selection.mode == SweepMode::kOnly;
      if (!only && groups.size() == 1)
        return fail(ErrorCode::kUsage, "the selection is one group, so nothing is left without it",
                    "--mode except", "select more, or group more finely");
      added =
          builder.add_cell(f, only ? "only" : "except", group, only ? group.tensors : all_but(*fit, group));
    }
    if (!added) return tl::unexpected(added.error());
  }
  Result<std::vector<size_t>> floors = builder.add_floors(*selected, "all");
  if (!floors) return tl::unexpected(floors.error());
  builder.plan().joint_floors = std::move(*floors);
  return std::move(builder.plan());
}

}  // namespace fqlab
