#include "plan/type_effects.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace fqlab {
namespace {

constexpr size_t kMiddleAbove = 6;
constexpr double kLeastShare = 0.01;  // of the cheaper anchor: what a line through noise may fall to

std::vector<size_t> quantized_by_error(std::span<const TypeEffect> types) {
  std::vector<size_t> order;
  for (size_t i = 0; i < types.size(); ++i)
    if (types[i].quantized) order.push_back(i);
  std::ranges::stable_sort(order, {}, [&](size_t i) { return types[i].weight_error; });
  return order;
}

/// KL on the straight line through the two anchors beside this error; nats.
double on_line(std::span<const TypeEffect> types, std::span<const size_t> anchors, double error) {
  std::vector<TypeEffect> points;
  for (const size_t i : anchors)
    if (types[i].quantized) points.push_back(types[i]);
  std::ranges::sort(points, {}, &TypeEffect::weight_error);
  size_t right = 1;
  while (right + 1 < points.size() && points[right].weight_error < error) ++right;
  const TypeEffect &low = points[right - 1], &high = points[right];
  const double width = high.weight_error - low.weight_error;
  const double at = width > 0 ? (error - low.weight_error) / width : 0.5;
  const double kl = *low.kl + at * (*high.kl - *low.kl);
  return std::max(kl, kLeastShare * std::min(*low.kl, *high.kl));
}

/// A measured type that is no anchor.
struct Residual {
  size_t kind = 0, type = 0;
  double log_ratio = 0;  ///< ln(measured / line)
};

struct TypeFactor {
  double sum = 0;
  size_t n = 0;
  void add(double log_ratio) {
    sum += log_ratio;
    ++n;
  }
  double mean_without(const Residual* one) const {
    const size_t left = n - (one != nullptr);
    return left < kLeastHeldOut ? 0
                                : (sum - (one != nullptr ? one->log_ratio : 0)) / static_cast<double>(left);
  }
};

struct MeanSquare {
  double sum = 0;
  size_t n = 0;
  void add(double x) {
    sum += x * x;
    ++n;
  }
  double root() const { return n == 0 ? 0 : std::sqrt(sum / static_cast<double>(n)); }
};

// Enough for figures that are rounded to four digits; more rounds do not change a plan.
constexpr int kFactorRounds = 6, kCurveRounds = 12;
constexpr double kFactorPrior = 2;  // groups that say that a type of a kind has the factor 1

/// A measured type as its group's curve has it.
struct CurvePoint {
  size_t type = 0, option = 0;
  double error = 0, kl = 0;
};

struct Curve {
  double activations = 0, sensitivity = 0;
  double at(double error) const { return activations + sensitivity * error; }
};

/// Least squares of (kl - curve) / scale, neither coefficient below 0; `kl` free of the types' factors.
Curve fit_line(std::span<const CurvePoint> points, std::span<const double> kl,
               std::span<const double> scale) {
  double n = 0, x = 0, xx = 0, y = 0, xy = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const double weight = 1 / (scale[i] * scale[i]);
    n += weight;
    x += weight * points[i].error;
    xx += weight * points[i].error * points[i].error;
    y += weight * kl[i];
    xy += weight * points[i].error * kl[i];
  }
  const double determinant = n * xx - x * x;
  if (determinant > 0) {
    const Curve both{(xx * y - x * xy) / determinant, (n * xy - x * y) / determinant};
    if (both.activations >= 0 && both.sensitivity >= 0) return both;
    if (both.activations < 0) return {0, xy / xx};
  }
  return {y / n, 0};
}

/// The scale of each point's error lies between what is measured and what the curve says.
std::vector<double> fitted(std::span<const CurvePoint> points, std::span<const double> kl) {
  std::vector<double> scale(kl.begin(), kl.end()), found(kl.size());
  for (int round = 0; round < kCurveRounds; ++round) {
    const Curve curve = fit_line(points, kl, scale);
    for (size_t i = 0; i < points.size(); ++i) {
      found[i] = std::max(curve.at(points[i].error), kLeastShare * kl[i]);
      scale[i] = std::sqrt(found[i] * scale[i]);
    }
  }
  return found;
}

}  // namespace

