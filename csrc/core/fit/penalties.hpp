#pragma once

#include <cstddef>
#include <vector>

#include "core/fit/columns.hpp"

namespace fastsfes::fit {

/// Which penalties are violated, and on which side: their rows join the linear problem.
class Penalties {
 public:
  explicit Penalties(const Problem& problem) : problem_(problem), side_(problem.penalties().size(), 0) {}

  /// Finds the sides at these linear parameters; true when one has changed.
  bool update(const Columns& columns, const std::vector<double>& coefficients);

  [[nodiscard]] std::size_t count() const noexcept { return side_.size(); }
  [[nodiscard]] bool active(std::size_t p) const noexcept { return side_[p] != 0; }
  /// The violated limit, weighted.
  [[nodiscard]] double limit(std::size_t p) const noexcept;

 private:
  const Problem& problem_;
  std::vector<signed char> side_;  // -1 below, +1 above, 0 inside
};

}  // namespace fastsfes::fit
