// What each type costs each group of tensors where only some types were measured: the others lie between
// them, along the error of the weights. See docs/decisions/0011.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace fqlab {

/// One type that a group of tensors can have.
struct TypeEffect {
  size_t type = 0;           ///< any number, the same for the same type
  double weight_error = 0;   ///< relative mean squared error of the group's weights in that type
  std::optional<double> kl;  ///< measured alone, nats; absent: to be predicted
  /// Its kernels round activations to 8 bits, as those of all quantized types do. The others tell nothing of
  /// these and are to be measured themselves.
  bool quantized = true;
};

/// Which types of a group to measure, as indices in ascending order: of the quantized ones the least and the
/// greatest weight error, and of more than six the one nearest to their geometric middle; all of fewer than
/// four. All that are not quantized.
std::vector<size_t> anchor_types(std::span<const TypeEffect> types);

/// A group and what is known of its types.
struct GroupEffects {
  size_t kind = 0;  ///< any number, the same for groups of one kind
  std::vector<TypeEffect> types;
};

struct PredictedEffects {
  std::vector<std::vector<double>> kl;  ///< by group and type, nats: measured where it was, else predicted
  std::vector<double> log_error;        ///< by group: of its kind; of all kinds where the kind has none
  size_t held_out = 0;                  ///< measured types that are no anchors, each predicted without itself
  double log_error_of_all = 0;          ///< root mean square of ln(predicted / measured) over them
};

/// KL of a small change is of second order in it, so it is linear in the squared error of the weights, plus a
/// constant for the rounding of the activations, which kernels of all types do: a straight line between the
/// anchors next to a type. What the types of a kind share beside that (other activation blocks) is a factor
/// by type, the mean of ln(measured / line) of kLeastHeldOut or more groups where the type was measured too.
/// Every group needs its anchors measured. Blind spot: a type whose rounding is not like noise in this
/// tensor.
PredictedEffects predict_effects(std::span<const GroupEffects> groups);

/// What a type costs a group, steadied by what the other types cost it: by group and type, in nats, the
/// geometric mean of the measured KL and of a curve fitted to all measured types of all groups,
///     KL = factor(kind, type) (activations(group) + sensitivity(group) weight error),
/// by least squares of the relative errors, both >= 0. A measured KL is that of a few chunks, and what these
/// do to one rounding of a tensor they do not do to the next, so the curve knows better what another text
/// would say; but a rounding's own part is real too (docs/decisions/0017). As measured: groups with fewer
/// than kLeastPredicted measured quantized types, and types that are not quantized. 0 where nothing was
/// measured.
std::vector<std::vector<double>> smoothed_effects(std::span<const GroupEffects> groups);

inline constexpr size_t kLeastHeldOut = 3;
inline constexpr size_t kLeastPredicted = 4;  ///< types of a group; of fewer, all are anchors

}  // namespace fqlab
