#pragma once

namespace fqlab {

constexpr double square(double x) { return x * x; }

}  // namespace fqlab