std::vector<std::vector<double>> smoothed_effects(std::span<const GroupEffects> groups) {
  std::vector<std::vector<double>> effects;
  std::vector<std::vector<CurvePoint>> points;
  for (const GroupEffects& group : groups) {
    std::vector<double>& of_group = effects.emplace_back();
    std::vector<CurvePoint>& measured = points.emplace_back();
    for (size_t i = 0; i < group.types.size(); ++i) {
      const TypeEffect& type = group.types[i];
      of_group.push_back(type.kl.value_or(0));
      if (type.quantized && type.kl && *type.kl > 0)
        measured.push_back({type.type, i, type.weight_error, *type.kl});
    }
    if (measured.size() < kLeastPredicted) measured.clear();
  }
  std::map<std::pair<size_t, size_t>, double> log_factor;  // by kind and type
  for (int round = 0; round <= kFactorRounds; ++round) {
    std::map<std::pair<size_t, size_t>, TypeFactor> off;
    for (size_t g = 0; g < groups.size(); ++g) {
      std::vector<double> kl;
      for (const CurvePoint& point : points[g])
        kl.push_back(point.kl / std::exp(log_factor[{groups[g].kind, point.type}]));
      const std::vector<double> curve = fitted(points[g], kl);
      for (size_t i = 0; i < curve.size(); ++i) {
        const CurvePoint& point = points[g][i];
        off[{groups[g].kind, point.type}].add(std::log(kl[i] / curve[i]));
        effects[g][point.option] = point.kl * std::sqrt(curve[i] / kl[i]);
      }
    }
    for (const auto& [of, found] : off)
      log_factor[of] += found.sum / (static_cast<double>(found.n) + kFactorPrior);
  }
  return effects;
}

std::vector<size_t> anchor_types(std::span<const TypeEffect> types) {
  const std::vector<size_t> order = quantized_by_error(types);
  std::vector<size_t> anchors;
  for (size_t i = 0; i < types.size(); ++i)
    if (!types[i].quantized || order.size() < kLeastPredicted) anchors.push_back(i);
  if (order.size() < kLeastPredicted) return anchors;
  anchors.push_back(order.front());
  anchors.push_back(order.back());
  if (order.size() > kMiddleAbove) {
    const auto log_error = [&](size_t i) { return std::log(std::max(types[i].weight_error, 1e-30)); };
    const double middle = (log_error(order.front()) + log_error(order.back())) / 2;
    anchors.push_back(*std::min_element(order.begin() + 1, order.end() - 1, [&](size_t a, size_t b) {
      return std::abs(log_error(a) - middle) < std::abs(log_error(b) - middle);
    }));
  }
  std::ranges::sort(anchors);
  return anchors;
}

PredictedEffects predict_effects(std::span<const GroupEffects> groups) {
  std::vector<std::vector<size_t>> anchors;
  std::vector<Residual> residuals;
  std::map<size_t, TypeFactor> factors;
  for (const auto& [kind, types] : groups) {
    anchors.push_back(anchor_types(types));
    for (size_t i = 0; i < types.size(); ++i) {
      if (!types[i].kl || !(*types[i].kl > 0) || std::ranges::binary_search(anchors.back(), i)) continue;
      const double line = on_line(types, anchors.back(), types[i].weight_error);
      if (!(line > 0)) continue;
      residuals.push_back({kind, types[i].type, std::log(*types[i].kl / line)});
      factors[types[i].type].add(residuals.back().log_ratio);
    }
  }

  PredictedEffects effects;
  MeanSquare all;
  std::map<size_t, MeanSquare> of_kind;
  for (const Residual& residual : residuals) {
    const double off = residual.log_ratio - factors.at(residual.type).mean_without(&residual);
    all.add(off);
    of_kind[residual.kind].add(off);
  }
  effects.held_out = all.n;
  effects.log_error_of_all = all.root();
  for (size_t g = 0; g < groups.size(); ++g) {
    const MeanSquare& kind = of_kind[groups[g].kind];
    effects.log_error.push_back(kind.n < kLeastHeldOut ? all.root() : kind.root());
    std::vector<double>& kl = effects.kl.emplace_back();
    for (const TypeEffect& type : groups[g].types) {
      if (type.kl) {
        kl.push_back(*type.kl);
        continue;
      }
      const auto factor = factors.find(type.type);
      const double shift = factor == factors.end() ? 0 : factor->second.mean_without(nullptr);
      kl.push_back(on_line(groups[g].types, anchors[g], type.weight_error) * std::exp(shift));
    }
  }
  return effects;
}

}  // namespace fqlab
