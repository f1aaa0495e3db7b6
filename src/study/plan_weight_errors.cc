#include "study/plan_weight_errors.h"

#include <algorithm>
#include <map>
#include <string>

#include "fqlab/weight_damage.h"
#include "plan/type_effects.h"
#include "recipe/tensor_stream.h"

namespace fqlab {
namespace {

constexpr uint64_t kSampledRows = 32;

/// Where the error of one tensor in one option belongs.
struct Place {
  size_t group = 0, option = 0;
};

/// Tensors that have the same formats to choose from are measured in one pass.
struct Pass {
  std::vector<FormatSpec> formats;
  std::vector<size_t> tensors;                  // ascending
  std::map<size_t, std::vector<Place>> places;  // by tensor, parallel to `formats`
};

std::map<std::string, Pass> passes(const PlanSpace& space) {
  struct Wanted {
    std::vector<FormatSpec> formats;
    std::vector<Place> places;
  };
  std::map<size_t, Wanted> of_tensor;
  for (size_t g = 0; g < space.groups().size(); ++g) {
    const PlanGroup& group = space.groups()[g];
    if (group.options.size() < kLeastPredicted) continue;
    for (size_t o = 0; o < group.options.size(); ++o)
      for (const TensorChange& change : group.options[o].changes) {
        of_tensor[change.tensor].formats.push_back(change.format);
        of_tensor[change.tensor].places.push_back({g, o});
      }
  }
  std::map<std::string, Pass> passes;
  for (auto& [tensor, wanted] : of_tensor) {
    std::string key;
    for (const FormatSpec& format : wanted.formats) key += format.print() + '\n';
    Pass& pass = passes[key];
    pass.formats = std::move(wanted.formats);
    pass.tensors.push_back(tensor);
    pass.places[tensor] = std::move(wanted.places);
  }
  return passes;
}

}  // namespace

Result<std::vector<std::vector<double>>> plan_weight_errors(const PlanSpace& space, int threads) {
  std::vector<std::vector<DamageSums>> sums;
  for (const PlanGroup& group : space.groups()) sums.emplace_back(group.options.size());
  for (const auto& [key, pass] : passes(space)) {
    DamageOptions options;
    options.threads = threads;
    options.importance = space.imatrix();
    options.sampled_rows = kSampledRows;
    const Result<WeightDamage> damage = measure_damage(space.file(), pass.tensors, pass.formats, options);
    if (!damage) return tl::unexpected(damage.error());
    for (size_t i = 0; i < pass.tensors.size(); ++i)
      for (size_t f = 0; f < pass.formats.size(); ++f) {
        const FormatDamage& found = damage->tensors[i].formats[f];
        if (found.refused)
          return tl::unexpected(naming(space.file().tensors()[pass.tensors[i]], *found.refused));
        const Place& place = pass.places.at(pass.tensors[i])[f];
        sums[place.group][place.option].merge(found.sums);
      }
  }
  std::vector<std::vector<double>> errors;
  for (const std::vector<DamageSums>& group : sums) {
    std::vector<double>& of_group = errors.emplace_back();
    for (const DamageSums& option : group) of_group.push_back(option.damage());
  }
  return errors;
}

}  // namespace fqlab
