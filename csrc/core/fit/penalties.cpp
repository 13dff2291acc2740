#include "core/fit/penalties.hpp"

#include <cmath>

namespace fastsfes::fit {

bool Penalties::update(const Columns& columns, const std::vector<double>& coefficients) {
  bool changed = false;
  for (std::size_t p = 0; p < side_.size(); ++p) {
    const std::size_t row = problem_.penalty_begin() + p;
    double value = -columns.target()[row];
    for (std::size_t k = 0; k < columns.linear(); ++k) value += coefficients[k] * columns.column(k)[row];
    const Penalty& penalty = problem_.penalties()[p];
    const double scale = std::sqrt(penalty.weight);
    const signed char side = value > scale * penalty.upper ? 1 : value < scale * penalty.lower ? -1 : 0;
    changed = changed || side != side_[p];
    side_[p] = side;
  }
  return changed;
}

double Penalties::limit(std::size_t p) const noexcept {
  const Penalty& penalty = problem_.penalties()[p];
  return std::sqrt(penalty.weight) * (side_[p] > 0 ? penalty.upper : penalty.lower);
}

}  // namespace fastsfes::fit
