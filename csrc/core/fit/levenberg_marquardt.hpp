#pragma once

#include <limits>
#include <vector>

#include "core/fit/fit.hpp"
#include "core/fit/varpro.hpp"

namespace fastsfes::fit {

/// How a non-linear parameter may move.
struct Variable {
  double lower = -std::numeric_limits<double>::infinity(), upper = std::numeric_limits<double>::infinity();
  bool logarithmic = false;  ///< steps are taken in its logarithm; it starts positive and stays so
};

struct Outcome {
  VariableProjection::Point point;
  Status status = Status::NotFinite;
  int evaluations = 0;
};

/// Levenberg-Marquardt from theta, which becomes the minimum found (Marquardt's scaling with the largest curvature
/// seen, damping after Nielsen). Bounds are kept by projection: a parameter at its bound that wants to leave is held.
[[nodiscard]] Outcome minimise(VariableProjection& projection, const std::vector<Variable>& variables,
                               std::vector<double>& theta, const Options& options);

}  // namespace fastsfes::fit
